"""Generated pages: print of one height and as much or as little of it as fits, to be read line by line.

The words are made up and short, and some are far more frequent than others, as words are. Faces and paper differ from
page to page; of what matters only the number of words is swept, evenly in its logarithm, so that what is lost when more
text is put on the same number of tokens is lost to that, and not to smaller print.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError, unknown
from saccade.core.size import Size
from saccade.tasks.canvas import LIGHT, Canvas
from saccade.tasks.scenes import SPLITS

VERSION = "pages/1"
SIDE, HEIGHT, PITCH, EDGE = 128, 8, 12, 4
"""Pixels: of a page's side, a capital, a line with the gap below it, and the margin."""
LETTERS = "CDFHJKLMNPRTVWX"
VOWELS = "AEUY"
LINES = (SIDE - 2 * EDGE + PITCH - HEIGHT) // PITCH
"""Lines at most."""
WORDS, COMMON = 256, 6.0
"""Words of the lexicon; the word of rank r is drawn with a weight of 1 / (r + ``COMMON``)."""
LEAST, MOST = 3, 44
"""Words of a page; what does not fit is left out."""


@cache
def lexicon() -> tuple[str, ...]:
    """The made-up words, most frequent first."""
    rng = np.random.default_rng(len(VERSION))
    made: dict[str, None] = {}
    while len(made) < WORDS:
        length, first = int(rng.integers(2, 5)), int(rng.integers(2))
        letters = (VOWELS if (place + first) % 2 else LETTERS for place in range(length))
        made["".join(some[int(rng.integers(len(some)))] for some in letters)] = None
    return tuple(made)


@cache
def _shares() -> np.ndarray:
    weights = 1 / (np.arange(WORDS) + COMMON)
    return weights / weights.sum()


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of print: its text, its box, and one box a character."""

    text: str
    box: Box
    characters: tuple[Box, ...]


class Page:
    """One generated page; equal arguments draw equal pages."""

    def __init__(self, split: str, index: int) -> None:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        if index < 0:
            raise SaccadeError(f"pages are numbered from 0, got {index}")
        self.split, self.index = split, index

    @property
    def name(self) -> str:
        """``page-test-00012``."""
        return f"page-{self.split}-{self.index:05d}"

    @cached_property
    def _drawn(self) -> tuple[Image.Image, tuple[TextLine, ...]]:
        rng = np.random.default_rng([SPLITS.index(self.split), self.index, 5])
        canvas = Canvas(Size(SIDE, SIDE), str(rng.choice(sorted(LIGHT))), rng)
        lines = _wrapped(canvas, rng)
        left = EDGE + int(rng.integers(-2, 3))
        drawn = []
        for number, text in enumerate(lines):
            written = canvas.write(text, left, EDGE + number * PITCH, HEIGHT)
            drawn.append(TextLine(text, written.box, written.characters))
        return canvas.image, tuple(drawn)

    @property
    def size(self) -> Size:
        """The same for every page."""
        return Size(SIDE, SIDE)

    @property
    def lines(self) -> tuple[TextLine, ...]:
        """What is printed, from top to bottom."""
        return self._drawn[1]

    @property
    def text(self) -> str:
        """Everything, lines joined by spaces."""
        return " ".join(line.text for line in self.lines)

    def image(self) -> Image.Image:
        """The page, RGB."""
        return self._drawn[0]

    def forget(self) -> None:
        """Give back the drawing's memory; it is drawn again, the same, when next looked at."""
        self.__dict__.pop("_drawn", None)


def _wrapped(canvas: Canvas, rng: np.random.Generator) -> list[str]:
    """Lines of words until the number that was drawn for this page is reached, or the page is full."""
    wanted = round(LEAST * (MOST / LEAST) ** float(rng.random()))
    words, lines, across = lexicon(), [""], SIDE - 2 * EDGE
    for _ in range(wanted):
        word = words[int(rng.choice(WORDS, p=_shares()))]
        longer = f"{lines[-1]} {word}".strip()
        if canvas.measure(longer, HEIGHT) <= across:
            lines[-1] = longer
        elif len(lines) < LINES:
            lines.append(word)
        else:
            break
    return lines
