"""InternVL, Ovis2 and Ovis2.5: square tiles of 448 px, or the picture in its own shape; words of a visual vocabulary.

Source: InternVL3, arXiv:2504.10479; Ovis, arXiv:2405.20797; Ovis2.5, arXiv:2508.11737; the transformers classes, the
authors' code and vLLM's.
"""

from collections.abc import Sequence

from saccade.core.size import Size
from saccade.specs import vision as towers
from saccade.specs.canvas import CanvasSpec
from saccade.specs.covering import CoveringSpec
from saccade.specs.dialects import language
from saccade.specs.families.llava import sized
from saccade.specs.fields import Fields
from saccade.specs.fold import FoldSpec
from saccade.specs.frames import SameFramesSpec, SampleSpec
from saccade.specs.markers import MarkedSequence
from saccade.specs.native import SmartResizeSpec
from saccade.specs.path import Media, PathSpec, VideoPath
from saccade.specs.resize import StretchSpec
from saccade.specs.system import Checkpoint, Family, Knob, Option
from saccade.specs.vocabulary import VocabularySpec

FRAMES = 8
"""Frames of a video that InternVL's model card takes; transformers takes all unless told otherwise."""


def internvl(made: Checkpoint) -> PathSpec:
    """One to twelve tiles and a thumbnail, 256 tokens each."""
    config = made.config
    vision = config.sub("vision_config")
    tower = towers.internvl(vision)
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "qwen2"), tied=config.flag("tie_word_embeddings", True))
    ratio = round(1 / config.real("downsample_ratio", 0.5))
    folded = tower.width * ratio**2
    side = sized(made.processor).width
    square = StretchSpec(size=Size(side, side))
    most = made.whole("max_tiles", made.processor.positive("max_patches", default=12))
    tiles = CanvasSpec(tile=side, least=min(most, made.processor.positive("min_patches", default=1)), most=most)
    return PathSpec(
        views=tiles if made.processor.flag("crop_to_patches", True) else square,
        tower=tower,
        connector=FoldSpec(width_in=tower.width, widths=(spoken.width, spoken.width), ratio=ratio, norm=2 * folded),
        sequence=MarkedSequence(whole=2),
        language=spoken,
        video=VideoPath(
            sampling=SameFramesSpec(sample=SampleSpec(fps=1, count=made.whole("num_frames", FRAMES)), views=square),
            sequence=MarkedSequence(each=2),
        ),
    )


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


def _tiles(default: int) -> Knob:
    return Knob(
        option="max_tiles",
        values=lambda made, media: range(1, made.processor.positive("max_patches", default=default) + 1),
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


def _sampled(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del path
    if all(isinstance(one, Size) for one in media) or "num_frames" in made.options:
        return []
    return [f"{FRAMES} frames as in the model card's example; set num_frames for others"]


TILES = Option(name="max_tiles", kind=int, help="tiles at most, the whole picture apart")
NUM_FRAMES = Option(name="num_frames", kind=int, help="frames that are sampled")

INTERNVL = Family(
    build=internvl,
    kind="reader",
    summary="square tiles on the canvas nearest in shape and a thumbnail, 256 tokens each",
    stages="tiles → InternViT → pixel shuffle, MLP → splice → Qwen2.5",
    fidelity="exact",
    source="InternVL3, arXiv:2504.10479",
    options=(TILES, NUM_FRAMES),
    knobs=(_tiles(12), Knob(option="num_frames", values=lambda made, media: range(1, 129))),
    notes=_sampled,
)
OVIS2 = Family(
    build=ovis2,
    kind="reader",
    summary="the fewest tiles that cover the picture; tokens are mixtures of a visual vocabulary",
    stages="tiles → AIMv2 → visual vocabulary → splice with markers → Qwen2.5",
    fidelity="exact",
    source="Ovis, arXiv:2405.20797",
    options=(TILES,),
    knobs=(_tiles(9),),
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
    notes=_sampled,
)
