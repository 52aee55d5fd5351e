"""Ovis2 and Ovis2.5: tokens are mixtures of a visual vocabulary.

Source: Ovis, arXiv:2405.20797; Ovis2.5, arXiv:2508.11737; the transformers class of Ovis2.
"""

from collections.abc import Sequence

from saccade.architectures.internvl.spec import FRAMES, NUM_FRAMES, TILES, sampled, tiles_knob
from saccade.architectures.ovis.vocabulary import VocabularySpec
from saccade.core.size import Size
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import Media, PathSpec, VideoPath
from saccade.specs.layouts.covering import CoveringSpec
from saccade.specs.layouts.frames import SameFramesSpec, SampleSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.layouts.native import SmartResizeSpec
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option


def ovis2(made: Checkpoint) -> PathSpec:
    """Tokens are probabilities over a visual vocabulary, whose embeddings are averaged."""
    config = made.config
    vision = config.sub("vision_config", {**towers.OVIS2, "vocab_size": 16_384, "hidden_stride": 1})
    tower = towers.aimv2(vision)
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "qwen2"), tied=config.flag("tie_word_embeddings", True))
    side = sized(made.processor).width
    square = Size(side, side)
    most = made.whole("max_tiles", made.processor.positive("max_patches", default=12))
    cut = made.processor.flag("crop_to_patches")
    return PathSpec(
        views=CoveringSpec(side=side, most=most) if cut else StretchSpec(size=square),
        tower=tower,
        connector=VocabularySpec(
            width_in=tower.width,
            width_out=spoken.width,
            ratio=vision.positive("hidden_stride"),
            words=vision.positive("vocab_size"),
            markers=vision.number("num_visual_indicator_tokens", default=5),
        ),
        # Opening, grid and closing marker; between tiles one that ends a column or a row.
        sequence=MarkedSequence(whole=3, between=1),
        language=spoken,
    )


def ovis25(made: Checkpoint) -> PathSpec:
    """The picture in its own shape, no tiles."""
    config = made.config
    vision = config.sub("vision_config", {**towers.SIGLIP, "hidden_stride": 2})
    tower = towers.navit(vision)
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "qwen3"), tied=config.flag("tie_word_embeddings"))
    ratio = vision.positive("hidden_stride")
    return PathSpec(
        views=_native(made, made.processor, tower.patch * ratio),
        tower=tower,
        connector=VocabularySpec(
            width_in=tower.width,
            width_out=spoken.width,
            ratio=ratio,
            words=config.positive("visual_vocab_size"),
            markers=config.number("num_visual_indicator_tokens", default=4),
        ),
        sequence=MarkedSequence(whole=2),
        language=spoken,
        video=VideoPath(
            sampling=SameFramesSpec(
                sample=SampleSpec(fps=1, count=made.whole("num_frames", FRAMES)),
                views=_native(made, made.processor.sub("video"), tower.patch * ratio),
            ),
            sequence=MarkedSequence(whole=2),
        ),
    )


def _native(made: Checkpoint, bounds: Fields, block: int) -> SmartResizeSpec:
    return SmartResizeSpec(
        block=block,
        low=made.whole("min_pixels", bounds.positive("min_pixels", default=448 * 448)),
        high=made.whole("max_pixels", bounds.positive("max_pixels", default=1792 * 1792)),
    )


def _pixels(made: Checkpoint, media: Sequence[Media]) -> list[int]:
    del media
    low, high = made.processor.positive("min_pixels"), made.processor.positive("max_pixels")
    return [count * 1024 for count in range(low // 1024, high // 1024 + 1)]


def _transposed(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del made
    grids = [layout.slices for layout in (path.layout(one) for one in media)]
    if all(grid is None or grid.rows == grid.cols for grid in grids):
        return []
    return ["transformers' processor transposes this grid (same count, other content); boxes are the authors'"]


OVIS2 = Family(
    build=ovis2,
    kind="reader",
    summary="the fewest tiles that cover the picture; tokens are mixtures of a visual vocabulary",
    stages="tiles → AIMv2 → visual vocabulary → splice with markers → Qwen2.5",
    fidelity="exact",
    source="Ovis, arXiv:2405.20797",
    options=(TILES,),
    knobs=(tiles_knob(9),),
    notes=_transposed,
)


OVIS25 = Family(
    build=ovis25,
    kind="reader",
    summary="the picture in its own shape; tokens are mixtures of a visual vocabulary",
    stages="native shape → SigLIP 2 NaViT → visual vocabulary → splice → Qwen3",
    fidelity="faithful",
    source="Ovis2.5, arXiv:2508.11737",
    options=(
        Option(name="min_pixels", kind=int, help="least pixels after resizing"),
        Option(name="max_pixels", kind=int, help="most pixels after resizing"),
        NUM_FRAMES,
    ),
    knobs=(
        Knob(option="max_pixels", values=_pixels),
        Knob(option="num_frames", values=lambda made, media: range(1, 129)),
    ),
    notes=sampled,
)
