"""Language models by themselves: published weight names to ours.

Ours are those of transformers' causal class. Older and other files leave the name of the model inside it out, call the
head by a name of its own, or hold masks and frequencies that are counted, not learned.
"""

import re
from collections.abc import Iterable

from saccade.core.errors import SaccadeError
from saccade.weights.files import Published

OURS = "language.model."
INSIDE = {
    "llama": "model", "mistral": "model", "qwen2": "model", "qwen3": "model", "opt": "model",
    "mpt": "transformer", "gptj": "transformer", "bloom": "transformer", "gpt_neox": "gpt_neox",
}  # fmt: skip
"""What transformers calls the model under the head, by type."""
HEAD = "lm_head"
_HEADS = re.compile(r"^embed_out\.")
_COUNTED = re.compile(r"rotary_emb\.inv_freq$|\.(attention|attn)\.(masked_)?bias$|position_ids$")


def rename(published: Iterable[str], model_type: str) -> dict[str, Published]:
    """Our name → published name. Raises SaccadeError for two names of one weight."""
    made: dict[str, Published] = {}
    for name in published:
        if counted(name):
            continue
        ours = OURS + spelt(name, model_type)
        if ours in made:
            raise SaccadeError(f"{made[ours]} and {name} are both the weight {ours}; remove one of them")
        made[ours] = name
    return made


def counted(name: str) -> bool:
    """Whether the weight is counted off when the module is made, so that a file's copy of it says nothing."""
    return bool(_COUNTED.search(name))


def spelt(name: str, model_type: str) -> str:
    """``name`` as transformers' causal class spells it."""
    inside, head = INSIDE[model_type], _HEADS.sub(f"{HEAD}.", name)
    whole = head.startswith((f"{inside}.", f"{HEAD}."))
    return head if whole else f"{inside}.{head}"
