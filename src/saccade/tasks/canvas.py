"""A picture being drawn: markers, print and clutter that keep out of each other's way."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from saccade.core.box import Box
from saccade.core.size import Size
from saccade.tasks.glyphs import FACES, glyph

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (240, 220, 40),
    "green": (40, 160, 60),
    "cyan": (40, 205, 220),
    "blue": (50, 90, 235),
    "purple": (140, 50, 190),
    "pink": (250, 135, 195),
}
BACKGROUNDS: dict[str, Colour] = {
    "white": (248, 248, 248),
    "gray": (150, 150, 150),
    "black": (16, 16, 16),
    "brown": (92, 58, 36),
    "navy": (18, 26, 84),
}
SHAPES = ("square", "circle", "triangle", "diamond", "cross")
LIGHT = frozenset({"white", "gray"})


@dataclass(frozen=True, slots=True)
class DrawnText:
    """A text that was drawn: its box, one box a character, and the height of its capitals."""

    text: str
    box: Box
    characters: tuple[Box, ...]
    height: int


class Canvas:
    """An RGB picture of ``size`` and the boxes already taken on it."""

    def __init__(self, size: Size, background: str, rng: np.random.Generator) -> None:
        self.size = size
        self.rng = rng
        self.background = background
        self.paper = self.jitter(BACKGROUNDS[background], 8)
        self.ink: Colour = (10, 10, 10) if background in LIGHT else (245, 245, 245)
        self.face = FACES[int(rng.integers(len(FACES)))]
        self.image = Image.new("RGB", (size.width, size.height), self.paper)
        self.pen = ImageDraw.Draw(self.image)
        self.taken: list[Box] = []

    def jitter(self, colour: Colour, by: int) -> Colour:
        """``colour`` moved by at most ``by`` in each channel."""
        red, green, blue = self.rng.integers(-by, by + 1, 3)
        return (
            min(255, max(0, colour[0] + int(red))),
            min(255, max(0, colour[1] + int(green))),
            min(255, max(0, colour[2] + int(blue))),
        )

    def faint(self) -> Colour:
        """A colour between the paper and the ink, near the paper."""
        share = float(self.rng.uniform(0.12, 0.3))
        mixed = [round(p + (i - p) * share) for p, i in zip(self.paper, self.ink, strict=True)]
        return (mixed[0], mixed[1], mixed[2])

    def free(self, box: Box, margin: float) -> bool:
        """Whether ``box`` lies on the picture and at least ``margin`` pixels from all that is taken."""
        if box.left < 0 or box.top < 0 or box.right > self.size.width or box.bottom > self.size.height:
            return False
        wide = box.grow(margin)
        return all(
            wide.right <= t.left or t.right <= wide.left or wide.bottom <= t.top or t.bottom <= wide.top
            for t in self.taken
        )

    def take(self, box: Box) -> None:
        """Keep later things off ``box``."""
        self.taken.append(box)

    def measure(self, text: str, height: int) -> int:
        """Width in pixels of ``text`` at that height of capitals."""
        return round(sum(glyph(self.face, height, character).advance for character in text))

    def write(self, text: str, left: int, top: int, height: int) -> DrawnText:
        """Draw ``text`` with its cap line at ``top``."""
        x, boxes = float(left), []
        for character in text:
            drawn = glyph(self.face, height, character)
            corner = (round(x) + drawn.left, top + drawn.top)
            self.image.paste(self.ink, corner, drawn.mask)
            boxes.append(Box(corner[0], corner[1], corner[0] + drawn.mask.width, corner[1] + drawn.mask.height))
            x += drawn.advance
        box = boxes[0]
        for other in boxes[1:]:
            box = box.union(other)
        return DrawnText(text, box, tuple(boxes), height)

    def mark(self, shape: str, colour: str, box: Box) -> None:
        """Draw a filled ``shape`` into ``box``."""
        fill = self.jitter(COLOURS[colour], 12)
        left, top, right, bottom = box.left, box.top, box.right - 1, box.bottom - 1
        x, y = (left + right) / 2, (top + bottom) / 2
        match shape:
            case "circle":
                self.pen.ellipse((left, top, right, bottom), fill=fill)
            case "triangle":
                self.pen.polygon([(x, top), (right, bottom), (left, bottom)], fill=fill)
            case "diamond":
                self.pen.polygon([(x, top), (right, y), (x, bottom), (left, y)], fill=fill)
            case "cross":
                third, down = (right - left) / 3, (bottom - top) / 3
                self.pen.rectangle((left + third, top, right - third, bottom), fill=fill)
                self.pen.rectangle((left, top + down, right, bottom - down), fill=fill)
            case _:
                self.pen.rectangle((left, top, right, bottom), fill=fill)

    def scribble(self, count: int) -> None:
        """Faint lines all over: clutter that carries nothing."""
        width, height = self.size.width, self.size.height
        thick = max(1, round(self.size.long / 160))
        for x0, y0, x1, y1 in self.rng.random((count, 4)):
            ends = (x0 * width, y0 * height, x1 * width, y1 * height)
            self.pen.line(ends, fill=self.faint(), width=thick)
