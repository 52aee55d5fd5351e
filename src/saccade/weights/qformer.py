"""Q-Former checkpoints: published weight names to ours, strictly.

Two layouts occur. transformers': ``qformer.`` and ``query_tokens``, words inside it (InstructBLIP) or beside it
(BLIP-2's retrieval model). LAVIS': ``Qformer.bert.``, the same steps under BERT's names, and the first stage's heads.
What stands under the names of towers and language models is no part of a Q-Former and is passed over.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import count

import torch
from torch import Tensor

from saccade.core.errors import SaccadeError
from saccade.specs.connectors.qformer import QFormerSpec

Source = str | tuple[str, ...]
"""A published weight, or several that ours holds on top of each other, along their first axis."""

_ELSEWHERE = re.compile(
    r"(model\.)?(vision_model|language_model|lm_head)\.|(visual_encoder|ln_vision|opt_model|t5_model|llm_model)\."
)
# Not learned: counted off when the module is made, though older files hold it.
_COUNTED = re.compile(r"position_ids$")
_LAYER = re.compile(r"(?:qformer|Qformer\.bert)\.encoder\.layer\.(\d+)\.(.+)\.(weight|bias)$")
_INSIDE = {
    "attention.output.dense": "attention.out",
    "attention.output.LayerNorm": "attention.norm",
    "crossattention.output.dense": "cross.out",
    "crossattention.output.LayerNorm": "cross.norm",
    "intermediate_query.dense": "feed.widen",
    "output_query.dense": "feed.narrow",
    "output_query.LayerNorm": "feed.norm",
    "intermediate.dense": "feed_text.widen",
    "output.dense": "feed_text.narrow",
    "output.LayerNorm": "feed_text.norm",
}
_ATTENTION = re.compile(r"(cross)?attention\.(?:attention|self)\.(query|key|value)$")
_OUTSIDE = (
    (r"query_tokens$", "queries"),
    (r"(qformer\.(embeddings\.)?layernorm|Qformer\.bert\.embeddings\.LayerNorm)(?=\.)", "norm"),
    (r"((qformer\.)?embeddings|Qformer\.bert\.embeddings)\.word_embeddings(?=\.)", "words"),
    (r"((qformer\.)?embeddings|Qformer\.bert\.embeddings)\.position_embeddings(?=\.)", "places"),
    (r"(language_projection|opt_proj|t5_proj|llm_proj)(?=\.)", "project"),
)
_HEADS = (
    (r"vision_proj(ection)?(?=\.)", "image_head"),
    (r"text_proj(ection)?(?=\.)", "text_head"),
    (r"itm_head(?=\.)", "match_head"),
    (r"temp$", "temperature"),
    (r"Qformer\.cls\.predictions\.transform\.dense(?=\.)", "word_head.dense"),
    (r"Qformer\.cls\.predictions\.transform\.LayerNorm(?=\.)", "word_head.norm"),
    (r"Qformer\.cls\.predictions\.bias$", "word_head.bias"),
)
# The table of words and the bias once more, under the name of the matrix that is tied to them.
_TIED = re.compile(r"Qformer\.cls\.predictions\.decoder\.")


def rename(published: Iterable[str], spec: QFormerSpec) -> dict[str, Source]:
    """Our name → published name or names, for every published weight that a Q-Former of this ``spec`` has.

    Dropped by name, and nothing else: words and their feed-forwards where the spec has no vocabulary, the projection
    where it has none, the first stage's heads, and tables that are not learned. Raises SaccadeError for names of no
    known layout, two names of one weight, and matrices of which a part is missing.
    """
    found = _sorted(published, spec)
    return {ours: source for ours, source in found.items() if not ours.startswith("heads.")}


def rename_matcher(published: Iterable[str], spec: QFormerSpec) -> dict[str, Source]:
    """The same for a ``Matcher``, the first stage's heads with it."""
    found = _sorted(published, spec)
    return {
        ours.removeprefix("heads.") if ours.startswith("heads.") else f"qformer.{ours}": source
        for ours, source in found.items()
    }


def joined(tensors: Mapping[str, Tensor], sources: Mapping[str, Source]) -> dict[str, Tensor]:
    """Our state: published ``tensors`` under our names, parts put on top of each other."""
    return {
        ours: tensors[source] if isinstance(source, str) else torch.cat([tensors[name] for name in source])
        for ours, source in sources.items()
    }


def _sorted(published: Iterable[str], spec: QFormerSpec) -> dict[str, Source]:
    made: dict[str, dict[int, str]] = {}
    strange: list[str] = []
    for name in published:
        if _ELSEWHERE.match(name) or _COUNTED.search(name) or _TIED.match(name):
            continue
        place = _place(name, spec)
        if place is None:
            strange.append(name)
            continue
        ours, part = place
        if _dropped(ours, spec):
            continue
        parts = made.setdefault(ours, {})
        if part in parts:
            raise SaccadeError(f"{parts[part]} and {name} are both the weight {ours}; remove one of them")
        parts[part] = name
    if strange:
        shown = ", ".join(sorted(strange)[:8])
        raise SaccadeError(f"{len(strange)} weights have names of no Q-Former layout known here: {shown}")
    return {ours: _whole(ours, parts, spec) for ours, parts in made.items()}


def _place(name: str, spec: QFormerSpec) -> tuple[str, int] | None:
    """Our name, and which part of that weight it is."""
    found = _LAYER.match(name)
    if found:
        layer, inside, kind = int(found[1]), found[2], found[3]
        attends = _ATTENTION.match(inside)
        if layer >= spec.depth or (inside.startswith("cross") and layer % spec.every):
            return None
        if attends and attends[1] and attends[2] != "query":
            return f"look.{kind}", 2 * (layer // spec.every) + (attends[2] == "value")
        if attends and attends[1]:
            return f"layers.{layer}.cross.query.{kind}", 0
        if attends:
            return f"layers.{layer}.attention.qkv.{kind}", ("query", "key", "value").index(attends[2])
        return (f"layers.{layer}.{_INSIDE[inside]}.{kind}", 0) if inside in _INSIDE else None
    for patterns, start in ((_OUTSIDE, ""), (_HEADS, "heads.")):
        for pattern, ours in patterns:
            matched = re.match(pattern, name)
            if matched:
                return f"{start}{ours}{name[matched.end() :]}", 0
    return None


def _dropped(ours: str, spec: QFormerSpec) -> bool:
    """Whether a module of this ``spec`` lacks the weight."""
    wordless = not spec.vocabulary and (ours.startswith(("words.", "places.")) or ".feed_text." in ours)
    return wordless or (not spec.width_out and ours.startswith("project."))


def _whole(ours: str, parts: dict[int, str], spec: QFormerSpec) -> Source:
    """All parts in order. Raises SaccadeError where one is missing."""
    kind = ours.rpartition(".")[0]
    expected = 2 * spec.crossing if kind == "look" else 3 if kind.endswith(".qkv") else 1
    if len(parts) != expected:
        missing = next(part for part in count() if part not in parts)
        raise SaccadeError(
            f"{ours} is made of {expected} published weights, got {len(parts)}; number {missing + 1} is missing beside "
            f"{next(iter(parts.values()))}"
        )
    return parts[0] if expected == 1 else tuple(parts[part] for part in range(expected))
