"""LongVU: two towers a frame, windowed queries over both, a budget of positions for the whole video.

Source: LongVU, arXiv:2410.17434.
"""

from collections.abc import Sequence
from dataclasses import replace

from saccade.architectures.longvu.parts import DualSpec, LetterboxSpec, LongVideoSpec, RowsSequence, WindowQueriesSpec
from saccade.core.size import Size
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.language import language
from saccade.specs.laws.path import Media, PathSpec, VideoPath
from saccade.specs.layouts.frames import SampleSpec
from saccade.specs.planner.system import Checkpoint, Family, Option


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
