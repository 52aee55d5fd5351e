"""Smaller pictures: how a picture is shown so that it takes at most so many visual tokens.

Law     a model that looks through one frame gets a frame of whole patches in the shape of the picture, as near as whole
        patches come to it, so that no token is spent on padding. All of the picture is shown: a model that would crop
        it stretches it to that frame. Any other model is shown a smaller picture, its aspect kept. The largest size
        that fits is taken.
Used by the ``resize`` baseline of every backend, and by sweeps over image sizes.
Loses   detail: fewer pixels are seen, by the tower too.
"""

from collections.abc import Callable
from dataclasses import replace
from math import exp, isqrt, log
from typing import Any, Protocol, TypeGuard, TypeVar, cast, runtime_checkable

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs.layouts.resize import CropSpec, StretchSpec

UNITS = (1, 2, 3, 4)
"""Patches a side that a connector may fold into one token: a frame is made of whole ones."""


@runtime_checkable
class FramedView(Protocol):
    """A way of viewing through one frame of ``size`` (pixels)."""

    @property
    def size(self) -> Size:
        """The frame."""
        ...

    @property
    def framed(self) -> bool:
        """Whether it is one frame for every picture."""
        ...


V = TypeVar("V")


def is_framed(views: object) -> TypeGuard[FramedView]:
    """Whether ``views`` look at every picture through one frame, whose size may be changed."""
    return isinstance(views, FramedView) and views.framed


def reframed(views: V, size: Size) -> V:
    """The same way of viewing through a frame of ``size``."""
    return cast(V, replace(cast(Any, views), size=size))


def uncropped(views: V, size: Size) -> V:
    """The same through a frame of ``size`` that shows all of a picture, stretched where ``views`` would crop it."""
    return cast(V, StretchSpec(size=size)) if isinstance(views, CropSpec) else reframed(views, size)


def frame_within(views: V, patch: int, picture: Size, tokens: int, count: Callable[[V], int]) -> V:
    """``views`` through the largest frame in the shape of ``picture`` that takes at most ``tokens``, nothing cropped.

    ``count`` gives the visual tokens of a picture seen so, and raises SaccadeError for a frame that the connector
    cannot take. Raises SaccadeError where even the smallest frame takes more.
    """
    whole = cast(FramedView, views).size
    least: int | None = None
    for unit in (patch * times for times in UNITS):
        cells = Size(max(1, whole.width // unit), max(1, whole.height // unit))
        for shape in _shapes(picture, cells):
            made = uncropped(views, Size(shape.width * unit, shape.height * unit))
            try:
                taken = count(made)
            except SaccadeError:
                break  # this unit does not suit the connector
            if taken <= tokens:
                return made
            least = taken if least is None else min(least, taken)
    if count(views) <= tokens:
        return views  # the connector takes no other frame
    raise _more(picture, tokens, min(count(views), least or count(views)))


def side_within(picture: Size, tokens: int, count: Callable[[Size], int]) -> int:
    """The longer side, in pixels, of the largest picture of this shape that takes at most ``tokens``.

    ``count`` gives the visual tokens of a picture of a size, and hardly ever falls as that grows. Raises SaccadeError
    where even the smallest picture takes more.
    """
    low, high = 0, picture.long
    if count(picture) <= tokens:
        return high
    least: int | None = None
    while high - low > 1:
        middle = (low + high) // 2
        taken = _counted(count, shrunk(picture, middle))
        if taken is not None:
            least = taken if least is None else min(least, taken)
        # A picture that is too small for the model is refused: then larger ones are tried.
        low, high = (middle, high) if taken is None or taken <= tokens else (low, middle)
    if low == 0 or (found := _counted(count, shrunk(picture, low))) is None or found > tokens:
        raise _more(picture, tokens, least)
    return low


def shrunk(picture: Size, side: int) -> Size:
    """The size of ``picture`` once its longer side is ``side``."""
    long = picture.long
    return Size(max(1, round(picture.width * side / long)), max(1, round(picture.height * side / long)))


def _shapes(picture: Size, most: Size) -> list[Size]:
    """Frames in cells, largest first: for every number of cells the one nearest in shape to the picture."""
    aspect = log(picture.width / picture.height)
    best: dict[int, tuple[float, Size]] = {}
    for cols in range(1, most.width + 1):
        for rows in range(1, most.height + 1):
            far = abs(log(cols / rows) - aspect)
            if cols * rows not in best or far < best[cols * rows][0]:
                best[cols * rows] = far, Size(cols, rows)
    kept: list[Size] = []
    for number in sorted(best, reverse=True):
        far, shape = best[number]
        # Within a step of one row or column of the picture's shape; a frame of another shape would stretch it.
        if far <= log(1 + 1 / max(1, isqrt(number))) + 1e-9 or _thin(shape, most, aspect):
            kept.append(shape)
    return kept


def _thin(shape: Size, most: Size, aspect: float) -> bool:
    """Whether the picture is as thin as this frame or thinner, where frames end: one row of any length, or the longest
    that may be with not a whole row too many. The same for tall ones.
    """
    across, down = (shape.width, shape.height) if aspect > 0 else (shape.height, shape.width)
    longest = most.width if aspect > 0 else most.height
    rows = across / exp(abs(aspect))
    return rows <= down and (down == 1 or (across == longest and down - rows < 1))


def _counted(count: Callable[[Size], int], size: Size) -> int | None:
    try:
        return count(size)
    except SaccadeError:
        return None


def _more(picture: Size, tokens: int, least: int | None) -> SaccadeError:
    takes = "no size of it can be shown" if least is None else f"the fewest are {least} visual tokens"
    return SaccadeError(
        f"a picture of {picture} cannot be shown in {tokens} visual tokens, {takes}; raise the budget, or select "
        "tokens instead of resizing"
    )
