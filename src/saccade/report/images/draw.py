"""What a model sees of a picture, drawn for people: slices and token cells on it, and each view as the model gets it.

Law     every slice in its own colour, numbered in reading order; cells are where ``View.to_source`` puts the tokens;
        what no view shows is darkened; padding is hatched, and never drawn over the picture.
Used by ``saccade plan --show``.
Decides lines nearer than 4 px would hide what they lie on: then every n-th is drawn; what would be too thin to see is
        drawn wider than it is. Captions say both.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from PIL import Image, ImageDraw, ImageFont

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import View
from saccade.report.images.sheet import GAP, INK, PAGE, QUIET, Colour, flow, join, text

COLOURS: tuple[Colour, ...] = (
    (31, 111, 178), (200, 60, 30), (15, 123, 108), (139, 74, 190), (214, 110, 10), (190, 45, 120), (70, 120, 20),
    (0, 125, 165),
)  # fmt: skip
"""Of the first slices; later ones take shades of them."""
EDGE = 32
WIDE = 1400
"""Pixels across, edges apart."""
MAIN, TALL = 1000, 1000
"""The most that the picture takes where the whole view stands beside it."""
WHOLE, SLICE = WIDE - MAIN - GAP, 176
"""The longer side of a whole view and of a slice as the model gets it."""
CELL = 4
"""The fewest pixels between two lines."""
THIN = 96
"""What would be thinner is stretched to this."""

_SLIP = 1e-6  # boxes are computed in fractions: this part of a side is rounding


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnView:
    """One view, and the grid of tokens that lie in it; None for learned queries, placed by attention only."""

    view: View
    tokens: Grid | None


def draw(picture: Image.Image, views: Sequence[DrawnView], *, title: str, lines: Sequence[str] = ()) -> Image.Image:
    """One RGB picture: ``title``, ``picture`` under ``views`` (in reading order), each view apart, and ``lines``.

    Raises SaccadeError where there is no view, and where one lies beyond the picture.
    """
    if not views:
        raise SaccadeError("there are 0 views to draw, at least 1 is needed")
    for one in views:
        _check(one.view, picture)
    picture = picture.convert("RGB")
    numbered = list(enumerate(views, 1))
    wholes = [(number, one) for number, one in numbered if one.view.role == "whole"]
    slices = [(number, one) for number, one in numbered if one.view.role == "slice"]
    wide = MAIN if wholes and picture.width < 4 * picture.height else WIDE
    main = _main(picture, slices or wholes, views, wide)
    room = WIDE - main.width - GAP
    large = [_card(picture, one, number, WHOLE) for number, one in wholes]
    small = [_card(picture, one, number, SLICE) for number, one in slices]
    if room >= 3 * SLICE:
        body = [join([main, join(flow(large, room) + flow(small, room))], down=False)]
    elif room >= WHOLE:
        body = [join([main, *flow(large, room)], down=False), *flow(small, WIDE)]
    else:
        body = [main, join(flow(large, WHOLE) + flow(small, WIDE - (WHOLE + GAP) * bool(large)), down=False)]
    foot = [join([text(line, 15, INK, WIDE) for line in lines], 6)] if lines else []
    made = join([text(title, 26, INK, WIDE), *body, *foot])
    page = Image.new("RGB", (WIDE + 2 * EDGE, made.height + 2 * EDGE), PAGE)
    page.paste(made, (EDGE, EDGE))
    return page


def colour(number: int) -> Colour:
    """Of the view that is read as the ``number``-th, counted from 1."""
    lap, place = divmod(number - 1, len(COLOURS))
    hue, light, full = colorsys.rgb_to_hls(*(part / 255 for part in COLOURS[place]))
    shade = light * (1, 0.72, 1.25)[lap % 3]
    red, green, blue = colorsys.hls_to_rgb((hue + 0.035 * lap) % 1, shade, full)
    return round(red * 255), round(green * 255), round(blue * 255)


def _check(view: View, picture: Image.Image) -> None:
    left, top, right, bottom = view.source.sides
    slip = _SLIP * max(picture.size)
    if min(left, top) < -slip or right > picture.width + slip or bottom > picture.height + slip:
        size = f"{picture.width}×{picture.height} px"
        raise SaccadeError(f"a view reads {view.source.sides} of a picture of {size}; plan for this picture's size")


def _main(
    picture: Image.Image, marked: Sequence[tuple[int, DrawnView]], views: Sequence[DrawnView], wide: int
) -> Image.Image:
    """The picture, darkened where no view looks, under the outlines and cells of the ``marked`` views."""
    size, stretched = _fit(Size(*picture.size), wide, TALL)
    scale = (size[0] / picture.width, size[1] / picture.height)
    main = _resized(picture, size)
    seen = Image.new("L", size, 80)
    for one in views:
        ImageDraw.Draw(seen).rectangle(_corners(one.view.source, scale, size), 255)
    cut = seen.getextrema() != (255, 255)
    main = Image.composite(main, Image.new("RGB", size, INK), seen)
    steps = [_cells(main, one, number, scale) for number, one in marked]
    for number, one in marked:
        _outline(main, _corners(one.view.source, scale, size), colour(number), 3)
        if len(views) > 1:
            _chip(main, _corners(one.view.source, scale, size), number)
    told = [f"the picture, {picture.width}×{picture.height} px"]
    told += ["numbers: the order in which the model reads"] * (len(views) > 1)
    told += ["dark: cut off, never seen"] * cut + _thinned(max(steps)) + stretched
    told += ["apart: what the model receives"]
    return join([main, text(" · ".join(told), 14, QUIET, max(main.width, WHOLE))], 8)


def _card(picture: Image.Image, one: DrawnView, number: int, side: int) -> Image.Image:
    """A view as the model gets it: its pixels and padding, its cells, and what there is to say of it."""
    view = one.view
    size, stretched = _fit(view.size, side, side)
    made = _resized(_received(picture, view), size)
    scale = (size[0] / view.size.width, size[1] / view.size.height)
    if view.content is not None:
        _hatch(made, _corners(view.content, scale, size))
    flat = DrawnView(view=View(Box.of(view.size), view.size), tokens=one.tokens)
    step = _cells(made, flat, number, scale)
    _outline(made, (0, 0, size[0] - 1, size[1] - 1), colour(number), 2)
    kept = "the whole picture" if view.source == Box(0, 0, *picture.size) else "what is kept of the picture"
    what = kept if view.role == "whole" else f"row {view.row + 1}, column {view.col + 1}"
    if one.tokens is None:
        told = [f"{view.size} px", "learned queries, by attention"]
    else:
        told = [f"{view.size} px, {one.tokens.tokens:,} token{'s' * (one.tokens.tokens > 1)}"]
    told += ["hatched: padding"] * (view.canvas != Box.of(view.size)) + _thinned(step) + stretched
    words = max(size[0], SLICE + 16)
    head = text(f"{number} · {what}", 14, colour(number), words)
    return join([made, head, *(text(line, 13, QUIET, words) for line in told)], 4)


def _received(picture: Image.Image, view: View) -> Image.Image:
    """The pixels of the view; what is padding stays grey."""
    made = Image.new("RGB", (view.size.width, view.size.height), (205, 208, 212))
    left, top, right, bottom = map(round, view.canvas.sides)
    inner = (max(right - left, 1), max(bottom - top, 1))
    source = view.source.intersect(Box(0, 0, picture.width, picture.height))
    assert source is not None  # ``_check`` has seen it
    made.paste(picture.resize(inner, Image.Resampling.BICUBIC, source.sides), (left, top))
    return made


def _cells(image: Image.Image, one: DrawnView, number: int, scale: tuple[float, float]) -> int:
    """Draw lines around the view's tokens on ``image``, ``scale`` pixels a source pixel; every how many-th it took."""
    if one.tokens is None:
        return 1
    view, (across, down) = one.view, one.view.scale
    wide, tall = view.size.width / one.tokens.cols, view.size.height / one.tokens.rows
    near = min(wide / across * scale[0], tall / down * scale[1])
    step = ceil(CELL / near) if near < CELL else 1
    left, top, right, bottom = _corners(view.source, scale, image.size)
    columns, rows = set[int](), set[int]()
    for start in range(0, one.tokens.cols, step):
        seen = view.to_source(Box(start * wide, 0, min(start + step, one.tokens.cols) * wide, view.size.height))
        columns |= set() if seen is None else {round(seen.left * scale[0]), round(seen.right * scale[0])}
    for start in range(0, one.tokens.rows, step):
        seen = view.to_source(Box(0, start * tall, view.size.width, min(start + step, one.tokens.rows) * tall))
        rows |= set() if seen is None else {round(seen.top * scale[1]), round(seen.bottom * scale[1])}
    ends = [(x, top, x, bottom) for x in columns if left < x <= right]
    ends += [(left, y, right, y) for y in rows if top < y <= bottom]
    veil = Image.new("L", image.size)
    pen = ImageDraw.Draw(veil)
    if step * near >= 3 * CELL:  # room for a pale rim, so that lines are seen on dark ground too
        for end in ends:
            pen.line(end, 70, 3)
        image.paste((255, 255, 255), mask=veil)
    for end in ends:
        pen.line(end, 255)
    image.paste(colour(number), mask=veil.point([0] * 255 + [205 if near * step >= 2 * CELL else 130]))
    return step


def _hatch(image: Image.Image, inner: tuple[int, int, int, int]) -> None:
    """Diagonal lines over ``image`` but not over ``inner``."""
    kept = image.crop((inner[0], inner[1], inner[2] + 1, inner[3] + 1))
    pen = ImageDraw.Draw(image)
    for start in range(-image.height, image.width, 8):
        pen.line((start, image.height, start + image.height, 0), (176, 181, 187))
    image.paste(kept, inner[:2])


def _outline(image: Image.Image, corners: tuple[int, int, int, int], ink: Colour, width: int) -> None:
    """A box with a pale rim that tells it from its neighbours."""
    left, top, right, bottom = corners
    pen = ImageDraw.Draw(image)
    pen.rectangle(corners, outline=PAGE)
    if right - left > 2 and bottom - top > 2:
        pen.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline=ink, width=width)


def _chip(image: Image.Image, corners: tuple[int, int, int, int], number: int) -> None:
    """The number in the box's upper left corner."""
    font = ImageFont.load_default(17)
    left, top = corners[0] + 1, corners[1] + 1
    wide = max(round(font.getlength(str(number))) + 12, 24)
    pen = ImageDraw.Draw(image)
    pen.rectangle((left, top, left + wide, top + 24), fill=colour(number))
    pen.text((left + wide / 2, top + 12), str(number), (255, 255, 255), font, anchor="mm")


def _corners(box: Box, scale: tuple[float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The first and last pixels of a box, inside the image."""
    left, top = min(round(box.left * scale[0]), size[0] - 1), min(round(box.top * scale[1]), size[1] - 1)
    right, bottom = min(round(box.right * scale[0]), size[0]) - 1, min(round(box.bottom * scale[1]), size[1]) - 1
    return max(left, 0), max(top, 0), max(right, left, 0), max(bottom, top, 0)


def _fit(size: Size, wide: int, tall: int) -> tuple[tuple[int, int], list[str]]:
    """The size at which to draw, and words for what was stretched."""
    scale, thin = min(wide / size.width, tall / size.height), min(THIN, wide // 4)
    width, height = max(round(size.width * scale), 1), max(round(size.height * scale), 1)
    if min(width, height) >= thin:
        return (width, height), []
    times = thin / (min(size.width, size.height) * scale)
    return (max(width, thin), max(height, thin)), [f"drawn {times:.1f} times {'wider' if width < thin else 'taller'}"]


def _thinned(step: int) -> list[str]:
    return [f"a line every {step} tokens"] * (step > 1)


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Smooth where it shrinks; where it grows much, pixels stay visible."""
    grown = min(size[0] / image.width, size[1] / image.height) >= 3
    return image.resize(size, Image.Resampling.NEAREST if grown else Image.Resampling.LANCZOS)
