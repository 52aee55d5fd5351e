"""What a model is shown of a picture: a part of it, shrunk, with a frame; and the way back to source pixels.

Law     the part is the box's whole pixels, clipped to the picture, at least one; its longer side is at most ``side``;
        then a red frame is drawn around the mark, on those of its sides that lie in the part.
Used by every backend, so that a sight shows each model the same pixels.
Loses   what lies beyond the box, detail by shrinking, and what the frame covers: it lies outside the mark, unless the
        mark ends at the picture's edge.
"""

import math
from dataclasses import replace

from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.request import ImageRegion, Request
from saccade.core.size import Size
from saccade.core.view import View

RED = (255, 0, 0)
LINE = 0.006
"""Thickness of the frame, in longer sides: 2 px of 336, 6 px of 1024."""


def shown(image: Image.Image, sight: ImageRegion) -> Image.Image:
    """The pixels of ``sight`` of an upright RGB ``image``; the image itself where it shows all of it as it is.

    Raises SaccadeError where the box lies beyond the picture.
    """
    if image.mode != "RGB":
        raise SaccadeError(f"a sight is taken of an RGB picture, this one is {image.mode}; open it with open_picture")
    size = Size(*image.size)
    part, out = extent(sight, size), shown_size(sight, size)
    made = image
    if part != Box.of(size):
        made = made.crop((int(part.left), int(part.top), int(part.right), int(part.bottom)))
    if made.size != (out.width, out.height):
        made = made.resize((out.width, out.height), Image.Resampling.BICUBIC)
    return made if sight.mark is None else _framed(made, _onto(sight.mark, part, out))


def extent(sight: ImageRegion, size: Size) -> Box:
    """The whole source pixels that a sight of a picture of ``size`` shows."""
    if sight.box is None:
        return Box.of(size)
    found = sight.box.intersect(Box.of(size))
    if found is None:
        raise SaccadeError(f"the box {sight.box.sides} shows nothing of a picture of {size}; choose one inside it")
    return Box(math.floor(found.left), math.floor(found.top), math.ceil(found.right), math.ceil(found.bottom))


def shown_size(sight: ImageRegion, size: Size) -> Size:
    """The size of what a sight of a picture of ``size`` shows. Nothing is ever enlarged."""
    part = extent(sight, size)
    wide, tall = int(part.width), int(part.height)
    long = max(wide, tall)
    if sight.side is None or long <= sight.side:
        return Size(wide, tall)
    return Size(max(1, round(wide * sight.side / long)), max(1, round(tall * sight.side / long)))


def source(sight: ImageRegion, box: Box, size: Size) -> Box:
    """The source pixels, of a picture of ``size``, under ``box`` of what is shown; what lies beyond it is cut off, so
    that nothing may be left.
    """
    part, out = extent(sight, size), shown_size(sight, size)
    left, right = (min(max(x, 0.0), out.width) * part.width / out.width for x in (box.left, box.right))
    top, bottom = (min(max(y, 0.0), out.height) * part.height / out.height for y in (box.top, box.bottom))
    return Box(left, top, right, bottom).shift(part.left, part.top)


def placed(sight: ImageRegion, view: View, size: Size) -> View:
    """A view of what is shown as a view of the picture, of ``size``, itself."""
    return replace(view, source=source(sight, view.source, size))


def plain(request: Request, size: Size) -> Request:
    """A request without its reason, and without sides that shrink nothing: where two are equal, the same is shown and
    asked.
    """
    return replace(request, reason="", sights=tuple(_needed(sight, size) for sight in request.sights))


def _needed(sight: ImageRegion, size: Size) -> ImageRegion:
    part = extent(sight, size)
    enough = sight.side is None or sight.side >= max(part.width, part.height)
    return replace(sight, side=None) if enough else sight


def _onto(box: Box, part: Box, out: Size) -> Box:
    """Where source pixels land on what is shown, also beyond its edges."""
    return box.shift(-part.left, -part.top).scale(out.width / part.width, out.height / part.height)


def _framed(image: Image.Image, mark: Box) -> Image.Image:
    """A copy with a frame around ``mark``; without one where nothing of the mark is seen."""
    size = Size(*image.size)
    if mark.intersect(Box.of(size)) is None:
        return image
    line = max(1, round(LINE * size.long))
    left, right = _ends(mark.left, mark.right, line, size.width)
    top, bottom = _ends(mark.top, mark.bottom, line, size.height)
    made = image.copy()
    for box in (
        (left, top, left + line, bottom) if mark.left >= 0 else None,
        (right - line, top, right, bottom) if mark.right <= size.width else None,
        (left, top, right, top + line) if mark.top >= 0 else None,
        (left, bottom - line, right, bottom) if mark.bottom <= size.height else None,
    ):
        if box is not None:
            made.paste(RED, box)
    return made


def _ends(low: float, high: float, line: int, length: int) -> tuple[int, int]:
    """The frame's outer ends along one axis."""
    return max(0, math.floor(low) - line), min(length, math.ceil(high) + line)
