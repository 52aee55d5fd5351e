"""Bounds on pixels and rates of frames, read off the planned path: what is pasted is what was counted."""

from saccade.architectures.settings.lines import Known, SettingsRequest
from saccade.specs.layouts.frames import ChunkedVideoSpec, QwenVideoSpec, SameFramesSpec, SampleSpec
from saccade.specs.layouts.native import SmartResizeSpec


def resize_of(asked: SettingsRequest) -> SmartResizeSpec:
    """Bounds on a picture, or on a frame (on all frames together where they are shared)."""
    found = asked.path.views
    if asked.video and asked.path.video is not None:
        sampling = asked.path.video.sampling
        assert isinstance(sampling, QwenVideoSpec | SameFramesSpec)
        found = sampling.resize if isinstance(sampling, QwenVideoSpec) else sampling.views
    assert isinstance(found, SmartResizeSpec)
    return found


def sample_of(asked: SettingsRequest) -> SampleSpec:
    """How frames are sampled under the planned path."""
    assert asked.path.video is not None
    sampling = asked.path.video.sampling
    assert isinstance(sampling, QwenVideoSpec | SameFramesSpec | ChunkedVideoSpec)
    return sampling.sample


def size(asked: SettingsRequest) -> Known:
    """Their two bounds, which count pixels although they are called edges; both must always be given."""
    spec = resize_of(asked)
    return {"shortest_edge": spec.low, "longest_edge": spec.high}


def whole_groups(sample: SampleSpec) -> int | None:
    """A number of frames that was asked for; an odd one would be rounded up where frames go in pairs."""
    return None if sample.count is None else sample.count // sample.together * sample.together


def pixels(spec: SmartResizeSpec) -> dict[str, object]:
    """lmms-eval has bounds of its own where none are given."""
    return {"min_pixels": spec.low, "max_pixels": spec.high}
