"""ALIGN: a convolutional tower beside a BERT.

Source: ALIGN, arXiv:2102.05918; the transformers class.
"""

from dataclasses import replace

from saccade.architectures.clip.spec import text_tower
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.markers import PlaceholderSequence
from saccade.specs.layouts.resize import ResizeThenCropSpec
from saccade.specs.planner.system import Checkpoint, Family
from saccade.specs.towers.efficientnet import EfficientNetSpec, StageSpec, rounded, scaled
from saccade.specs.towers.pooled import PooledSpec

BERT: Json = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "vocab_size": 30_522, "max_position_embeddings": 512, "type_vocab_size": 2,
}  # fmt: skip


def align(made: Checkpoint) -> PathSpec:
    """A convolutional tower's mean beside a text encoder's first vector."""
    config = made.config
    vision = config.sub("vision_config")
    tower = _efficientnet(vision)
    text = config.sub("text_config", BERT)
    joint = config.positive("projection_dim", default=640)
    width = text.positive("hidden_size")
    encoder = text_tower(text, joint)
    # Positions, kinds of segment, and the norm over them.
    tables = (text.positive("max_position_embeddings") + text.positive("type_vocab_size")) * width
    return PathSpec(
        views=ResizeThenCropSpec(size=sized(made.processor), crop=sized(made.processor, "crop_size")),
        tower=tower,
        connector=PooledSpec(width_in=tower.width, width_out=0, held=1),
        sequence=PlaceholderSequence(count=0),
        language=replace(encoder, head_bias=True, pooler=True, held=tables + 2 * width),
    )


def _efficientnet(fields: Fields) -> EfficientNetSpec:
    wide, deep = fields.real("width_coefficient", 2.0), fields.real("depth_coefficient", 3.1)
    divisor = fields.positive("depth_divisor", default=8)
    lists = ("in_channels", "out_channels", "kernel_sizes", "strides", "expand_ratios", "num_block_repeats")
    stages = tuple(
        StageSpec(
            inner=rounded(inner * wide, divisor),
            outer=rounded(outer * wide, divisor),
            kernel=kernel,
            stride=stride,
            expand=expand,
            repeats=scaled(repeats, deep),
        )
        for inner, outer, kernel, stride, expand, repeats in zip(*(fields.numbers(name) for name in lists), strict=True)
    )
    return EfficientNetSpec(
        stem=rounded(32 * wide, divisor), stages=stages, squeeze=fields.real("squeeze_expansion_ratio", 0.25)
    )


ALIGN = Family(
    build=align,
    kind="matcher",
    summary="one vector a picture from a convolutional tower, one a text",
    stages="resize and crop → EfficientNet-B7 → mean; BERT beside it",
    fidelity="exact",
    source="ALIGN, arXiv:2102.05918",
)
