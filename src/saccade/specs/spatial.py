"""Queries that each read their own window of the map: LLaVA-UHD's spatially constrained resampler, and v2's pyramid.

Law     tokens = queries (12 × 12) a view; a query reads the 6 to 12 places that its window is resampled to, in v2 of
        every level of an inverse pyramid (1×, 2×, 4× … of the tower's map), by four query sets that share attention.
Used by LLaVA-UHD 144 (``SpatialSpec``), LLaVA-UHD v2 (``PyramidSpec``).
Loses   detail finer than a window's few places; v2 reads finer levels and pays for them in FLOPs, not in tokens.
Source  LLaVA-UHD, ECCV-24 code; LLaVA-UHD v2, arXiv:2412.13871 and its code. Resampling windows (RoIAlign), the
        kernels' softmax and bicubic enlargement count no FLOPs; matrices, 1 × 1 convolutions and kernel sums do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs import count

SHAPES = ((4, 2), (3, 2), (4, 3), (3, 3), (2, 4), (2, 3), (3, 4))
"""Width and height of the places in a window, of which the nearest in shape to the map's is taken."""


def places(grid: Grid) -> int:
    """How many places a window of this map is resampled to."""
    aspect = math.log(grid.cols / grid.rows)
    wide, tall = min(SHAPES, key=lambda shape: abs(aspect - math.log(shape[0] / shape[1])))
    return wide * tall


@dataclass(frozen=True, kw_only=True, slots=True)
class SpatialSpec:
    """``queries`` of ``width_out`` channels over a map of ``width_in``."""

    width_in: int
    width_out: int
    queries: int = 144

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries

    def grid_out(self, grid: Grid) -> None:
        """A learned query has no place."""
        del grid

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        width, keys = self.width_out, self.queries * places(grid)
        return count.total(
            count.linear(grid.tokens, self.width_in, width, bias=False),
            *(count.linear(tokens, width, width) for tokens in (self.queries, keys, keys, self.queries)),
            count.attention(keys, 1, width),
            count.linear(self.queries, width, width, bias=False),
            count.weights(2 * self.queries * width + 6 * width),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: windows' keys and values before and after their matrices."""
        del eager
        return sum(self.queries * places(grid) for grid in grids) * 4 * self.width_out * number


@dataclass(frozen=True, kw_only=True, slots=True)
class PyramidSpec:
    """``levels`` are the enlargements that are read (1, 2, 4, 8); ``kernel`` is the side of the enlarging kernels.

    Weights of levels that are not read are held all the same, as in the published checkpoint.
    """

    width_in: int
    width_out: int
    levels: tuple[int, ...] = (1, 2, 4)
    queries: int = 144
    sets: int = 4
    kernel: int = 7
    keys: int = 32

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries

    def grid_out(self, grid: Grid) -> None:
        """A learned query has no place."""
        del grid

    def _enlarge(self, grid: Grid) -> Cost:
        """The pyramid from the tower's map up to its finest level that is read."""
        taps, cost, steps = self.kernel**2, Cost(), int(math.log2(max(self.levels)))
        for step in range(1, steps + 1):
            cells = grid.tokens * 4**step
            cost += count.total(
                count.linear(cells, 3, self.keys),
                count.linear(cells, self.keys, self.keys),
                count.linear(cells, taps + 3, taps),
                count.linear(cells, taps, taps),
                Cost(2 * cells * taps * (self.keys + self.width_in)),
                count.weights(2),
            )
        if steps:
            cost += count.linear(grid.tokens * 4**steps, self.width_in, self.width_in)
        return cost

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        width = self.width_out
        keys = len(self.levels) * self.queries * places(grid)
        asked = self.sets * self.queries
        levels = count.total(*(count.linear(grid.tokens * side**2, self.width_in, width) for side in self.levels))
        all_levels = 4 * (self.width_in * width + width)
        # Queries in five tables (one unused), positions, level embeddings, an unused matrix, four norms.
        tables = (self.sets + 2) * self.queries * width + 4 * width + self.width_in * width + 8 * width
        return count.total(
            self._enlarge(grid),
            Cost(levels.flops, all_levels),
            *(count.linear(tokens, width, width) for tokens in (asked, self.sets * keys, self.sets * keys, asked)),
            count.attention(self.sets * keys, 1, width),
            count.linear(self.queries, self.sets * width, width),
            count.linear(self.queries, width, width, bias=False),
            count.weights(tables),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the finest level before and after its matrix."""
        del eager
        finest = max(self.levels) ** 2
        return sum(grid.tokens for grid in grids) * finest * (self.kernel**2 + self.width_in + self.width_out) * number
