"""Videos: which frames are sampled, and what one step of them looks like.

Law     tokens = steps × tokens of a step; sampling decides the steps, bounds on pixels the tokens of one.
Used by Qwen2.5-VL, Qwen3-VL, Kimi-K2.5, SmolVLM2, InternVL3, LongVU.
Loses   what happens between sampled frames; bounds shared by all frames shrink each of them in long videos.
Source  the video processors in transformers; the shared bound of Qwen as in qwen-vl-utils.
"""

import math
from dataclasses import dataclass, replace

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.core.view import Layout
from saccade.specs.laws.path import Video, Views
from saccade.specs.layouts.native import PaddedNativeSpec, SmartResizeSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleSpec:
    """``fps`` frames a second, at least ``least`` and at most ``most``, never more than there are.

    A fraction of a frame is dropped, or rounded where ``nearest``; ``together`` keeps whole groups only. ``count`` asks
    for a number of frames instead. ``strict`` refuses where more frames are asked for than there are. Raises where no
    frame would be taken.
    """

    fps: float
    least: int = 0
    most: int | None = None
    together: int = 1
    nearest: bool = False
    strict: bool = False
    count: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fps < math.inf:
            raise SaccadeError(f"sampling needs a rate above 0 frames a second, got {self.fps}")
        if self.count is not None and self.count < 1:
            raise SaccadeError(f"sampling needs at least 1 frame, got {self.count}")

    def frames(self, video: Video) -> int:
        """How many frames are taken."""
        bound = video.frames if self.most is None else min(self.most, video.frames)
        asked = video.frames / video.fps * self.fps if self.count is None else self.count
        if self.nearest:
            asked = round(asked)
        if self.strict and int(asked) > video.frames:
            raise SaccadeError(
                f"{self.fps:g} frames a second are {int(asked)} frames, the video has {video.frames} at {video.fps:g} "
                "fps; lower sample_fps"
            )
        taken = int(min(max(asked, self.least), bound) / self.together) * self.together
        if taken < 1:
            raise SaccadeError(
                f"of {video.frames} frames at {video.fps:g} fps, {taken} would be sampled at {self.fps:g} fps in "
                f"groups of {self.together}; raise fps or give a longer video"
            )
        return taken


@dataclass(frozen=True, kw_only=True, slots=True)
class SameFramesSpec:
    """Every sampled frame is looked at by ``views``, ``together`` of them in one step."""

    sample: SampleSpec
    views: Views
    together: int = 1

    def layout(self, video: Video) -> Layout:
        """One step's views and how many steps."""
        frames = self.sample.frames(video)
        one = self.views.layout(video.size)
        return _video(one, video, frames, math.ceil(frames / self.together))


@dataclass(frozen=True, kw_only=True, slots=True)
class QwenVideoSpec:
    """Two frames a step, all resized alike.

    ``shared`` bounds the pixels of all frames together (Qwen3-VL), else those of each (Qwen2.5-VL). ``budget``, in
    tokens, makes Qwen2.5-VL's bound of each frame smaller in long videos, as qwen-vl-utils does and transformers only
    on request.
    """

    sample: SampleSpec
    resize: SmartResizeSpec
    shared: bool = False
    budget: int | None = None

    def layout(self, video: Video) -> Layout:
        """One step's view and how many steps."""
        frames = self.sample.frames(video)
        if frames < 2:
            raise SaccadeError(f"this model reads videos of at least 2 frames, {frames} would be sampled")
        if not self.shared:
            # Frames are drawn in steps of a fraction until the end is reached: rounding can add one.
            frames = math.ceil(video.frames / (video.frames / frames))
        spec = self._shared(frames) if self.shared else self._each(frames)
        return _video(spec.layout(video.size), video, frames, math.ceil(frames / 2))

    def _each(self, frames: int) -> SmartResizeSpec:
        if self.budget is None:
            return self.resize
        pixels = int(self.budget * self.resize.block**2 * 0.9)
        high = max(min(self.resize.high, pixels * 2 // frames), int(self.resize.low * 1.05))
        return replace(self.resize, high=high)

    def _shared(self, frames: int) -> SmartResizeSpec:
        """Bounds of one frame that put the same sides out as bounds on all frames do."""
        return _SharedResize(block=self.resize.block, low=self.resize.low, high=self.resize.high, frames=frames)


@dataclass(frozen=True, kw_only=True, slots=True)
class _SharedResize(SmartResizeSpec):
    """Bounds on the pixels of ``frames`` frames together."""

    frames: int = 2

    def target(self, picture: Size) -> tuple[Size, str]:
        """The size of each frame, and in words which bound was met."""
        width, height, block = picture.width, picture.height, self.block
        if min(width, height) < block:
            grow = max(block / height, block / width)
            width, height = int(width * grow), int(height * grow)
        if max(width, height) / min(width, height) > self.steepest:
            raise SaccadeError(
                f"frames of {picture} are thinner than {self.steepest} to 1, the most this model takes; pad them"
            )
        tall, wide = round(height / block) * block, round(width / block) * block
        even = round(self.frames / 2) * 2
        if even * tall * wide > self.high:
            shrink = math.sqrt(self.frames * height * width / self.high)
            tall = max(block, math.floor(height / shrink / block) * block)
            wide = max(block, math.floor(width / shrink / block) * block)
            return Size(wide, tall), f" (shrunk: {self.frames} frames share {self.high:,} pixels)"
        if even * tall * wide < self.low:
            grow = math.sqrt(self.low / (self.frames * height * width))
            tall, wide = math.ceil(height * grow / block) * block, math.ceil(width * grow / block) * block
            return Size(wide, tall), f" (enlarged: {self.frames} frames need {self.low:,} pixels)"
        return Size(wide, tall), ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkedVideoSpec:
    """Kimi-K2.5: chunks of up to four frames are encoded together and averaged over time, one frame's tokens each."""

    sample: SampleSpec
    frame: PaddedNativeSpec
    together: int = 4

    def layout(self, video: Video) -> Layout:
        """One chunk's view and how many chunks."""
        frames = self.sample.frames(video)
        return _video(self.frame.layout(video.size), video, frames, math.ceil(frames / self.together))


def _video(one: Layout, video: Video, frames: int, steps: int) -> Layout:
    each = "" if steps == frames else f", {steps} steps of up to {math.ceil(frames / steps)}"
    why = f"{frames} of {video.frames} frames at {video.fps:g} fps are sampled{each}; each frame: {one.why}"
    return replace(one, times=steps, why=why)
