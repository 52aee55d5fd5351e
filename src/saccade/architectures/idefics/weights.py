"""IDEFICS checkpoints: published weight names to ours, strictly.

The tokens that IDEFICS adds have tables of their own there, for input and output; here they are the last rows of one.
Keys and values of the blocks, apart there, are one matrix here.
"""

import re
from collections.abc import Iterable

from saccade.core.errors import SaccadeError
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.reader import ReaderSpec
from saccade.weights import clip, latents
from saccade.weights.files import Published

TOWER, LATENTS = "model.vision_model.", "model.perceiver_resampler."
_BLOCKS = "model.gated_cross_attn_layers."
_LANGUAGE = re.compile(r"model\.(layers\.|norm\.)")
# Not learned: counted off when the module is made, though older files hold them.
_COUNTED = re.compile(r"rotary_emb\.inv_freq$")
_BLOCK: dict[str, Published] = {
    "gate_attention": "alpha_cross_attn",
    "gate_feed": "alpha_dense",
    "norm.weight": "input_layernorm.weight",
    "norm_feed.weight": "post_attention_layernorm.weight",
    "to_q.weight": "cross_attn.q_proj.weight",
    "to_kv.weight": ("cross_attn.k_proj.weight", "cross_attn.v_proj.weight"),
    "to_out.weight": "cross_attn.o_proj.weight",
    "widen.weight": "mlp.gate_proj.weight",
    "side.weight": "mlp.up_proj.weight",
    "narrow.weight": "mlp.down_proj.weight",
}
_NORMS: dict[str, Published] = {
    "norm_q.weight": "cross_attn.q_layer_norm.weight",
    "norm_k.weight": "cross_attn.k_layer_norm.weight",
}
_TABLES: dict[str, tuple[str, str]] = {
    "language.model.model.embed_tokens.weight": (
        "model.embed_tokens.weight",
        "model.embed_tokens.additional_embedding.weight",
    ),
    "language.model.lm_head.weight": ("lm_head.weight", "lm_head.additional_fc.weight"),
}


def rename(published: Iterable[str], spec: ReaderSpec) -> dict[str, Published]:
    """Our name → published names, for every published weight.

    Dropped by name, and nothing else: the norm above the tower's last layer, and tables that are not learned. Raises
    SaccadeError for names of blocks that are missing, and for any that an IDEFICS of this ``spec`` does not have.
    """
    there = {name for name in published if not _COUNTED.search(name)}
    made = clip.tower(there, TOWER)
    if isinstance(spec.connector, LatentsSpec):
        made |= {f"connector.{ours}": names for ours, names in latents.idefics(there, spec.connector, LATENTS).items()}
    for number in range(len(spec.cross.places) if spec.cross else 0):
        made |= _block(number, qk_norm=bool(spec.cross and spec.cross.qk_norm))
    made |= {f"language.model.{name}": name for name in there if _LANGUAGE.match(name)}
    for ours, parts in _TABLES.items():
        if there & set(parts):  # a tied output table is not there at all
            made[ours] = parts if parts[1] in there else parts[0]
    used = {part for names in made.values() for part in ((names,) if isinstance(names, str) else names)}
    strange = {name for name in there - used if not name.startswith(TOWER)}
    for what, names in (("lack", used - there), ("have left-over", strange)):
        if names:
            shown = ", ".join(sorted(str(name) for name in names)[:8])
            raise SaccadeError(f"the weights {what} {len(names)} names of this IDEFICS: {shown}; get the whole folder")
    return made


def _block(number: int, *, qk_norm: bool) -> dict[str, Published]:
    def under(names: Published) -> Published:
        prefix = f"{_BLOCKS}{number}."
        return prefix + names if isinstance(names, str) else tuple(f"{prefix}{name}" for name in names)

    block = _BLOCK | _NORMS if qk_norm else _BLOCK
    return {f"cross.blocks.{number}.{ours}": under(names) for ours, names in block.items()}
