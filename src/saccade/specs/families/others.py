"""LongVU; and what reads no text behind its pictures: CLIP, ALIGN, Perceiver IO.

Source: LongVU, arXiv:2410.17434; CLIP, arXiv:2103.00020; ALIGN, arXiv:2102.05918; Perceiver IO, arXiv:2107.14795; the
transformers classes.
"""

from collections.abc import Sequence
from dataclasses import replace

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs import vision as towers
from saccade.specs.dialects import language
from saccade.specs.efficientnet import EfficientNetSpec, StageSpec, rounded, scaled
from saccade.specs.families.llava import one_view, sized
from saccade.specs.fields import Fields, Json
from saccade.specs.frames import SampleSpec
from saccade.specs.language import LanguageSpec
from saccade.specs.layer import plain
from saccade.specs.longvu import DualSpec, LetterboxSpec, LongVideoSpec, RowsSequence, WindowQueriesSpec
from saccade.specs.markers import PlaceholderSequence
from saccade.specs.path import Media, PathSpec, VideoPath
from saccade.specs.perceiver import AttendSpec, DecodeSpec, PerceiverSpec, QueryHeadSpec
from saccade.specs.perceiver_inputs import PictureInputSpec, PixelInputSpec, StemInputSpec, TableInputSpec
from saccade.specs.perceiver_io import PerceiverTowerSpec
from saccade.specs.pooled import PooledSpec
from saccade.specs.resize import CropThenResizeSpec, ResizeThenCropSpec
from saccade.specs.system import Checkpoint, Family, Option

TEXT: Json = {
    "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8,
    "vocab_size": 49_408, "max_position_embeddings": 77,
}  # fmt: skip
BERT: Json = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "vocab_size": 30_522, "max_position_embeddings": 512, "type_vocab_size": 2,
}  # fmt: skip


def longvu(made: Checkpoint) -> PathSpec:
    """Two towers a frame; long videos are thinned until they fit."""
    vision = made.config.sub("vision_config")
    first = towers.siglip(vision.sub("siglip"), head=True)
    second = replace(towers.dinov2(vision.sub("dinov2")), keep_class=False)
    text = made.config.sub("text_config")
    spoken = language(text, text.text("model_type"), tied=made.config.flag("tie_word_embeddings"))
    side = made.processor.sub("siglip").positive("size")
    sides = (side, made.processor.sub("dinov2").positive("size"))
    clip = made.processor.sub("video")
    rows = RowsSequence(budget=clip.positive("max_length") - 16)
    views = LetterboxSpec(side=side)
    return PathSpec(
        views=views,
        tower=DualSpec(towers=(first, second), sides=sides),
        connector=WindowQueriesSpec(
            sources=(first.width, second.width),
            width=made.config.positive("vision_hidden_size"),
            width_out=spoken.width,
            queries=made.config.positive("image_token_len"),
            depth=made.config.positive("connector_depth"),
        ),
        sequence=rows,
        language=spoken,
        video=VideoPath(
            sampling=LongVideoSpec(sample=SampleSpec(fps=made.rate("sample_fps", clip.real("fps"))), views=views),
            sequence=rows,
        ),
        fed=rows.fed,
    )


def clip(made: Checkpoint) -> PathSpec:
    """A vector a picture and a vector a text; the patches are what other systems take from its tower."""
    config = made.config
    tower = towers.clip(config.sub("vision_config"))
    joint = config.positive("projection_dim", default=512)
    return PathSpec(
        views=one_view(made.processor),
        tower=tower,
        # Beside its projection, the temperature.
        connector=PooledSpec(width_in=tower.width, width_out=joint, held=1),
        sequence=PlaceholderSequence(count=0),
        language=_text_tower(config.sub("text_config", TEXT), joint),
    )


def _text_tower(fields: Fields, joint: int) -> LanguageSpec:
    width = fields.positive("hidden_size")
    layer = plain(width, fields.positive("num_attention_heads"), fields.positive("intermediate_size"))
    context = fields.positive("max_position_embeddings")
    return LanguageSpec(
        width=width,
        layers=((fields.positive("num_hidden_layers"), layer),),
        rows=fields.positive("vocab_size"),
        vocabulary=joint,
        context=context,
        held=context * width + 2 * width,
        cached=False,
    )


def align(made: Checkpoint) -> PathSpec:
    """A convolutional tower's mean beside a text encoder's first vector."""
    config = made.config
    vision = config.sub("vision_config")
    tower = _efficientnet(vision)
    text = config.sub("text_config", BERT)
    joint = config.positive("projection_dim", default=640)
    width = text.positive("hidden_size")
    encoder = _text_tower(text, joint)
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


def perceiver(made: Checkpoint) -> PathSpec:
    """Every pixel, or a map made of them, read once by the latents; one query makes the classes' scores."""
    config = made.config
    inputs = _perceived(config)
    width, latents = config.positive("d_latents", default=1280), config.positive("num_latents", default=256)
    narrow = config.text("cross_attention_shape_for_attention", "kv") == "q"
    qk = config.positive("qk_channels") if config.has("qk_channels") else None
    v = config.positive("v_channels") if config.has("v_channels") else None
    encoder = PerceiverSpec(
        latents=latents,
        read=AttendSpec(
            width=width,
            source=inputs.width,
            heads=config.positive("num_cross_attention_heads", default=8),
            qk=width if narrow and qk is None else qk,
            v=v,
            widen=config.positive("cross_attention_widening_factor", default=1),
            lean=False,
        ),
        layer=AttendSpec(
            width=width,
            heads=config.positive("num_self_attention_heads", default=8),
            qk=qk,
            v=v,
            widen=config.positive("self_attention_widening_factor", default=1),
        ),
        blocks=config.positive("num_blocks", default=1),
        layers=config.positive("num_self_attends_per_block", default=26),
    )
    block = AttendSpec(width=width, source=width, qk=width if narrow else None, lean=False)
    crop = sized(made.processor, "crop_size")
    return PathSpec(
        views=CropThenResizeSpec(size=sized(made.processor), of=crop.width),
        tower=PerceiverTowerSpec(inputs=inputs, encoder=encoder),
        connector=QueryHeadSpec(
            decoder=DecodeSpec(latents=latents, block=block, out=config.positive("num_labels", default=1000))
        ),
        sequence=PlaceholderSequence(count=0),
        language=None,
    )


def _perceived(config: Fields) -> PictureInputSpec:
    """What latents read of a picture, by the name of transformers' class, which alone knows it."""
    kinds: dict[object, PictureInputSpec] = {
        "PerceiverForImageClassificationFourier": PixelInputSpec(),
        "PerceiverForImageClassificationLearned": TableInputSpec(side=config.side("image_size", 56)),
        "PerceiverForImageClassificationConvProcessing": StemInputSpec(same=False),
    }
    named = config.items("architectures")
    found = next((kinds[name] for name in named if name in kinds), None)
    if found is None:
        raise SaccadeError(
            f"{config.place} names the architecture {list(named)!r}; Perceivers that are planned read pictures: "
            f" {', '.join(map(str, kinds))}"
        )
    return found


def _alike(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del made, path
    if all(isinstance(one, Size) for one in media):
        return []
    return ["an upper bound: which frames and tokens are dropped as alike depends on the pictures"]


LONGVU = Family(
    build=longvu,
    kind="reader",
    summary="two towers a frame, 144 windowed queries; long videos are thinned to a budget",
    stages="frames → SigLIP and DINOv2 → windowed queries → thinning → splice → Qwen2",
    fidelity="faithful",
    source="LongVU, arXiv:2410.17434",
    options=(Option(name="sample_fps", kind=float, help="frames a second that are sampled"),),
    notes=_alike,
)
CLIP = Family(
    build=clip,
    kind="matcher",
    summary="one vector a picture, one a text, trained to agree",
    stages="crop → CLIP ViT → class token → projection; text tower beside it",
    fidelity="exact",
    source="CLIP, arXiv:2103.00020",
)
ALIGN = Family(
    build=align,
    kind="matcher",
    summary="one vector a picture from a convolutional tower, one a text",
    stages="resize and crop → EfficientNet-B7 → mean; BERT beside it",
    fidelity="exact",
    source="ALIGN, arXiv:2102.05918",
)
PERCEIVER = Family(
    build=perceiver,
    kind="classifier",
    summary="512 latents read every pixel once; the cost hardly depends on the picture",
    stages="crop → pixels with Fourier features → latents → output query",
    fidelity="exact",
    source="Perceiver IO, arXiv:2107.14795",
)
