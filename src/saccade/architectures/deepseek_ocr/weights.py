"""DeepSeek-OCR's and DeepSeek-OCR-2's checkpoints: published weight names to ours, strictly.

Three layouts: the authors' of either model, and that of transformers' class for the second. There the experts of a
layer lie in two stacks, which is how the language model here holds them; the authors' files have three matrices an
expert.
"""

import re
from collections.abc import Iterable

from saccade.core.errors import SaccadeError
from saccade.specs.language.decoder import DecoderSpec
from saccade.weights.files import Published

SAM, CLIP, FLOW = "model.sam_model.", "model.vision_model.", "model.qwen2_model."
IDLE = f"{CLIP}embeddings.patch_embedding.weight"
"""CLIP's own patches, which never run: SAM's map takes their place."""

_WORDS = "language.model.model."
_PREFIXES = (
    (SAM, "tower.sam."),
    (f"{CLIP}embeddings.class_embedding", "tower.second.class_embedding"),
    (f"{CLIP}embeddings.position_embedding.weight", "tower.second.position_embedding"),
    (f"{CLIP}pre_layrnorm.", "tower.second.pre_layrnorm."),
    (f"{CLIP}transformer.layers.", "tower.second.layers."),
    (f"{FLOW}model.model.", "tower.second.body."),
    (f"{FLOW}query_768.weight", "tower.second.queries.144"),
    (f"{FLOW}query_1024.weight", "tower.second.queries.256"),
    ("model.projector.layers.", "connector.project."),
    ("model.embed_tokens.", f"{_WORDS}embed_tokens."),
    ("model.layers.", f"{_WORDS}layers."),
    ("model.norm.", f"{_WORDS}norm."),
    ("lm_head.", "language.model.lm_head."),
    # Of transformers' class.
    ("model.vision_tower.sam_encoder.layers.", "tower.sam.blocks."),
    ("model.vision_tower.sam_encoder.patch_embed.projection.", "tower.sam.patch_embed.proj."),
    ("model.vision_tower.sam_encoder.pos_embed", "tower.sam.pos_embed"),
    ("model.vision_tower.sam_encoder.neck.conv1.", "tower.sam.neck.0."),
    ("model.vision_tower.sam_encoder.neck.layer_norm1.", "tower.sam.neck.1."),
    ("model.vision_tower.sam_encoder.neck.conv2.", "tower.sam.neck.2."),
    ("model.vision_tower.sam_encoder.neck.layer_norm2.", "tower.sam.neck.3."),
    ("model.vision_tower.sam_encoder.proj.conv1.", "tower.sam.net_2."),
    ("model.vision_tower.sam_encoder.proj.conv2.", "tower.sam.net_3."),
    ("model.vision_tower.vision_encoder.", "tower.second.body."),
    ("model.vision_tower.query_768_resolution.weight", "tower.second.queries.144"),
    ("model.vision_tower.query_1024_resolution.weight", "tower.second.queries.256"),
    ("model.multi_modal_projector.", "connector.project."),
    ("model.language_model.", _WORDS),
)
_SEPARATORS, _NEWLINE = ("model.view_seperator", "model.view_separator"), "model.image_newline"
_EXPERT = re.compile(r"(model\.layers\.\d+\.mlp\.experts\.)(\d+)\.(gate|up|down)_proj\.weight$")


def rename(published: Iterable[str], vectors: int, language: DecoderSpec) -> dict[str, Published]:
    """Our name → published names, for every published weight of a model with so many learned ``vectors``.

    Dropped by name, and nothing else: CLIP's own patches. Raises SaccadeError for names of no known layout, and for
    two names of one weight.
    """
    there = set(published) - {IDLE}
    apart = {name for name in there if _EXPERT.match(name)}
    learned = [name for name in (*_SEPARATORS, _NEWLINE) if name in there]
    made: dict[str, Published] = {}
    strange: list[str] = []
    for name in sorted(there - apart - set(learned)):
        ours = _ours(name)
        if ours is None:
            strange.append(name)
        elif ours in made:
            raise SaccadeError(f"{made[ours]} and {name} are both the weight {ours}; remove one of them")
        else:
            made[ours] = name
    if strange or len(learned) != vectors:
        told = ", ".join([*strange[:8], *([] if strange else learned)]) or "none of them"
        what = "weights of no DeepSeek-OCR layout known here" if strange else f"of {vectors} vectors between views"
        raise SaccadeError(f"the files hold {len(strange) or len(learned)} {what}: {told}; get the whole folder again")
    return {**made, "connector.vectors": tuple(learned), **_stacks(apart, language)}


def _stacks(apart: set[str], language: DecoderSpec) -> dict[str, Published]:
    """Experts that lie apart, as the two stacks of their layer. Raises SaccadeError where some are missing."""
    made: dict[str, Published] = {}
    experts = range(language.experts)
    for place in sorted({name[: found.end(1)] for name in apart if (found := _EXPERT.match(name))}):
        ours = _WORDS + place.removeprefix("model.")
        sides = [f"{place}{number}.{side}_proj.weight" for number in experts for side in ("gate", "up")]
        downs = [f"{place}{number}.down_proj.weight" for number in experts]
        lacking, more = {*sides, *downs} - apart, {name for name in apart if name.startswith(place)} - {*sides, *downs}
        if lacking or more:
            raise SaccadeError(
                f"{place} is of {len(experts)} experts by config.json, the files lack {len(lacking)} of their weights "
                f"and have {len(more)} more: {', '.join(sorted(lacking | more)[:4])}"
            )
        made |= {f"{ours}gate_up_proj": tuple(sides), f"{ours}down_proj": tuple(downs)}
    return made


def _ours(name: str) -> str | None:
    for prefix, ours in _PREFIXES:
        if name.startswith(prefix):
            found = ours + name.removeprefix(prefix)
            return found.replace(".layer_norm", ".norm") if found.startswith("tower.sam.blocks.") else found
    return None
