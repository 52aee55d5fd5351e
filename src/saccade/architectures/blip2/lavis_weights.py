"""BLIP-2 and InstructBLIP as LAVIS released them: sizes read from shapes, published weight names to ours, strictly.

``visual_encoder.`` is an EVA-CLIP, ``ln_vision`` the norm behind it, ``Qformer.`` a BERT; the language model is not in
the file. EVA-CLIP's attention has a bias for queries and one for values; ours has one for all three, zero at the keys.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isqrt

from saccade.core.errors import SaccadeError
from saccade.weights.files import Published

TOWER = "visual_encoder."
WORDS = "Qformer.bert.embeddings.word_embeddings.weight"
CONTRAST = "vision_proj.weight"
"""A head that the first stage has and no other."""
PROJECTION = re.compile(r"(opt|t5|llm)_proj\.weight$")
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)$")
_IN_BLOCK = {
    "norm1.weight": "layer_norm1.weight",
    "norm1.bias": "layer_norm1.bias",
    "norm2.weight": "layer_norm2.weight",
    "norm2.bias": "layer_norm2.bias",
    "attn.qkv.weight": "self_attn.qkv.weight",
    "attn.proj.weight": "self_attn.projection.weight",
    "attn.proj.bias": "self_attn.projection.bias",
    "mlp.fc1.weight": "mlp.fc1.weight",
    "mlp.fc1.bias": "mlp.fc1.bias",
    "mlp.fc2.weight": "mlp.fc2.weight",
    "mlp.fc2.bias": "mlp.fc2.bias",
}
_OUTSIDE = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
}
# What EVA-CLIP's own file has behind its last block.
_BEHIND = re.compile(r"(norm|fc_norm|head)\.(weight|bias)$")
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class EvaSizes:
    """The sizes of an EVA-CLIP, of which ``depth`` blocks are run."""

    width: int
    middle: int
    depth: int
    patch: int
    side: int


def eyes(shapes: Shapes, *, alone: bool) -> EvaSizes:
    """The tower's sizes, from the ``shapes`` of its own file if it is ``alone``, else from those of the whole model.

    BLIP-2 leaves out the last block of an EVA-CLIP; in a whole model's file it is gone already. Raises SaccadeError
    where there is no EVA-CLIP.
    """
    start = "" if alone else TOWER
    names = ("patch_embed.proj.weight", "pos_embed", "blocks.0.mlp.fc1.weight")
    lacking = [start + name for name in names if start + name not in shapes]
    if lacking:
        raise SaccadeError(
            f"there is no EVA-CLIP in the file, it lacks {', '.join(lacking)}; name the file of its weights "
            '(eva_vit_g.pth) as "tower" in saccade.json'
        )
    kernel, places, wide = (shapes[start + name] for name in names)
    blocks = {int(found[1]) for name in shapes if (found := _BLOCK.match(name.removeprefix(start)))}
    side = isqrt(places[1] - 1)
    if side * side != places[1] - 1:
        raise SaccadeError(
            f"the tower's {places[1]} positions are no class token and a square map; take EVA-CLIP's own weights"
        )
    return EvaSizes(kernel[0], wide[0], len(blocks) - alone, kernel[-1], side * kernel[-1])


def rename_tower(published: Iterable[str], depth: int, *, alone: bool) -> dict[str, Published]:
    """Our name → published name or names, for the tower's weights among ``published``; other models' are passed over.

    Raises SaccadeError for a name that no EVA-CLIP has.
    """
    names = set(published)
    start = "" if alone else TOWER
    made: dict[str, Published] = {
        f"tower.backbone.post_layernorm.{kind}": f"ln_vision.{kind}"
        for kind in ("weight", "bias")
        if f"ln_vision.{kind}" in names
    }
    for name in sorted(name for name in names if name.startswith(start) and not name.startswith("ln_vision.")):
        inside = name.removeprefix(start)
        block = _BLOCK.match(inside)
        if (block and int(block[1]) >= depth) or _BEHIND.match(inside):
            continue
        made |= _placed(name, start, block)
    parts = [part for source in made.values() if not isinstance(source, str) for part in source if part is not None]
    lacking = sorted(set(parts) - names)
    if lacking:
        raise SaccadeError(f"the tower lacks {len(lacking)} biases: {', '.join(lacking[:8])}; take the released file")
    return made


def _placed(name: str, start: str, block: re.Match[str] | None) -> dict[str, Published]:
    """Where one weight of the tower goes; both biases of an attention go to one place."""
    inside = name.removeprefix(start)
    if block is None and inside in _OUTSIDE:
        return {f"tower.backbone.{_OUTSIDE[inside]}": name}
    if block is not None:
        layer = f"tower.backbone.encoder.layers.{block[1]}"
        if block[2] in _IN_BLOCK:
            return {f"{layer}.{_IN_BLOCK[block[2]]}": name}
        if block[2] in ("attn.q_bias", "attn.v_bias"):
            attention = name.rpartition(".")[0]
            return {f"{layer}.self_attn.qkv.bias": (f"{attention}.q_bias", None, f"{attention}.v_bias")}
    raise SaccadeError(f"{name} is no weight of an EVA-CLIP as LAVIS has it; take the released file")
