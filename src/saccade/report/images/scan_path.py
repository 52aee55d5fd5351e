"""Where a policy looked, drawn for people: numbered boxes on the picture, the heat that led there, every look apart.

Law     a box for each look at a part, in its own colour and numbered in order, with a line from one to the next; a look
        at the whole picture is a number in the corner.
Used by ``saccade ask --show``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.report.images.draw import EDGE, WIDE, colour
from saccade.report.images.sheet import GAP, INK, PAGE, QUIET, flow, join, text

MAIN, APART = 760, 208
"""The longer side of the picture, and of each look apart."""
GLOW = (255, 120, 0)
CELLS = 64


@dataclass(frozen=True, slots=True, eq=False)
class ScanStep:
    """One look: the ``box`` of source pixels (None for all), and a line of ``words`` about it."""

    box: Box | None
    words: str


def draw_path(
    picture: Image.Image,
    glances: Sequence[ScanStep],
    heat: AttentionMap | None,
    *,
    title: str,
    lines: Sequence[str] = (),
) -> Image.Image:
    """One RGB picture: ``title``, the picture with its looks, each look apart, and ``lines``."""
    if not glances:
        raise SaccadeError("there are 0 looks to draw, at least 1 is needed")
    picture = picture.convert("RGB")
    main = _main(picture, glances, heat)
    apart = [_apart(picture, glance, number) for number, glance in enumerate(glances, 1)]
    room = WIDE - main.width - GAP
    beside = room >= APART
    cards = flow(apart, room if beside else WIDE)
    body = [join([main, join(cards)], down=False)] if beside else [main, *cards]
    foot = [join([text(line, 15, INK, WIDE) for line in lines], 6)] if lines else []
    made = join([text(title, 26, INK, WIDE), *body, *foot])
    page = Image.new("RGB", (WIDE + 2 * EDGE, made.height + 2 * EDGE), PAGE)
    page.paste(made, (EDGE, EDGE))
    return page


def _main(picture: Image.Image, glances: Sequence[ScanStep], heat: AttentionMap | None) -> Image.Image:
    scale = MAIN / max(picture.size)
    size = Size(*(max(1, round(side * scale)) for side in picture.size))
    made = picture.resize((size.width, size.height), Image.Resampling.BICUBIC)
    if heat is not None:
        made = _glowing(made, heat)
    pen = ImageDraw.Draw(made)
    before: tuple[float, float] | None = None
    for number, glance in enumerate(glances, 1):
        box = (Box.of(Size(*picture.size)) if glance.box is None else glance.box).scale(scale, scale)
        ink = colour(number)
        # Frames around all of it lie inside each other, as far as there is room.
        inset = min(2 * number, 0.45 * min(box.width, box.height)) if glance.box is None else 0
        left, top, right, bottom = box.grow(-inset).sides
        pen.rectangle((left, top, right, bottom), outline=ink, width=4)
        if glance.box is not None:
            if before is not None:
                pen.line((*before, *box.center), fill=ink, width=3)
            before = box.center
        chip = text(str(number), 18, (255, 255, 255), 60)
        pen.rectangle((box.left, box.top, box.left + chip.width + 12, box.top + chip.height + 4), fill=ink)
        pen.text((box.left + 6, box.top + 2), str(number), (255, 255, 255), font_size=18)
    told = f"the picture, {picture.width}×{picture.height} px · numbers: the order of the looks"
    told += " · orange: where it looked most" if heat is not None else ""
    return join([made, text(told, 14, QUIET, max(made.width, 320))], 8)


def _glowing(image: Image.Image, heat: AttentionMap) -> Image.Image:
    size = Size(*image.size)
    rows, cols = (max(1, round(CELLS * side / size.long)) for side in (size.height, size.width))
    drawn = np.maximum(heat.drawn(rows, cols), 0)
    if not drawn.max() > 0:
        return image
    mask = Image.fromarray((150 * drawn / drawn.max()).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", image.size, GLOW), image, mask)


def _apart(picture: Image.Image, glance: ScanStep, number: int) -> Image.Image:
    """A look by itself, as large as the others, in the colour of its box."""
    crop = picture
    if glance.box is not None:
        left, top, right, bottom = map(round, glance.box.sides)
        crop = picture.crop((left, top, right, bottom))
    scale = APART / max(crop.size)
    sides = [max(1, round(side * scale)) for side in crop.size]
    made = crop.resize((sides[0], sides[1]), Image.Resampling.BICUBIC)
    ImageDraw.Draw(made).rectangle((0, 0, sides[0] - 1, sides[1] - 1), outline=colour(number), width=3)
    return join([made, text(f"{number}  {glance.words}", 14, INK, APART)], 6)
