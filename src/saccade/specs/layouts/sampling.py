"""Which patches stand behind the places of windows and of enlarged maps: sampling as matrices, and what it reads.

Source  RoIAlign, arXiv:1703.06870, as torchvision has it; see ``windows`` and ``hiwin``.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from saccade.core.grid import Grid, Groups
from saccade.specs.layouts.window_places import places


@cache
def sampling(grid: Grid, side: int) -> tuple[np.ndarray, np.ndarray]:
    """RoIAlign of ``side`` × ``side`` equal windows as one matrix for rows and one for columns.

    A sample's weights are products of one down and one across, and so are their means over a place, since the windows
    stand in rows and columns. A matrix is (side · places) × cells; a row is nothing but zeros where a place lies
    beyond the map, which happens where windows are smaller than a cell.
    """
    shape, aspect = places(grid), grid.cols / grid.rows
    tall = math.sqrt(grid.tokens / side**2 / aspect)
    return _axis(grid.rows, tall, side, shape.rows), _axis(grid.cols, tall * aspect, side, shape.cols)


def _axis(cells: int, extent: float, side: int, places: int) -> np.ndarray:
    """One axis: edges in double precision, all that follows in single, whose rounding decides how many samples a
    place gets where a window holds a whole number of cells a place.
    """
    one = np.float32
    made = np.zeros((side * places, cells), one)
    for window in range(side):
        start, end = one(window * extent), one(window * extent + extent)
        step = max(end - start, one(1)) / one(places)
        samples = math.ceil(step)
        for place in range(places):
            row = made[window * places + place]
            for sample in range(samples):
                at = start + one(place) * step + (one(sample) + one(0.5)) * step / one(samples)
                if at <= cells:
                    low = min(int(at), cells - 1)
                    above = at - one(low) if low < cells - 1 else one(0)
                    row[low] += (one(1) - above) / one(samples)
                    row[min(low + 1, cells - 1)] += above / one(samples)
    made.flags.writeable = False
    return made


def reach(
    side: int, grid: Grid, levels: Sequence[int] = (1,), sources: Callable[[int, int], np.ndarray] | None = None
) -> Groups:
    """The patches that reach each of ``side`` × ``side`` windows, by any level: an enlarged place is made of patches
    around it, of those that ``sources(cells, level)`` says for each of ``cells`` × ``level`` places along an axis.

    A window that lies beyond the map reads nothing; it is given the patch at the edge that it lies behind.
    """
    down, across = (np.zeros((side, cells), bool) for cells in (grid.rows, grid.cols))
    for level in levels:
        fine = sampling(Grid(grid.rows * level, grid.cols * level), side)
        for part, matrix in zip((down, across), fine, strict=True):
            seen = np.asarray(matrix.reshape(side, -1, matrix.shape[1]).any(axis=1))
            part |= seen if sources is None else seen @ sources(part.shape[1], level)
    for part in (down, across):
        part[~part.any(axis=1), -1] = True
    return [np.flatnonzero(np.outer(rows, cols)) for rows in down for cols in across]


def bilinear(cells: int, level: int) -> np.ndarray:
    """Which of ``cells`` along an axis each of ``cells`` × ``level`` places is interpolated from."""
    if level == 1:
        return np.eye(cells, dtype=bool)
    return _near((np.arange(cells * level) + 0.5) / level - 0.5, (0, 1), cells)


def bilateral(cells: int, level: int, kernel: int) -> np.ndarray:
    """The same where a map is doubled again and again, by bicubic interpolation and a ``kernel`` over its result."""
    radius = kernel // 2
    made: np.ndarray = np.eye(cells, dtype=bool)
    while len(made) < cells * level:
        finer = 2 * len(made)
        enlarged = _near((np.arange(finer) + 0.5) / 2 - 0.5, (-1, 0, 1, 2), len(made)) @ made
        window = mirrored(np.arange(finer)[:, None] + np.arange(-radius, radius + 1), finer)
        made = np.asarray(enlarged[window].any(axis=1))
    return made


def mirrored(places: np.ndarray, cells: int) -> np.ndarray:
    """``places`` beyond an axis of ``cells``, thrown back at its ends as often as needed, the ends themselves once."""
    period = max(2 * (cells - 1), 1)
    back = np.mod(places, period)
    return np.where(back < cells, back, period - back)


def _near(at: np.ndarray, taps: Sequence[int], cells: int) -> np.ndarray:
    """Which cells an interpolation at fractional places takes in: those ``taps`` away from the cell below."""
    made = np.zeros((len(at), cells), bool)
    low = np.floor(at).astype(int)
    for tap in taps:
        made[np.arange(len(at)), (low + tap).clip(0, cells - 1)] = True
    return made
