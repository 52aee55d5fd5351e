"""Which frames of a video are sampled. As in transformers' processors: tests/exact."""

import pytest

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs.laws.path import Video
from saccade.specs.layouts.frames import QwenVideoSpec, SampleSpec
from saccade.specs.layouts.native import SmartResizeSpec

SIZE = Size(1280, 720)
RESIZE = SmartResizeSpec(block=28, low=128 * 784, high=768 * 784)


@pytest.mark.parametrize(
    ("frames", "fps", "taken"), [(300, 30, 20), (9000, 30, 600), (72_000, 25, 768), (60, 30, 4), (5, 30, 4)]
)
def test_qwen_s_frames(frames: int, fps: float, taken: int):
    sample = SampleSpec(fps=2, least=4, most=768, together=2)
    assert sample.frames(Video(SIZE, frames, fps)) == taken


def test_a_rate_is_cut_off_or_rounded():
    video = Video(SIZE, 47, 10.0)
    assert SampleSpec(fps=1).frames(video) == 4
    assert SampleSpec(fps=1, nearest=True).frames(video) == 5
    assert SampleSpec(fps=1, count=9).frames(video) == 9
    assert SampleSpec(fps=1, count=90).frames(video) == 47


@pytest.mark.parametrize(
    ("budget", "frames", "tokens"),
    [(None, 8, 2880), (None, 768, 276_480), (128_000, 768, 105_984), (24_576, 768, 46_080)],
)
def test_a_budget_of_the_whole_video_shrinks_each_frame(budget: int | None, frames: int, tokens: int):
    spec = QwenVideoSpec(sample=SampleSpec(fps=1, most=768, together=2), resize=RESIZE, budget=budget)
    layout = spec.layout(Video(SIZE, frames, 1.0))
    assert layout.times * layout.views[0].size.area // 784 == tokens


def test_frames_that_share_their_pixels_shrink_in_longer_videos():
    resize = SmartResizeSpec(block=32, low=4096, high=25_165_824)
    spec = QwenVideoSpec(sample=SampleSpec(fps=2, least=4, most=768), resize=resize, shared=True)
    short, long = (spec.layout(Video(SIZE, frames, 30.0)).views[0].size.area for frames in (90, 9000))
    assert long < short
    assert long * 600 <= 25_165_824


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Video(SIZE, 0, 30.0), "at least 1 frame and a rate above 0, got 0"),
        (lambda: Video(SIZE, 3, 0.0), "got 3 at 0"),
        (lambda: SampleSpec(fps=0), "rate above 0"),
        (lambda: SampleSpec(fps=1, count=0), "at least 1 frame, got 0"),
        (lambda: SampleSpec(fps=1).frames(Video(SIZE, 10, 30.0)), "of 10 frames at 30 fps, 0 would be sampled"),
        (lambda: SampleSpec(fps=2, strict=True).frames(Video(SIZE, 10, 1.0)), "2 frames a second are 20 frames"),
        (
            lambda: QwenVideoSpec(sample=SampleSpec(fps=1), resize=RESIZE).layout(Video(SIZE, 1, 1.0)),
            "at least 2 frames, 1",
        ),
    ],
)
def test_refusals(call, said: str):
    with pytest.raises(SaccadeError, match=said):
        call()
