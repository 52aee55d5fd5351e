"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: images and videos in their own shape.

Source: Qwen2-VL, arXiv:2409.12191; Qwen2.5-VL, arXiv:2502.13923; the transformers classes.
"""

from collections.abc import Sequence

from saccade.core.size import Size
from saccade.specs.connectors.fold import FoldSpec, StackedSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import language
from saccade.specs.language.language import LanguageSpec
from saccade.specs.laws.path import Media, PathSpec, VideoPath
from saccade.specs.layouts.frames import QwenVideoSpec, SampleSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.layouts.native import SmartResizeSpec
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option
from saccade.specs.towers.encoder import EncoderSpec


def _resize(fields: Fields, made: Checkpoint, low: int, high: int) -> SmartResizeSpec:
    """Bounds in pixels, under their old or their new names."""
    size = fields.sub("size")
    lowest = fields.number("min_pixels", default=size.number("shortest_edge", default=low))
    highest = fields.number("max_pixels", default=size.number("longest_edge", default=high))
    return SmartResizeSpec(
        block=fields.positive("patch_size", default=14) * fields.positive("merge_size", default=2),
        low=made.whole("min_pixels", lowest),
        high=made.whole("max_pixels", highest),
    )


def _text(config: Fields, kind: str, *, tied: bool = False) -> LanguageSpec:
    """The language model's numbers, nested or (in older files) beside everything else."""
    text = config.sub("text_config") if config.has("text_config") else config
    return language(text, kind, tied=config.flag("tie_word_embeddings", tied))


def _merger(tower: EncoderSpec, width_out: int, norm: int, ratio: int) -> FoldSpec:
    return FoldSpec(width_in=tower.width, widths=(tower.width * ratio**2, width_out), ratio=ratio, norm=norm)


def qwen2_vl(made: Checkpoint) -> PathSpec:
    """Full attention in the tower."""
    vision = made.config.sub("vision_config")
    tower, spoken = towers.qwen2(vision), _text(made.config, "qwen2_vl_text")
    ratio = vision.positive("spatial_merge_size", default=2)
    return PathSpec(
        views=_resize(made.processor, made, 56 * 56, 28 * 28 * 1280),
        tower=tower,
        connector=_merger(tower, spoken.width, 2 * tower.width, ratio),
        sequence=MarkedSequence(whole=2),
        language=spoken,
    )


def qwen25_vl(made: Checkpoint) -> PathSpec:
    """Windows in the tower; videos bounded frame by frame."""
    vision = made.config.sub("vision_config")
    tower, spoken = towers.qwen25(vision), _text(made.config, "qwen2_5_vl_text")
    ratio = vision.positive("spatial_merge_size", default=2)
    clip = made.processor.sub("video").like({
        "min_frames": 4, "max_frames": 768, "fps": 2, "patch_size": 14, "merge_size": 2,
    })  # fmt: skip
    resize = _resize(clip, made, 128 * 28 * 28, 768 * 28 * 28)
    budget = made.options.get("video_budget")
    return PathSpec(
        views=_resize(made.processor, made, 56 * 56, 28 * 28 * 1280),
        tower=tower,
        connector=_merger(tower, spoken.width, tower.width, ratio),
        sequence=MarkedSequence(whole=2),
        language=spoken,
        video=VideoPath(
            sampling=QwenVideoSpec(
                sample=_sample(clip, made, together=2),
                resize=resize,
                budget=budget if isinstance(budget, int) else None,
            ),
            sequence=MarkedSequence(whole=2),
        ),
    )


def qwen3_vl(made: Checkpoint) -> PathSpec:
    """Three earlier layers of the tower reach the language model through mergers of their own."""
    vision = made.config.sub("vision_config", {"deepstack_visual_indexes": [8, 16, 24], "spatial_merge_size": 2})
    tower, spoken = towers.qwen3(vision), _text(made.config, "qwen3_vl_text")
    ratio = vision.positive("spatial_merge_size")
    deep = _merger(tower, spoken.width, 2 * tower.width * ratio**2, ratio)
    layers = vision.numbers("deepstack_visual_indexes")
    clip = made.processor.sub("video").like({
        "min_frames": 4, "max_frames": 768, "fps": 2, "patch_size": 16, "merge_size": 2,
    })  # fmt: skip
    return PathSpec(
        views=_resize(made.processor, made, 65_536, 16_777_216),
        tower=tower,
        connector=StackedSpec(parts=(_merger(tower, spoken.width, 2 * tower.width, ratio), *[deep] * len(layers))),
        sequence=MarkedSequence(whole=2),
        language=spoken,
        video=VideoPath(
            sampling=QwenVideoSpec(
                sample=_sample(clip, made, together=1),
                resize=_resize(clip, made, 128 * 32 * 32, 768 * 32 * 32),
                shared=True,
            ),
            # Each step stands between markers; the time before them is text.
            sequence=MarkedSequence(each=2),
        ),
    )


def _sample(clip: Fields, made: Checkpoint, *, together: int) -> SampleSpec:
    count = made.options.get("num_frames")
    return SampleSpec(
        fps=made.rate("sample_fps", clip.real("fps")),
        least=clip.number("min_frames"),
        most=made.whole("max_frames", clip.positive("max_frames")),
        together=together,
        count=count if isinstance(count, int) else None,
    )


def _bounds(made: Checkpoint, media: Sequence[Media]) -> list[int]:
    """Upper bounds on pixels, block by block, from the least to the most that these pictures can use."""
    fields = made.processor
    spec = _resize(fields, made, 56 * 56, 28 * 28 * 1280)
    most = max((one if isinstance(one, Size) else one.size).area for one in media)
    block = spec.block**2
    top = min(spec.high // block, -(-most // block) + 64)
    return [count * block for count in range(max(1, -(-spec.low // block)), max(2, top) + 1)]


PIXELS = (
    Option(name="min_pixels", kind=int, help="least pixels after resizing"),
    Option(name="max_pixels", kind=int, help="most pixels after resizing"),
)


FRAMES = (
    Option(name="sample_fps", kind=float, help="frames a second that are sampled"),
    Option(name="max_frames", kind=int, help="frames at most"),
    Option(name="num_frames", kind=int, help="sample this many frames, whatever the rate"),
)


PIXELS_KNOB = Knob(option="max_pixels", values=_bounds)


FRAMES_KNOB = Knob(option="max_frames", values=lambda made, media: range(4, 769, 2))


def _uncapped(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del path
    if all(isinstance(one, Size) for one in media) or "video_budget" in made.options:
        return []
    return [
        "transformers bounds each frame alone; qwen-vl-utils bounds the whole video too: --set video_budget=128000 "
        "counts so"
    ]


QWEN2_VL = Family(
    build=qwen2_vl,
    kind="reader",
    summary="the picture in its own shape, 2 × 2 patches folded into a token",
    stages="native shape → ViT → 2×2 merger → splice, M-RoPE → Qwen2",
    fidelity="exact",
    source="Qwen2-VL, arXiv:2409.12191",
    options=PIXELS,
    knobs=(PIXELS_KNOB,),
)


QWEN25_VL = Family(
    build=qwen25_vl,
    kind="reader",
    summary="the picture in its own shape; windowed tower, 2 × 2 patches folded into a token",
    stages="native shape → windowed ViT → 2×2 merger → splice, M-RoPE → Qwen2.5",
    fidelity="exact",
    source="Qwen2.5-VL, arXiv:2502.13923",
    options=(*PIXELS, *FRAMES, Option(name="video_budget", kind=int, help="tokens of a whole video, as qwen-vl-utils")),
    knobs=(PIXELS_KNOB, FRAMES_KNOB),
    notes=_uncapped,
)


QWEN3_VL = Family(
    build=qwen3_vl,
    kind="reader",
    summary="the picture in its own shape; 2 × 2 patches folded, three layers of the tower read",
    stages="native shape → ViT → 2×2 mergers (DeepStack) → splice, M-RoPE → Qwen3",
    fidelity="exact",
    source="Qwen3-VL, arXiv:2511.21631",
    options=(*PIXELS, *FRAMES),
    knobs=(PIXELS_KNOB, FRAMES_KNOB),
)
