"""Cluttered scenes: many markers with print beside them; one is a red ring, and the digit beside that is asked for.

Every other marker is no red ring: a ring of another colour, or a shape, red ones too. All print has one size and
colour, so the picture as a whole does not tell which digit is meant: the ring can be found from afar, and its digit
has to be read from near.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError, unknown
from saccade.core.size import Size
from saccade.tasks.canvas import BACKGROUNDS, COLOURS, SHAPES, Canvas
from saccade.tasks.scenes import DIGITS, LETTERS, SPLITS

VERSION = "clutter/1"
SIDE, CLASSES = 256, 10
"""Pixels a side; the digits that may be asked for."""
MARKER, HEIGHT, GAP = 13, 8, 3
"""Pixels: sides of a marker, height of a capital, and what is left free between both and around."""
CUE = "red"
TRIES = 60
"""Places that are tried for an item before it is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Clutter:
    """``digit`` stands beside the red ring; ``evidence`` is the box of both, ``items`` counts the markers.

    The evidence lies within one ``quarter`` of the picture, numbered in row order: a tower that reads the quarters one
    by one does not cut it.
    """

    image: Image.Image
    digit: int
    evidence: Box
    items: int

    @property
    def quarter(self) -> int:
        """Where the evidence is."""
        x, y = self.evidence.center
        return 2 * int(y >= SIDE / 2) + int(x >= SIDE / 2)


def clutter(split: str, index: int) -> Clutter:
    """One scene; equal arguments make equal scenes. Raises SaccadeError for an unknown split and a number below 0."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if index < 0:
        raise SaccadeError(f"scenes are numbered from 0, got {index}")
    rng = np.random.default_rng([SPLITS.index(split), index, 5])
    canvas = Canvas(Size(SIDE, SIDE), str(rng.choice(list(BACKGROUNDS))), rng)
    canvas.scribble(int(rng.integers(3, 9)))
    digit = int(rng.integers(CLASSES))
    evidence = _item(canvas, "ring", CUE, DIGITS[digit], whole=True)
    assert evidence is not None
    drawn = sum(_other(canvas) for _ in range(int(rng.integers(28, 41))))
    return Clutter(canvas.image, digit, evidence, 1 + drawn)


def _other(canvas: Canvas) -> bool:
    """Any marker but a red ring, with a digit or a letter; whether there was a place for it."""
    rng, names = canvas.rng, list(COLOURS)
    colour = names[int(rng.integers(len(names)))]
    shape = "ring" if colour != CUE and rng.random() < 0.4 else SHAPES[int(rng.integers(len(SHAPES)))]
    letters = DIGITS if rng.random() < 0.7 else LETTERS
    return _item(canvas, shape, colour, letters[int(rng.integers(len(letters)))]) is not None


def _item(canvas: Canvas, shape: str, colour: str, text: str, *, whole: bool = False) -> Box | None:
    """A marker with print to its right, somewhere, or ``whole`` in a quarter; None where no place was found."""
    wide = MARKER + GAP + canvas.measure(text, HEIGHT)
    for x, y in canvas.rng.random((TRIES, 2)):
        left, top = GAP + int(x * (SIDE - wide - 2 * GAP)), GAP + int(y * (SIDE - MARKER - 2 * GAP))
        block = Box(left, top, left + wide, top + MARKER)
        if canvas.free(block, GAP) and not (whole and _parted(block)):
            break
    else:
        return None
    marker = Box(left, top, left + MARKER, top + MARKER)
    if shape == "ring":
        corners = (marker.left, marker.top, marker.right - 1, marker.bottom - 1)
        canvas.pen.ellipse(corners, outline=canvas.jitter(COLOURS[colour], 12), width=MARKER // 4)
    else:
        canvas.mark(shape, colour, marker)
    canvas.write(text, left + MARKER + GAP, top + (MARKER - HEIGHT) // 2, HEIGHT)
    canvas.take(block)
    return block


def _parted(block: Box) -> bool:
    """Whether it lies in more than one quarter."""
    middle = SIDE / 2
    return block.left < middle < block.right or block.top < middle < block.bottom
