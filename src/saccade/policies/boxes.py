"""From heat to boxes: where to look next, or nowhere.

Law     a window of fractional size slides over the heat, for every share of the picture and every aspect; within one
        shape the window with most heat wins, between shapes the one whose heat falls off most steeply at its edges.
Used by relative attention, cached values, refinement. Never outside the picture, never under ``least`` pixels a side.
Source  ViCrop, arXiv:2502.17422, whose windows are squares of whole cells: wide pictures, small maps and flat maps lead
        it to the upper left corner. Here windows have fractions and aspects, heat that is no number counts as none, and
        a map without a peak gives no box, so that the whole picture is what was looked at.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.size import Size

CELLS = 48
"""Cells along the picture's longer side into which heat is drawn."""
SAME = 0.3
"""Share of the smaller of two boxes from which on, if both hold it, the lesser one is the same again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBoxes:
    """``shares`` are sides of a window (the square root of its share of the picture's area), ``aspects`` its widths
    over heights. A window whose heat is less than ``peak`` times the mean is none; of several at most ``count`` are
    given, with at least half the best one's heat per pixel.
    """

    shares: tuple[float, ...] = (0.25, 0.35, 0.5)
    aspects: tuple[float, ...] = (1.0, 2.0, 0.5, 4.0, 0.25)
    peak: float = 2.0
    least: int = 8
    count: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise SaccadeError(f"windows take shares above 0 and up to 1, got {self.shares}")
        if not self.aspects or not all(0 < aspect < math.inf for aspect in self.aspects):
            raise SaccadeError(f"windows take aspects above 0, got {self.aspects}")
        if self.count < 1 or self.least < 1 or not self.peak >= 0:
            raise SaccadeError(
                f"windows take count and least of 1 and more and a peak of 0 and more, got {self.count}, {self.least} "
                f"and {self.peak}"
            )


@dataclass(frozen=True, slots=True)
class _Found:
    box: Box
    sharpness: float
    density: float


def windows(heat: AttentionMap, rule: WindowBoxes) -> tuple[Box, ...]:
    """The boxes to look at, the best first; none where the heat has no peak."""
    size = heat.size
    rows, cols = (max(1, round(CELLS * length / size.long)) for length in (size.height, size.width))
    drawn = np.maximum(heat.drawn(rows, cols), 0.0)
    mean = float(drawn.mean())
    if not mean > 0:
        return ()
    summed = np.zeros((rows + 1, cols + 1))
    summed[1:, 1:] = drawn.cumsum(axis=0).cumsum(axis=1)
    found = [one for width, height in _shapes(size, rule) for one in _best(summed, size, width, height, rule.count)]
    found = [one for one in found if one.density >= rule.peak * mean]
    chosen: list[_Found] = []
    for one in sorted(found, key=lambda one: -one.sharpness):
        if len(chosen) == rule.count or (chosen and one.density < chosen[0].density / 2):
            break
        if all(_shared(one.box, other.box) < SAME for other in chosen):
            chosen.append(one)
    return tuple(one.box for one in chosen)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    both = one.intersect(other)
    return 0.0 if both is None else both.area / (one.area + other.area - both.area)


def _shared(one: Box, other: Box) -> float:
    both = one.intersect(other)
    return 0.0 if both is None else both.area / min(one.area, other.area)


def around(box: Box, size: Size, margin: float, least: int = 8) -> Box:
    """``box`` widened by ``margin`` of its sides on all sides, at least ``least`` pixels a side, moved into the picture
    and cut to it.
    """
    width = min(size.width, max(box.width * (1 + 2 * margin), least))
    height = min(size.height, max(box.height * (1 + 2 * margin), least))
    x, y = box.center
    left = min(max(x - width / 2, 0.0), size.width - width)
    top = min(max(y - height / 2, 0.0), size.height - height)
    return Box(left, top, min(left + width, size.width), min(top + height, size.height))


def _shapes(size: Size, rule: WindowBoxes) -> Iterator[tuple[float, float]]:
    """Widths and heights of the windows, in pixels, each once."""
    known: set[tuple[float, float]] = set()
    for share in rule.shares:
        for aspect in rule.aspects:
            area = share**2 * size.area
            width = min(size.width, max(math.sqrt(area * aspect), area / size.height, rule.least))
            height = min(size.height, max(area / width, rule.least))
            if (width, height) not in known:
                known.add((width, height))
                yield width, height


def _best(summed: np.ndarray, size: Size, width: float, height: float, count: int) -> list[_Found]:
    """The windows of one shape with most heat that do not overlap, at most ``count``."""
    rows, cols = summed.shape[0] - 1, summed.shape[1] - 1
    wide, tall = width * cols / size.width, height * rows / size.height
    across, down = _starts(cols, wide), _starts(rows, tall)
    sums = _sums(summed, across, down, wide, tall)
    edges = np.mean(
        [
            _sums(summed, np.clip(across + x, 0, cols - wide), np.clip(down + y, 0, rows - tall), wide, tall)
            for x, y in ((-wide / 2, 0), (wide / 2, 0), (0, -tall / 2), (0, tall / 2))
        ],
        axis=0,
    )
    cells, open_ = wide * tall, np.ones(sums.shape, dtype=bool)
    found: list[_Found] = []
    while len(found) < count and open_.any():
        row, col = np.unravel_index(np.where(open_, sums, -np.inf).argmax(), sums.shape)
        left, top = across[col] * size.width / cols, down[row] * size.height / rows
        box = Box(left, top, min(left + width, size.width), min(top + height, size.height))
        total = float(sums[row, col])
        found.append(_Found(box, (total - float(edges[row, col])) / cells, total / cells))
        x, y = np.clip(wide - abs(across - across[col]), 0, None), np.clip(tall - abs(down - down[row]), 0, None)
        open_ &= y[:, None] * x < SAME * cells
    return found


def _starts(cells: int, length: float) -> np.ndarray:
    """Where a window of ``length`` may begin: every half cell, and flush at the end."""
    room = max(0.0, cells - length)
    return np.unique(np.append(np.arange(0.0, room, 0.5), room))


def _sums(summed: np.ndarray, across: np.ndarray, down: np.ndarray, wide: float, tall: float) -> np.ndarray:
    """Heat in each window: rows × cols of starts, from sums that are linear within cells."""
    rows = _between(summed, down + tall, 0) - _between(summed, down, 0)
    return _between(rows, across + wide, 1) - _between(rows, across, 1)


def _between(summed: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    low = np.clip(np.floor(places).astype(int), 0, summed.shape[axis] - 1)
    high = np.minimum(low + 1, summed.shape[axis] - 1)
    share = (places - low)[(slice(None), None) if axis == 0 else (None, slice(None))]
    return summed.take(low, axis) * (1 - share) + summed.take(high, axis) * share
