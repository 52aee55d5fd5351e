"""How each vision tower writes its numbers in ``config.json``: one function a tower → ``EncoderSpec``.

Source: the ``modeling_*.py`` of each type in transformers 5.23, or the authors' code where it has none.
"""

from saccade.core.errors import SaccadeError
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.laws.layer import QUICK, AttentionSpec, FeedForwardSpec, LayerSpec, plain
from saccade.specs.towers.encoder import EncoderSpec, WindowAttentionSpec

CLIP: Json = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "image_size": 224, "patch_size": 32,
}  # fmt: skip
SIGLIP: Json = {**CLIP, "patch_size": 16}
DINOV2: Json = {
    "hidden_size": 768, "mlp_ratio": 4, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224,
    "patch_size": 14,
}  # fmt: skip
INTERNVL: Json = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 448, "patch_size": 14,
}  # fmt: skip
EVA: Json = {
    "hidden_size": 1408, "intermediate_size": 6144, "num_hidden_layers": 39, "num_attention_heads": 16,
    "image_size": 224, "patch_size": 14,
}  # fmt: skip
IDEFICS: Json = {
    "embed_dim": 768, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16,
    "image_size": 224, "patch_size": 14,
}  # fmt: skip
IDEFICS3: Json = {**CLIP}
SMOLVLM: Json = {
    "hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 16,
    "image_size": 224, "patch_size": 32,
}  # fmt: skip
OVIS2: Json = {
    "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 24, "num_attention_heads": 8,
    "image_size": 224, "patch_size": 14,
}  # fmt: skip
MOON: Json = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
    "patch_size": 14,
}  # fmt: skip
QWEN2: Json = {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "patch_size": 14}
QWEN25: Json = {
    "depth": 32, "hidden_size": 3584, "intermediate_size": 3420, "num_heads": 16, "patch_size": 14,
    "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
}  # fmt: skip
QWEN3: Json = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "patch_size": 16,
    "num_position_embeddings": 2304,
}  # fmt: skip


def _shape(fields: Fields, width: str = "hidden_size") -> tuple[int, int, int, int]:
    """Width, heads, middle and depth."""
    return (
        fields.positive(width),
        fields.positive("num_attention_heads"),
        fields.positive("intermediate_size"),
        fields.positive("num_hidden_layers"),
    )


def _places(fields: Fields) -> int:
    """Patches of the view that the position table was made for."""
    return (fields.side("image_size") // fields.side("patch_size")) ** 2


def _quick(fields: Fields) -> bool:
    return fields.text("hidden_act", QUICK) == QUICK


def clip(fields: Fields, *, keep_class: bool = False, post_norm: bool = True) -> EncoderSpec:
    """CLIP: a norm in front, a class token, no shift on the patch embedding; the norm behind may be unused."""
    fields = fields.like(CLIP)
    width, heads, middle, depth = _shape(fields)
    return EncoderSpec(
        patch=fields.side("patch_size"),
        layer=plain(width, heads, middle, quick=_quick(fields)),
        depth=depth,
        stem_bias=False,
        class_tokens=1,
        keep_class=keep_class,
        held=width * (_places(fields) + 2) + 2 * width * (1 + post_norm),
    )


def siglip(fields: Fields, *, defaults: Json = SIGLIP, head: bool = False) -> EncoderSpec:
    """SigLIP: no class token, a norm behind; ``head`` is its attention pooling, loaded and never run."""
    fields = fields.like(defaults)
    width, heads, middle, depth = _shape(fields)
    pooling = 0
    if head:  # a probe, attention, a norm, a feed-forward
        pooling = width + 4 * (width * width + width) + 2 * width + 2 * width * middle + middle + width
    return EncoderSpec(
        patch=fields.side("patch_size"),
        layer=plain(width, heads, middle),
        depth=depth,
        held=width * _places(fields) + 2 * width + pooling,
        partial=True,
    )


def dinov2(fields: Fields) -> EncoderSpec:
    """DINOv2: a class token, a mask token, scales on both halves of a layer; the giant has a gated feed-forward."""
    fields = fields.like(DINOV2)
    width, heads = fields.positive("hidden_size"), fields.positive("num_attention_heads")
    middle, gated = width * fields.positive("mlp_ratio"), fields.flag("use_swiglu_ffn")
    if gated:
        middle = (int(middle * 2 / 3) + 7) // 8 * 8
    return EncoderSpec(
        patch=fields.side("patch_size"),
        layer=plain(width, heads, middle, gated=gated, norms=6 * width),
        depth=fields.positive("num_hidden_layers"),
        class_tokens=1,
        held=width * (_places(fields) + 3) + 2 * width,
    )


def internvl(fields: Fields) -> EncoderSpec:
    """InternViT: a class token, scales on both halves of a layer, no norm behind where patches are averaged."""
    fields = fields.like(INTERNVL)
    width, heads, middle, depth = _shape(fields)
    if fields.flag("use_qk_norm"):
        raise SaccadeError(f"{fields.place}: InternViT with norms on queries and keys (6B) has no cost law here")
    attention = AttentionSpec(
        width=width, heads=heads, head=width // heads, kv_heads=heads, bias=fields.flag("attention_bias"), bias_out=True
    )
    norms = 6 * width if fields.text("norm_type", "layer_norm") == "layer_norm" else 4 * width
    feed = FeedForwardSpec(width=width, middle=middle, bias=True)
    positions = _places(fields) + 1 if fields.flag("use_absolute_position_embeddings", True) else 0
    behind = 0 if fields.flag("use_mean_pooling", True) else 2 * width
    masked = width if fields.flag("use_mask_token") else 0
    return EncoderSpec(
        patch=fields.side("patch_size"),
        layer=LayerSpec(attention=attention, feed=feed, norms=norms),
        depth=depth,
        class_tokens=1,
        held=width * (positions + 1) + behind + masked,
    )


def eva(fields: Fields) -> EncoderSpec:
    """EVA-CLIP's giant as BLIP-2 keeps it: the class token stays, a norm behind."""
    fields = fields.like(EVA)
    width, heads, middle, depth = _shape(fields)
    shifted = fields.flag("qkv_bias", True)
    attention = AttentionSpec(
        width=width, heads=heads, head=width // heads, kv_heads=heads, bias=shifted, bias_out=True
    )
    feed = FeedForwardSpec(width=width, middle=middle, bias=True)
    return EncoderSpec(
        patch=fields.side("patch_size"),
        layer=LayerSpec(attention=attention, feed=feed, norms=4 * width),
        depth=depth,
        class_tokens=1,
        keep_class=True,
        held=width * (_places(fields) + 2) + 2 * width,
    )


def idefics(fields: Fields) -> EncoderSpec:
    """IDEFICS: CLIP's giant kept with its class token, norms in front and behind."""
    fields = fields.like(IDEFICS)
    width, heads, middle, depth = _shape(fields, "embed_dim")
    return EncoderSpec(
        patch=fields.side("patch_size"),
        layer=plain(width, heads, middle),
        depth=depth,
        stem_bias=False,
        class_tokens=1,
        keep_class=True,
        held=width * (_places(fields) + 2) + 4 * width,
    )


def aimv2(fields: Fields) -> EncoderSpec:
    """AIMv2 as in Ovis2: gated, no shifts, norms without shift in front and behind."""
    fields = fields.like(OVIS2)
    width, heads, middle, depth = _shape(fields)
    attention = AttentionSpec(
        width=width, heads=heads, head=width // heads, kv_heads=heads, bias=fields.flag("qkv_bias"),
        bias_out=fields.flag("qkv_bias"),
    )  # fmt: skip
    feed = FeedForwardSpec(width=width, middle=middle, gated=True, bias=fields.flag("mlp_bias"))
    return EncoderSpec(
        patch=fields.side("patch_size"),
        layer=LayerSpec(attention=attention, feed=feed, norms=2 * width),
        depth=depth,
        held=width * _places(fields) + 2 * width,
    )


def moon(fields: Fields, tall: str, wide: str) -> EncoderSpec:
    """MoonViT: a position table that is resampled, rotary positions, a norm behind."""
    fields = fields.like(MOON)
    width, heads, middle, depth = _shape(fields)
    table = fields.positive(tall, default=64) * fields.positive(wide, default=64)
    return EncoderSpec(
        patch=fields.side("patch_size"), layer=plain(width, heads, middle), depth=depth, held=width * table + 2 * width
    )


def navit(fields: Fields) -> EncoderSpec:
    """SigLIP 2 in native shapes (Ovis2.5): a resampled position table and rotary positions, full attention."""
    return siglip(fields)


def qwen2(fields: Fields) -> EncoderSpec:
    """Qwen2-VL: two frames a patch, rotary positions, ordinary layers, full attention."""
    fields = fields.like(QWEN2)
    width = fields.positive("embed_dim")
    middle = int(width * fields.real("mlp_ratio"))
    return EncoderSpec(
        patch=fields.side("patch_size"),
        frames=2,
        layer=plain(width, fields.positive("num_heads"), middle, quick=_quick(fields)),
        depth=fields.positive("depth"),
        stem_bias=False,
    )


def qwen25(fields: Fields) -> EncoderSpec:
    """Qwen2.5-VL: gated layers with norms without shift; windows in all but a few."""
    fields = fields.like(QWEN25)
    width, depth, patch = fields.positive("hidden_size"), fields.positive("depth"), fields.side("patch_size")
    full = [layer for layer in fields.numbers("fullatt_block_indexes") if 0 <= layer < depth]
    layer = plain(
        width, fields.positive("num_heads"), fields.positive("intermediate_size"), gated=True, norms=2 * width
    )
    return EncoderSpec(
        patch=patch,
        frames=2,
        layer=layer,
        depth=depth,
        stem_bias=False,
        windows=WindowAttentionSpec(side=fields.positive("window_size") // patch, full=len(full)),
    )


def qwen3(fields: Fields) -> EncoderSpec:
    """Qwen3-VL: a resampled position table besides rotary positions, full attention."""
    fields = fields.like(QWEN3)
    width = fields.positive("hidden_size")
    return EncoderSpec(
        patch=fields.side("patch_size"),
        frames=2,
        layer=plain(width, fields.positive("num_heads"), fields.positive("intermediate_size")),
        depth=fields.positive("depth"),
        held=width * fields.positive("num_position_embeddings"),
    )
