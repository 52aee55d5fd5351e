"""What a model sees of a picture, drawn: slices and token boxes on it, and every view as the model receives it.

Law     every slice in its own colour with its number in reading order; lines between tokens where tokens have a place;
        what no view shows is darkened; padding is hatched.
Used by ``saccade plan --show``.
Loses   lines that would lie closer than a few pixels: every n-th is drawn, and the label says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from PIL import Image, ImageDraw, ImageFont

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.view import View

Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = (
    (31, 119, 180), (214, 69, 65), (44, 140, 84), (148, 87, 190), (217, 119, 6), (0, 140, 150), (190, 60, 130),
    (110, 110, 20),
)  # fmt: skip
PAPER: Colour = (255, 255, 255)
INK: Colour = (34, 34, 40)
FAINT: Colour = (110, 110, 120)
WIDE, TALL = 1200, 820
"""The most that the picture takes of the drawing, in pixels."""
SMALL = 180
"""The height of a view's own picture below it."""
NEAR = 5
"""Lines closer than this are thinned out, in pixels."""
EDGE = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One view, and the grid of tokens that lie in it; None where queries read all of it."""

    view: View
    tokens: Grid | None


def draw(picture: Image.Image, views: Sequence[Drawn], *, title: str, lines: Sequence[str] = ()) -> Image.Image:
    """One RGB picture: ``title``, the picture with its views, the views themselves, and ``lines`` of explanation."""
    if not views:
        raise SaccadeError("there are 0 views to draw, at least 1 is needed")
    scale = min(WIDE / picture.width, TALL / picture.height)
    main = _main(picture, views, scale)
    small = [_received(picture, one, number) for number, one in enumerate(views, 1)]
    width = max(main.width, 900) + 2 * EDGE
    rows = _rows(small, width - 2 * EDGE)
    head = _wrapped(_plain(title), _font(22), width - 2 * EDGE)
    words = [row for line in map(_plain, lines) for row in _wrapped(line, _font(15), width - 2 * EDGE)]
    below = sum(max(one.height for one in row) + 12 for row in rows)
    height = EDGE + 30 * len(head) + 10 + main.height + 20 + 28 + below + 22 * len(words) + 2 * EDGE
    page = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(page)
    top = EDGE
    for line in head:
        pen.text((EDGE, top), line, INK, _font(22))
        top += 30
    top += 10
    page.paste(main, (EDGE, top))
    top += main.height + 20
    pen.text((EDGE, top), "as the model receives them, in reading order", FAINT, _font(15))
    top += 28
    for row in rows:
        left = EDGE
        for one in row:
            page.paste(one, (left, top))
            left += one.width + 12
        top += max(one.height for one in row) + 12
    for word in words:
        pen.text((EDGE, top), word, INK, _font(15))
        top += 22
    return page


def _main(picture: Image.Image, views: Sequence[Drawn], scale: float) -> Image.Image:
    """The picture, darkened where no view looks, with the slices (or the only view) and their tokens."""
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    main = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    seen = Image.new("L", size, 110)
    for one in views:
        ImageDraw.Draw(seen).rectangle(_corners(one.view.source, scale, size), 255)
    main = Image.composite(main, Image.new("RGB", size, (20, 20, 24)), seen)
    pen = ImageDraw.Draw(main, "RGBA")
    slices = [(number, one) for number, one in enumerate(views, 1) if one.view.role == "slice"]
    for number, one in slices or [(1, views[0])]:
        colour = COLOURS[(number - 1) % len(COLOURS)]
        _cells(pen, one, one.view.source, scale, (*colour, 150))
        corners = _corners(one.view.source, scale, size)
        pen.rectangle(corners, outline=colour, width=3)
        if len(views) > 1:
            _tag(pen, corners[:2], str(number), colour)
    return main


def _cells(pen: ImageDraw.ImageDraw, one: Drawn, within: Box, scale: float, colour: tuple[int, int, int, int]) -> None:
    """Lines between tokens, in source pixels times ``scale``, thinned where they lie too close."""
    if one.tokens is None:
        return
    view = one.view
    x, y = view.scale
    step = _step(one, scale)
    for col in range(step, one.tokens.cols, step):
        at = (col * view.size.width / one.tokens.cols - view.canvas.left) / x + view.source.left
        if within.left < at < within.right:
            pen.line((at * scale, within.top * scale, at * scale, within.bottom * scale), colour)
    for row in range(step, one.tokens.rows, step):
        at = (row * view.size.height / one.tokens.rows - view.canvas.top) / y + view.source.top
        if within.top < at < within.bottom:
            pen.line((within.left * scale, at * scale, within.right * scale, at * scale), colour)


def _step(one: Drawn, scale: float) -> int:
    """Every how many tokens a line is drawn, so that lines keep ``NEAR`` pixels apart."""
    if one.tokens is None:
        return 1
    x, y = one.view.scale
    closest = min(one.view.size.width / one.tokens.cols / x, one.view.size.height / one.tokens.rows / y) * scale
    return max(1, ceil(NEAR / max(closest, 0.1)))


def _received(picture: Image.Image, one: Drawn, number: int) -> Image.Image:
    """A view's own picture with its tokens, padding hatched, and its label."""
    view, colour = one.view, COLOURS[(number - 1) % len(COLOURS)]
    scale = min(SMALL / view.size.height, 2.2 * SMALL / view.size.width)
    size = (max(1, round(view.size.width * scale)), max(1, round(view.size.height * scale)))
    made = _hatched(size)
    left, top, right, bottom = _corners(view.canvas, scale, size)
    inner = (max(1, right - left + 1), max(1, bottom - top + 1))
    made.paste(
        picture.convert("RGB").resize(inner, Image.Resampling.BICUBIC, box=_inside(view.source, picture)), (left, top)
    )
    pen = ImageDraw.Draw(made, "RGBA")
    if one.tokens is not None:
        flat = Drawn(view=View(Box.of(view.size), view.size), tokens=one.tokens)
        _cells(pen, flat, Box.of(view.size), scale, (*colour, 130))
    pen.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=colour, width=2)
    what = "all of it" if view.role == "whole" else f"row {view.row + 1}, column {view.col + 1}"
    named = tuple(map(_plain, (f"{number}  {what}", f"{view.size} px", _told(one, scale))))
    font = _font(13)
    width = max(size[0], *(int(font.getlength(line)) + 2 for line in named))
    labelled = Image.new("RGB", (width, size[1] + 54), PAPER)
    labelled.paste(made, (0, 0))
    for place, line in enumerate(named):
        ImageDraw.Draw(labelled).text((0, size[1] + 3 + 17 * place), line, colour if not place else FAINT, font)
    return labelled


def _told(one: Drawn, scale: float) -> str:
    if one.tokens is None:
        return "learned queries, by attention"
    step = _step(Drawn(view=View(Box.of(one.view.size), one.view.size), tokens=one.tokens), scale)
    thinned = (
        "" if step == 1 else f", every {step}th line" if step > 3 else f", every {('', '', '2nd', '3rd')[step]} line"
    )
    return f"{one.tokens.rows}×{one.tokens.cols} tokens{thinned}"


def _hatched(size: tuple[int, int]) -> Image.Image:
    """Grey with diagonal lines: padding."""
    made = Image.new("RGB", size, (226, 226, 230))
    pen = ImageDraw.Draw(made)
    for start in range(-size[1], size[0], 9):
        pen.line((start, size[1], start + size[1], 0), (200, 200, 206))
    return made


def _corners(box: Box, scale: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in drawn pixels, corners included, inside the drawing."""
    left, top = (min(round(side * scale), edge - 1) for side, edge in zip((box.left, box.top), size, strict=True))
    right, bottom = (
        min(round(side * scale), edge) - 1 for side, edge in zip((box.right, box.bottom), size, strict=True)
    )
    return left, top, max(left, right), max(top, bottom)


def _inside(box: Box, picture: Image.Image) -> tuple[float, float, float, float]:
    """The box within the picture: fractions of a pixel may lie outside by rounding."""
    return (max(0, box.left), max(0, box.top), min(picture.width, box.right), min(picture.height, box.bottom))


def _tag(pen: ImageDraw.ImageDraw, corner: tuple[int, ...], text: str, colour: Colour) -> None:
    font = _font(18)
    width = int(font.getlength(text)) + 12
    left, top = corner[0], corner[1]
    pen.rectangle((left, top, left + width, top + 26), fill=colour)
    pen.text((left + 6, top + 2), text, PAPER, font)


def _rows(pictures: Sequence[Image.Image], width: int) -> list[list[Image.Image]]:
    """Pictures side by side, a new row where the width is used up."""
    rows: list[list[Image.Image]] = [[]]
    for one in pictures:
        if rows[-1] and sum(other.width + 12 for other in rows[-1]) + one.width > width:
            rows.append([])
        rows[-1].append(one)
    return rows


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _plain(text: str) -> str:
    """Without the signs that Pillow's own font lacks."""
    for sign, plain in (("×", "x"), ("–", "-"), ("−", "-"), ("→", "->"), ("…", "..."), ("≤", "<=")):
        text = text.replace(sign, plain)
    return text


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
