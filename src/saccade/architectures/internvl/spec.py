"""InternVL: square tiles on the canvas nearest in shape, and a thumbnail.

Source: InternVL3, arXiv:2504.10479; the transformers class.
"""

from collections.abc import Sequence

from saccade.core.size import Size
from saccade.specs.connectors.fold import FoldSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import Media, PathSpec, VideoPath
from saccade.specs.layouts.canvas import CanvasSpec
from saccade.specs.layouts.frames import SameFramesSpec, SampleSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option

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


def tiles_knob(default: int) -> Knob:
    """Tiles at most, from one to the checkpoint's own limit."""
    return Knob(
        option="max_tiles",
        values=lambda made, media: range(1, made.processor.positive("max_patches", default=default) + 1),
    )


def sampled(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    """Note how many frames are taken where the user named none."""
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
    knobs=(tiles_knob(12), Knob(option="num_frames", values=lambda made, media: range(1, 129))),
    notes=sampled,
)
