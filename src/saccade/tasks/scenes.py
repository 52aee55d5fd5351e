"""The generated exam: scenes, charts and pages with print of every size, and what to ask of them.

Every picture holds *items*: a coloured marker with a digit or a two-character code beside it (on a
chart the marker is a bar, on a page a bullet), or a digit in a corner. Questions of *detail* ask
for one item's print; questions of *gist* for the background, the kind of picture, roughly how many
markers there are, and the most common colour. The box of the evidence is known.

Print is swept over heights: relative to a picture scaled to 128 px on its longer side, capitals
stand 2.5 to 22 px high, and never below 5 px in the picture itself, so that everything can be read
at full resolution and only some of it after shrinking.

The exam is frozen: ``VERSION`` changes whenever a picture or a question does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError, unknown
from saccade.core.size import Size
from saccade.tasks.canvas import BACKGROUNDS, COLOURS, SHAPES, Canvas, DrawnText
from saccade.tasks.exam import Question

VERSION = "scenes/1"
SPLITS = ("train", "calibration", "test")
Split = Literal["train", "calibration", "test"]
DIGITS = "0123456789"
LETTERS = "ACDEFHJKLMNPRTUVWXY34679"
"""What codes are made of: no two that a careful reader confuses (0 O, 1 I, 2 Z, 5 S, 8 B, G)."""
LAYOUTS = ("scene", "chart", "page")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
REFERENCE = 128
"""Glyph heights are swept as seen on a picture scaled to this longer side, in pixels."""
RESOLVABLE = 12.0
"""Print at least this high (capitals, in pixels of the tower's view) counts as resolvable. Fixed before training."""


@dataclass(frozen=True, slots=True)
class Item:
    """A marker, its print, or both. ``colour`` is empty and ``shape`` a corner for a corner digit."""

    colour: str
    shape: str
    marker: Box | None
    print: DrawnText | None

    @property
    def name(self) -> str:
        """How a question calls it: ``red square``, ``top left corner``."""
        return f"{self.colour} {self.shape}" if self.colour else f"{self.shape} corner"


class Scene:
    """One generated picture, drawn when first looked at; equal seeds draw equal pictures."""

    def __init__(self, split: str, index: int, long_side: int | None = None) -> None:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        self.split, self.index = split, index
        self._long = long_side

    @property
    def name(self) -> str:
        """``test-00012``."""
        return f"{self.split}-{self.index:05d}"

    @cached_property
    def _drawn(self) -> "DrawnScene":
        return _draw(np.random.default_rng([SPLITS.index(self.split), self.index]), self._long)

    @property
    def size(self) -> Size:
        """Native size, 128 to 512 px on the longer side unless ``long_side`` fixed it."""
        return self._drawn.canvas.size

    @property
    def layout(self) -> str:
        """``scene``, ``chart`` or ``page``."""
        return self._drawn.layout

    @property
    def background(self) -> str:
        """A key of ``BACKGROUNDS``."""
        return self._drawn.canvas.background

    @property
    def items(self) -> tuple[Item, ...]:
        """Everything a question may name."""
        return tuple(self._drawn.items)

    def image(self) -> Image.Image:
        """The picture, RGB."""
        return self._drawn.canvas.image

    def forget(self) -> None:
        """Give back the drawing's memory; it is drawn again, the same, when next looked at."""
        self.__dict__.pop("_drawn", None)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every question this picture can answer, detail first."""
        return self._asked

    @cached_property
    def _asked(self) -> tuple[Question, ...]:
        return (*_detail(self), *_gist(self))


@dataclass(slots=True)
class DrawnScene:
    """A canvas and what stands on it."""

    canvas: Canvas
    layout: str
    items: list[Item]


class Scenes:
    """An exam of ``count`` generated pictures of one split, starting at picture ``first``."""

    def __init__(self, split: str = "test", count: int = 200, first: int = 0) -> None:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        if count < 1:
            raise SaccadeError(f"an exam needs at least 1 picture, got {count}")
        if first < 0:
            raise SaccadeError(f"an exam's first picture is 0 or later, got {first}")
        self.split, self.count, self.first = split, count, first

    @property
    def name(self) -> str:
        """Version, split and size."""
        return f"{VERSION} {self.split} {self.first}:{self.first + self.count}"

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Scene]:
        return (Scene(self.split, index) for index in range(self.first, self.first + self.count))


def majority(scene: Scene) -> str | None:
    """The colour of most markers, or None unless it leads by two."""
    counts: dict[str, int] = {}
    for item in scene.items:
        if item.colour:
            counts[item.colour] = counts.get(item.colour, 0) + 1
    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] >= 2:
        return ranked[0][0]
    return None


def how_many(scene: Scene) -> str:
    """``few`` (to 3 markers), ``some`` (4 to 6) or ``many``."""
    count = sum(1 for item in scene.items if item.colour)
    return "few" if count <= 3 else "some" if count <= 6 else "many"


def _detail(scene: Scene) -> Iterator[Question]:
    names = [item.name for item in scene.items]
    for item in scene.items:
        if item.print is None or names.count(item.name) > 1:
            continue
        kind = "digit" if len(item.print.text) == 1 else "code"
        where = "in" if not item.colour else "on" if item.shape == "bar" else "beside"
        text = f"What {kind} is {where} the {item.name}?"
        boxes = (item.print.box,)
        yield Question(text, (item.print.text,), kind, "detail", boxes, item.print.height)


def _gist(scene: Scene) -> Iterator[Question]:
    whole = (Box.of(scene.size),)
    yield Question("What color is the background?", (scene.background,), "background", "gist", whole)
    yield Question("What kind of picture is this?", (scene.layout,), "layout", "gist", whole)
    yield Question("How many shapes are there?", (how_many(scene),), "count", "gist", whole)
    if (colour := majority(scene)) is not None:
        yield Question("What color are most shapes?", (colour,), "majority", "gist", whole)


def _draw(rng: np.random.Generator, long_side: int | None) -> DrawnScene:
    long = long_side or round(128 * 4 ** float(rng.random()))
    short = round(long * float(rng.uniform(0.66, 1.0)))
    size = Size(long, short) if rng.random() < 0.5 else Size(short, long)
    canvas = Canvas(size, str(rng.choice(list(BACKGROUNDS))), rng)
    layout = LAYOUTS[int(rng.choice(3, p=(0.5, 0.25, 0.25)))]
    drawn = DrawnScene(canvas, layout, [])
    if layout != "page" and rng.random() < 0.5:
        canvas.scribble(int(rng.integers(2, 9)))
    if layout != "chart" and rng.random() < 0.5:
        _corner(drawn)
    {"scene": _scatter, "chart": _bars, "page": _lines}[layout](drawn)
    return drawn


def _height(canvas: Canvas) -> int:
    """A glyph height in source pixels: half of the print is large, half is swept down to tiny."""
    rng, unit = canvas.rng, canvas.size.long / REFERENCE
    low, high = (12.0, 22.0) if rng.random() < 0.5 else (2.5, 12.0)
    return max(5, round(low * (high / low) ** float(rng.random()) * unit))


def _text(rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return DIGITS[int(rng.integers(10))]
    first, second = rng.integers(len(LETTERS), size=2)
    return LETTERS[int(first)] + LETTERS[int(second)]


def _palette(rng: np.random.Generator, count: int) -> list[str]:
    """``count`` colours; in most pictures one of them leads."""
    names = list(COLOURS)
    drawn = [names[int(i)] for i in rng.integers(len(names), size=count)]
    if rng.random() < 0.7:
        lead = names[int(rng.integers(len(names)))]
        drawn = [lead if chance < 0.6 else colour for colour, chance in zip(drawn, rng.random(count), strict=True)]
    return drawn


def _corner(drawn: DrawnScene) -> None:
    canvas = drawn.canvas
    rng, size = canvas.rng, canvas.size
    where, height = CORNERS[int(rng.integers(4))], _height(canvas)
    text = DIGITS[int(rng.integers(10))]
    margin = round(size.long * 0.03)
    left = margin if "left" in where else size.width - margin - canvas.measure(text, height)
    top = margin if "top" in where else size.height - margin - height
    written = canvas.write(text, left, top, height)
    canvas.take(written.box)
    drawn.items.append(Item("", where, None, written))


def _scatter(drawn: DrawnScene) -> None:
    canvas = drawn.canvas
    rng, size = canvas.rng, canvas.size
    count = int(rng.integers(2, 11))
    for colour in _palette(rng, count):
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        text = _text(rng) if rng.random() < 0.75 else ""
        side, height = round(size.long * float(rng.uniform(0.09, 0.14))), _height(canvas)
        gap = max(2, round(size.long * 0.02))
        across = canvas.measure(text, height) if text else 0
        wide = side + (gap + across if text else 0)
        tall = max(side, height)
        room = (size.width - wide, size.height - tall)
        if min(room) < 0:
            continue
        for x, y in rng.random((12, 2)):
            left, top = int(x * room[0]), int(y * room[1])
            block = Box(left, top, left + wide, top + tall)
            if canvas.free(block, gap):
                break
        else:
            continue
        marker = Box(left, top + (tall - side) // 2, left + side, top + (tall - side) // 2 + side)
        canvas.mark(shape, colour, marker)
        written = canvas.write(text, left + side + gap, top + (tall - height) // 2, height) if text else None
        canvas.take(block)
        drawn.items.append(Item(colour, shape, marker, written))


def _bars(drawn: DrawnScene) -> None:
    canvas = drawn.canvas
    rng, size = canvas.rng, canvas.size
    count = int(rng.integers(2, 9))
    colours = [str(name) for name in rng.permutation(list(COLOURS))[:count]]
    edge = round(size.long * 0.05)
    floor, slot = size.height - edge, (size.width - 2 * edge) / count
    thick = max(1, round(size.long / 128))
    canvas.pen.line((edge, edge, edge, floor, size.width - edge, floor), fill=canvas.ink, width=thick)
    for place, colour in enumerate(colours):
        text = _text(rng) if rng.random() < 0.85 else ""
        height = _height(canvas)
        while text and height > 5 and canvas.measure(text, height) > slot * 0.95:
            height -= 1
        head = floor - edge - height - 2 * thick
        tall = max(round(size.long * 0.06), round(head * float(rng.uniform(0.2, 0.95))))
        left = edge + slot * (place + 0.2) + thick
        bar = Box(round(left), floor - tall, round(left + slot * 0.6), floor)
        canvas.mark("bar", colour, bar)
        middle = round(bar.center[0] - canvas.measure(text, height) / 2) if text else 0
        written = canvas.write(text, middle, int(bar.top) - height - 2 * thick, height) if text else None
        drawn.items.append(Item(colour, "bar", bar, written))


def _lines(drawn: DrawnScene) -> None:
    canvas = drawn.canvas
    rng, size = canvas.rng, canvas.size
    edge, gap = round(size.long * 0.05), max(2, round(size.long * 0.025))
    above = [taken.bottom for taken in canvas.taken if taken.top < size.height / 2]
    top = int(max(edge, max(above) + gap)) if above else edge
    title = max(3, round(size.long * 0.03))
    canvas.pen.rectangle((edge, top, size.width * float(rng.uniform(0.4, 0.8)), top + title), fill=canvas.faint())
    top += title + gap
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    for colour in _palette(rng, int(rng.integers(2, 10))):
        if rng.random() < 0.5:
            shape = SHAPES[int(rng.integers(len(SHAPES)))]
        text, side, height = _text(rng), round(size.long * float(rng.uniform(0.08, 0.1))), _height(canvas)
        tall = max(side, height)
        block = Box(edge, top, edge + side + gap + canvas.measure(text, height), top + tall)
        if not canvas.free(block, 1):
            break
        marker = Box(edge, top + (tall - side) // 2, edge + side, top + (tall - side) // 2 + side)
        canvas.mark(shape, colour, marker)
        written = canvas.write(text, edge + side + gap, top + (tall - height) // 2, height)
        drawn.items.append(Item(colour, shape, marker, written))
        canvas.take(block)
        _filler(canvas, Box(block.right + gap, top, max(block.right + gap, size.width - edge), top + tall))
        top += tall + gap


def _filler(canvas: Canvas, area: Box) -> None:
    """Grey strokes where a page's running text would stand."""
    step = max(3, round(canvas.size.long * 0.03))
    for y in range(int(area.top), int(area.bottom) - step // 2, step):
        right = area.left + area.width * float(canvas.rng.uniform(0.5, 1.0))
        if right > area.left + step and canvas.free(Box(area.left, y, right, y + step // 2), 0):
            canvas.pen.rectangle((area.left, y, right, y + step // 3), fill=canvas.faint())
