"""LLaVA-UHD slices: cut the picture into near-square cells, add an overview.

Law     the ideal count is N = ⌈width · height / side²⌉ up to ``max_slices``; of all grids with N−1, N or N+1 cells the
        one nearest in log-aspect to the picture is cut. Views: slices in row order, overview last. Every view holds
        about side² pixels in its own aspect, both sides multiples of ``patch``.
Used by LLaVA-UHD (64 queries: the paper's rule; 144 queries: the rule of the ECCV code), LLaVA-UHD v2 (as ECCV).
Loses   detail beyond ``max_slices`` · side² pixels; shapes change a little as sides round down to patches.
Source  arXiv:2403.11703 §3.1; ties, rounding and the cap settled by the released ECCV-24 code.

Mirrored grids (3×2 and 2×3 for a square) tie in exact arithmetic and differ in the last bit of the logarithm. The
comparison is kept in floating point in the code's form, since that bit decides which grid the released model saw.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.parts import ViewsSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class ArxivSliceSpec(ViewsSpec):
    """The paper's rule: ``side`` (of the tower's training square) and ``patch`` in pixels, a cap on slices.

    Small pictures are cut too when two cells fit their shape better than one; a 1×1 grid means no slices. What the
    paper leaves open and is assumed here: no grid has more than ``max_slices`` cells; ties go to the smaller count,
    then as in the ECCV code; a slice and the overview are each scaled, up or down, until their pixels are about
    side², sides rounded down to patches (no zero patches are added); the cells tile the picture exactly.
    """

    side: int
    patch: int
    max_slices: int = 6

    def __post_init__(self) -> None:
        _check(self.side, self.patch, self.max_slices)

    def layout(self, picture: Size) -> Layout:
        """Slices in row order and the overview, or the overview alone."""
        ideal = ideal_slices(picture, self.side, self.max_slices)
        counts = [count for count in (ideal - 1, ideal, ideal + 1) if 1 <= count <= self.max_slices]
        grid = nearest_grid(picture, counts)
        cell = (picture.width / grid.cols, picture.height / grid.rows)
        overview = fit(picture.width, picture.height, self.side, self.patch)
        if grid.tokens == 1:
            why = f"the {picture} picture asks for {ideal} of {counts} slices; one cell fits best: overview {overview}"
            return _layout(picture, None, overview, overview, why)
        size = fit(*cell, self.side, self.patch)
        return _layout(picture, grid, size, overview, _why(picture, ideal, counts, grid, size, overview))


@dataclass(frozen=True, kw_only=True, slots=True)
class EccvSliceSpec(ViewsSpec):
    """The rule of the released ECCV-24 code: ``side`` and ``patch`` in pixels, a cap on slices.

    A picture of at most side² pixels is not cut, only scaled up. A 1×1 grid is never tried. The code would not scale
    the overview of a cut picture up, but such a picture always has more than side² pixels.
    """

    side: int
    patch: int
    max_slices: int = 7

    def __post_init__(self) -> None:
        _check(self.side, self.patch, self.max_slices)

    def layout(self, picture: Size) -> Layout:
        """Slices in row order and the overview, or the overview alone."""
        ideal = ideal_slices(picture, self.side, self.max_slices)
        overview = fit(picture.width, picture.height, self.side, self.patch)
        if ideal == 1:
            limit = f"1 of at most {self.max_slices} slices of {self.side}² pixels"
            why = f"the {picture} picture asks for {limit}, so it stays whole: {overview}"
            return _layout(picture, None, overview, overview, why)
        counts = [count for count in (ideal - 1, ideal, ideal + 1) if 1 < count <= self.max_slices]
        grid = nearest_grid(picture, counts)
        # The slice's shape comes from sides floored to the grid; its pixels come from the whole picture.
        cell = (max(picture.width // grid.cols, 1), max(picture.height // grid.rows, 1))
        size = fit(*cell, self.side, self.patch)
        return _layout(picture, grid, size, overview, _why(picture, ideal, counts, grid, size, overview))


def ideal_slices(picture: Size, side: int, cap: int) -> int:
    """How many squares of ``side`` pixels hold the picture's pixels, rounded up, at most ``cap``."""
    return min(-(-picture.area // side**2), cap)


def nearest_grid(picture: Size, counts: Iterable[int]) -> Grid:
    """The grid with one of ``counts`` cells whose log-aspect is nearest to the picture's; the first of equals."""
    grids = [Grid(count // cols, cols) for count in counts for cols in range(1, count + 1) if count % cols == 0]
    return min(grids, key=lambda grid: abs(math.log(picture.aspect) - math.log(grid.cols / grid.rows)))


def fit(width: float, height: float, side: int, patch: int) -> Size:
    """The size with the aspect given and about side² pixels, each side rounded down to ``patch``, at least one.

    Only a shape so thin that its short side is lifted to one patch exceeds side² pixels.
    """
    aspect = width / height
    tall = int(side / math.sqrt(aspect))
    wide = int(tall * aspect)
    return Size(max(wide // patch * patch, patch), max(tall // patch * patch, patch))


def cut(picture: Size, grid: Grid, size: Size) -> tuple[View, ...]:
    """The cells of ``grid`` as slices of ``size`` in row order; they tile the picture exactly."""
    across = [col * picture.width / grid.cols for col in range(grid.cols + 1)]
    down = [row * picture.height / grid.rows for row in range(grid.rows + 1)]
    return tuple(
        View(Box(across[col], down[row], across[col + 1], down[row + 1]), size, "slice", row, col)
        for row in range(grid.rows)
        for col in range(grid.cols)
    )


def _layout(picture: Size, grid: Grid | None, size: Size, overview: Size, why: str) -> Layout:
    slices = () if grid is None else cut(picture, grid, size)
    return Layout(picture, (*slices, View(Box.of(picture), overview)), grid, why)


def _why(picture: Size, ideal: int, counts: list[int], grid: Grid, size: Size, overview: Size) -> str:
    return (
        f"the {picture} picture asks for {ideal} slices; of all grids with {', '.join(map(str, counts))} cells, "
        f"{grid.cols} across and {grid.rows} down is nearest to its shape: "
        f"{grid.tokens} slices of {size}, then an overview of {overview}"
    )


def _check(side: int, patch: int, max_slices: int) -> None:
    if not 1 <= patch <= side:
        raise SaccadeError(f"slices need 1 ≤ patch ≤ side, got patch {patch} and side {side} px; 14 and 336 are usual")
    if max_slices < 1:
        raise SaccadeError(f"max_slices must be at least 1 (the overview alone), got {max_slices}")
