"""Kimi-VL and Kimi-K2.5: the picture as it is, shrunk only where it must be, padded to blocks of 2 × 2 patches.

Source: Kimi-VL, arXiv:2504.07491, its processor and vLLM's; Kimi-K2.5, as in its transformers class.
"""

from dataclasses import replace

from saccade.specs.connectors.fold import FoldSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.language import language
from saccade.specs.laws.path import PathSpec, VideoPath
from saccade.specs.layouts.frames import ChunkedVideoSpec, SampleSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.layouts.native import PaddedNativeSpec
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option
from saccade.specs.towers.encoder import EncoderSpec
from saccade.specs.towers.joint import JointSpec

CHUNK = 4
"""Frames of a video that are encoded together."""


def kimi_vl(made: Checkpoint) -> PathSpec:
    """Up to 4,096 patches, four to a token; a side of 512 patches is refused."""
    vision = made.config.sub("vision_config")
    tower = towers.moon(vision, "init_pos_emb_height", "init_pos_emb_width")
    fold = vision.numbers("merge_kernel_size")[0]
    still = PaddedNativeSpec(
        patch=tower.patch,
        fold=fold,
        patches=made.whole("max_patches", made.processor.positive("in_token_limit")),
        side=made.processor.positive("patch_limit_on_one_side", default=512),
        refuses=True,
    )
    return _path(made, still, tower, fold)


def kimi_k25(made: Checkpoint) -> PathSpec:
    """Up to 16,384 patches, sides shrunk to 512; videos in chunks of four frames, averaged over time."""
    vision = made.config.sub("vision_config")
    tower = towers.moon(vision, "pos_emb_height", "pos_emb_width")
    fold = vision.numbers("merge_kernel_size")[0] if vision.has("merge_kernel_size") else 2
    size = made.processor.sub("size", {"max_height": 512})
    still = PaddedNativeSpec(
        patch=tower.patch,
        fold=fold,
        patches=made.whole("max_patches", made.processor.positive("max_patches", default=16_384)),
        side=size.positive("max_height"),
    )
    clip = made.processor.sub("video", {"in_patch_limit_each_frame": 4096, "sample_fps": 2.0})
    sample = SampleSpec(fps=made.rate("sample_fps", clip.real("sample_fps")), least=1, strict=True)
    frame = replace(still, patches=made.whole("max_patches", clip.positive("in_patch_limit_each_frame")))
    video = VideoPath(
        sampling=ChunkedVideoSpec(sample=sample, frame=frame, together=CHUNK),
        sequence=MarkedSequence(each=3),
        tower=JointSpec(tower=tower, frames=CHUNK),
    )
    return replace(_path(made, still, tower, fold), video=video)


def _path(made: Checkpoint, views: PaddedNativeSpec, tower: EncoderSpec, fold: int) -> PathSpec:
    text = made.config.sub("text_config")
    spoken = language(text, text.text("model_type", "deepseek_v3"), tied=made.config.flag("tie_word_embeddings"))
    return PathSpec(
        views=views,
        tower=tower,
        connector=FoldSpec(
            width_in=tower.width, widths=(tower.width * fold**2, spoken.width), ratio=fold, norm=2 * tower.width
        ),
        # Opening, content and closing marker; the word between them is text.
        sequence=MarkedSequence(whole=3),
        language=spoken,
    )


PATCHES = Option(name="max_patches", kind=int, help="patches of 14 px at most, four to a token")
PATCHES_KNOB = Knob(option="max_patches", values=lambda made, media: range(4, 16_385, 4))

KIMI_VL = Family(
    build=kimi_vl,
    kind="reader",
    summary="the picture as it is, padded; patches packed, 2 × 2 folded into a token",
    stages="native shape → MoonViT → pixel shuffle, MLP → splice → Moonlight MoE",
    fidelity="faithful",
    source="Kimi-VL, arXiv:2504.07491",
    options=(PATCHES,),
    knobs=(PATCHES_KNOB,),
)
KIMI_K25 = Family(
    build=kimi_k25,
    kind="reader",
    summary="the picture as it is, padded; four frames of a video averaged into one",
    stages="native shape → MoonViT → pixel shuffle, MLP → splice → Kimi K2 MoE",
    fidelity="exact",
    source="Kimi-K2.5, as in its transformers class",
    options=(PATCHES, Option(name="sample_fps", kind=float, help="frames a second that are sampled")),
    knobs=(PATCHES_KNOB,),
)
