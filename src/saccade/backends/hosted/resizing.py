"""Pictures within a budget of visual tokens, for hosted models: smaller ones, or through a smaller frame.

Law     a family that cuts pictures by their size is shown a smaller picture; one with a fixed frame, whose tower
        interpolates its positions, looks through a smaller frame in the shape of the picture (``specs.resized``).
Source  the processor's own ``size`` and ``crop_size``; ``interpolate_pos_encoding`` of the tower.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from saccade.core.errors import SaccadeError
from saccade.core.request import ImageRegion
from saccade.core.size import Size
from saccade.specs.laws.path import PathSpec, Views
from saccade.specs.layouts.resize import CropSpec, StretchSpec
from saccade.specs.layouts.resized import FramedView, frame_within, is_framed, side_within
from saccade.views.image_region import shown_size


@dataclass(frozen=True, slots=True)
class ResolvedRegion:
    """A sight once its budget is resolved: what is cut out of the picture, of which ``size`` that is, and the ``frame``
    that it is seen through, None for the model's own. ``crops`` says whether the processor crops, which it is then told
    to do to the whole frame.
    """

    sight: ImageRegion
    size: Size
    frame: Views | None = None
    crops: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What the processor is told of the frame."""
        if not isinstance(self.frame, FramedView):
            return {}
        scaled = self.frame.scaled(self.size) if isinstance(self.frame, CropSpec) else self.frame.size
        return {"size": _sides(scaled)} | ({"crop_size": _sides(self.frame.size)} if self.crops else {})


def resolved(path: PathSpec, patch: int | Sequence[int], sight: ImageRegion, picture: Size) -> ResolvedRegion:
    """How ``sight`` of a ``picture`` is shown by a model of this plan, whose tower has patches of ``patch`` pixels (a
    number, or one each side).
    """
    whole = replace(sight, tokens=None)
    size = shown_size(whole, picture)
    if sight.tokens is None:
        return ResolvedRegion(whole, size)
    if not is_framed(path.views):
        side = side_within(size, sight.tokens, lambda one: path.plan([one], 0).visual_tokens)
        small = replace(whole, side=side)
        return ResolvedRegion(small, shown_size(small, picture))
    if not isinstance(path.views, CropSpec | StretchSpec):
        raise SaccadeError(f"{type(path.views).__name__} has no smaller frames; select tokens instead of resizing")
    unit = patch if isinstance(patch, int) else max(patch)
    frame = frame_within(path.views, unit, size, sight.tokens, lambda one: _tokens(path, one, size))
    return ResolvedRegion(whole, size, frame, crops=isinstance(path.views, CropSpec))


def _tokens(path: PathSpec, views: Views, picture: Size) -> int:
    return replace(path, views=views).plan([picture], 0).visual_tokens


def _sides(size: Size) -> dict[str, int]:
    return {"height": size.height, "width": size.width}
