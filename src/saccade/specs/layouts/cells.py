"""Cells: which patches of a map stand together when it is seen sharply around a few fixations and coarsely elsewhere.

Law     cells tile the map: each patch is in one. ``square`` and ``polar`` cells are fewer where the fixation is near an
        edge; ``budget`` cells are as many for every fixation.
Used by foveated readers; FoveaTer's "square" and "radial-polar" pooling regions grow with eccentricity alike.
Loses   what differs inside a cell: detail away from every fixation.
Source  FoveaTer, arXiv:2105.14173, for the two shapes; sizes, radii and the budget are this project's. A ring's width
        follows cortical magnification, whose inverse grows with eccentricity.

A fixation is the number of a patch, in row order. Of several, the nearest counts.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups

Fixations = tuple[int, ...]
KEPT = 8192
"""Maps with their cells that stay in memory, a rule's: all fixations of a 64 × 64 map, twice."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The cell of each patch, as its number; cells are numbered in the order of their first patch."""

    owner: np.ndarray

    @cached_property
    def sizes(self) -> np.ndarray:
        """Patches of each cell."""
        return np.bincount(self.owner)

    @property
    def groups(self) -> Groups:
        """The patches of each cell."""
        return np.split(self.order, np.cumsum(self.sizes)[:-1])

    @cached_property
    def order(self) -> np.ndarray:
        """Patches in the order of their cells."""
        return np.argsort(self.owner, kind="stable")

    def __len__(self) -> int:
        return len(self.sizes)


def centre(grid: Grid) -> int:
    """The patch in the middle, the lower right one of four."""
    return grid.rows // 2 * grid.cols + grid.cols // 2


def square_cells(grid: Grid, fixations: Fixations, radii: tuple[int, ...], root: int) -> Cells:
    """Squares of side ``root``, halved where near: one of side s is cut if its gap is below ``radii[log2(s/2)]``.

    So ``radii`` begin with that of the finest cells. The gap is the Chebyshev distance from the fixation to the square,
    0 inside. Squares stand where multiples of their side do; the map's edge cuts what reaches over it.
    """
    return _square(grid, _known(grid, fixations), radii, root)


def budget_cells(grid: Grid, fixations: Fixations, tokens: int, root: int) -> Cells:
    """Exactly ``tokens`` squares: all of side ``root``, of which the one that is nearest for its size is cut in four,
    again and again.

    Nearest for its size: the least gap over side, among equals the first in row order, the larger first. A square's
    quarters are never nearer for their size than itself, so this is one sort and the first of it.
    """
    splits, rest = divmod(tokens - _roots(grid, tokens, root), 3)
    assert not rest
    return _budget(grid, _known(grid, fixations), splits, root)


def polar_cells(grid: Grid, fixations: Fixations, radius: float, growth: float, wedges: int) -> Cells:
    """A patch within ``radius`` by itself; beyond it, those of one ring and one of ``wedges`` directions together.

    Rings are ``growth`` times as far out as the one before. Rings and wedges without a patch do not count.
    """
    if radius <= 0 or growth <= 1 or wedges < 1:
        raise SaccadeError(
            f"polar cells need a radius above 0, a growth above 1 and 1 wedge or more, got {radius}, {growth}, {wedges}"
        )
    return _polar(grid, _known(grid, fixations), radius, growth, wedges)


@dataclass(frozen=True, kw_only=True, slots=True)
class SquareRule:
    """See ``square_cells``."""

    radii: tuple[int, ...]
    root: int

    def __post_init__(self) -> None:
        levels = _levels(self.root)
        if len(self.radii) != len(levels):
            raise SaccadeError(
                f"square cells from side {self.root} to 1 need {len(levels)} radii, the finest's first, got "
                f"{list(self.radii)}; take a root of {2 ** len(self.radii)}, or {len(levels)} radii"
            )

    def cells(self, grid: Grid, fixations: Fixations) -> Cells:
        """Around these."""
        return square_cells(grid, fixations, self.radii, self.root)


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetRule:
    """See ``budget_cells``."""

    tokens: int
    root: int = 4

    def __post_init__(self) -> None:
        _levels(self.root)

    def cells(self, grid: Grid, fixations: Fixations) -> Cells:
        """Around these."""
        return budget_cells(grid, fixations, self.tokens, self.root)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolarRule:
    """See ``polar_cells``."""

    radius: float
    growth: float
    wedges: int

    def cells(self, grid: Grid, fixations: Fixations) -> Cells:
        """Around these."""
        return polar_cells(grid, fixations, self.radius, self.growth, self.wedges)


@dataclass(frozen=True, kw_only=True, slots=True)
class UniformRule:
    """``rows`` × ``cols`` equal cells, wherever is looked: what foveation has to beat."""

    rows: int
    cols: int

    def cells(self, grid: Grid, fixations: Fixations) -> Cells:
        """The same around all. Raises SaccadeError where the map has fewer patches a side."""
        if not 1 <= self.rows <= grid.rows or not 1 <= self.cols <= grid.cols:
            raise SaccadeError(
                f"a {grid} map has no {self.rows}×{self.cols} cells; ask for 1 or more a side, up to the map's"
            )
        _known(grid, fixations)
        return _uniform(grid, self.rows, self.cols)


Rule = SquareRule | BudgetRule | PolarRule | UniformRule


def _levels(root: int) -> list[int]:
    """Sides that can be halved, from ``root`` down. Raises SaccadeError where it is no power of two."""
    if root < 1 or root & (root - 1):
        raise SaccadeError(f"cells are halved down to one patch, so their root is a power of two, got {root}; take 4")
    return [root >> step for step in range(root.bit_length() - 1)]


def _known(grid: Grid, fixations: Fixations) -> Fixations:
    """In order, each once, so that equal sets share what is kept. Raises SaccadeError for what is not on the map."""
    known = tuple(sorted(set(fixations)))
    if not known:
        raise SaccadeError(f"cells need a fixation; the middle of a {grid} map is patch {centre(grid)}")
    if not 0 <= known[0] <= known[-1] < grid.tokens:
        wrong = known[0] if known[0] < 0 else known[-1]
        raise SaccadeError(f"a {grid} map has patches 0 to {grid.tokens - 1} to fixate, got {wrong}")
    return known


def _roots(grid: Grid, tokens: int, root: int) -> int:
    """Cells before any is cut. Raises SaccadeError where no number of cuts leads to ``tokens``."""
    _levels(root)
    if grid.rows % root or grid.cols % root:
        raise SaccadeError(
            f"a budget of cells is kept where whole cells tile the map, cells of {root} do not tile {grid}; take a "
            f"root of {math.gcd(grid.rows, grid.cols, root)}, or square cells"
        )
    roots = grid.tokens // root**2
    low = min(max(tokens - (tokens - roots) % 3, roots), grid.tokens)
    if tokens != low:
        near = f"{low} or {low + 3}" if roots < tokens < grid.tokens else f"{low}"
        raise SaccadeError(
            f"a {grid} map has {roots} cells of {root}, each cut adds 3, up to {grid.tokens}: {tokens} cannot be had; "
            f"take {near}"
        )
    return roots


def _gaps(grid: Grid, fixations: Fixations, side: int) -> np.ndarray:
    """Chebyshev distance from each square of ``side`` to the nearest fixation."""
    places = (divmod(fixation, grid.cols) for fixation in fixations)
    gaps = [np.maximum(_away(grid.rows, side, row)[:, None], _away(grid.cols, side, col)) for row, col in places]
    return np.min(gaps, axis=0)


def _away(length: int, side: int, at: int) -> np.ndarray:
    """Distance from a place on a line to each stretch of ``side``, of which the last may be cut short."""
    first = np.arange(0, length, side)
    last = np.minimum(first + side, length) - 1
    return np.maximum(np.maximum(first - at, at - last), 0)


def _tiled(grid: Grid, root: int, cut: dict[int, np.ndarray]) -> Cells:
    """Squares of ``root`` after those of each side are cut that ``cut`` names, from the largest down."""
    rows, cols = np.arange(grid.rows)[:, None], np.arange(grid.cols)
    side = np.full((grid.rows, grid.cols), root)
    for level in _levels(root):
        side[(side == level) & cut[level][rows // level, cols // level]] = level // 2
    corner = rows // side * side * grid.cols + cols // side * side
    return _numbered(corner.ravel())


def _numbered(labels: np.ndarray) -> Cells:
    """Equal labels are one cell; read-only, since it is kept."""
    _, first, owner = np.unique(labels, return_index=True, return_inverse=True)
    owner = np.argsort(np.argsort(first))[owner]
    owner.flags.writeable = False
    return Cells(owner)


@lru_cache(KEPT)
def _square(grid: Grid, fixations: Fixations, radii: tuple[int, ...], root: int) -> Cells:
    levels = _levels(root)
    pairs = zip(levels, reversed(radii), strict=True)
    return _tiled(grid, root, {side: _gaps(grid, fixations, side) < radius for side, radius in pairs})


@lru_cache(KEPT)
def _budget(grid: Grid, fixations: Fixations, splits: int, root: int) -> Cells:
    levels, patch = _levels(root), np.arange(grid.tokens).reshape(grid.rows, grid.cols)
    near = [(_gaps(grid, fixations, side) * (root // side)).ravel() for side in levels]
    corner = [patch[::side, ::side].ravel() for side in levels]
    sides = np.repeat(levels, [len(one) for one in corner])
    chosen = np.zeros(len(sides), dtype=bool)
    if levels:
        chosen[np.lexsort((-sides, np.concatenate(corner), np.concatenate(near)))[:splits]] = True
    cut = {side: chosen[sides == side].reshape(grid.rows // side, -1) for side in levels}
    return _tiled(grid, root, cut)


@lru_cache(KEPT)
def _uniform(grid: Grid, rows: int, cols: int) -> Cells:
    down, right = np.arange(grid.rows) * rows // grid.rows, np.arange(grid.cols) * cols // grid.cols
    return _numbered((down[:, None] * cols + right).ravel())


@lru_cache(KEPT)
def _polar(grid: Grid, fixations: Fixations, radius: float, growth: float, wedges: int) -> Cells:
    rows, cols = np.divmod(np.arange(grid.tokens), grid.cols)
    at = np.asarray(fixations)[:, None]
    down, right = rows - at // grid.cols, cols - at % grid.cols
    away = np.hypot(down, right)
    nearest, each = away.argmin(axis=0), np.arange(grid.tokens)
    away, angle = away[nearest, each], np.arctan2(down, right)[nearest, each]
    ring = np.floor(np.log(np.maximum(away, radius) / radius) / math.log(growth)).astype(np.int64)
    wedge = np.floor((angle + math.pi) / (2 * math.pi) * wedges).astype(np.int64) % wedges
    region = grid.tokens + (nearest * (1 + ring.max()) + ring) * wedges + wedge
    return _numbered(np.where(away <= radius, each, region))
