"""Hiwin: windows of an inverse pyramid, condensed by several sets of queries that share their attention.

Law     tokens = queries (12 × 12) a view, whatever the view; a query reads 6 to 12 places of every level, 1×, 2×, 4× …
        the tower's map, and the sets' answers are joined channel by channel to one token.
Used by LLaVA-UHD v2 (levels 1, 2 and 4 in the paper, 1 and 4 in the released runs; four sets).
Loses   detail finer than a window's few places; finer levels are paid for in FLOPs, not in tokens.
Source  LLaVA-UHD v2, arXiv:2412.13871 and its code. The pyramid is FeatUp's joint bilateral one (arXiv:2403.10516),
        whose kernels are made of the view's own pixels; the paper's ablation has the bilinear one, which costs nothing,
        1 point behind it. As published, resampling windows, the kernels' softmax and enlarging count no FLOPs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.plan import Cost
from saccade.specs.connectors.windows import alive, bound, check, resampled
from saccade.specs.laws import count
from saccade.specs.layouts.window_places import places
from saccade.specs.parts import ConnectorSpec

LEVELS = (1, 2, 4, 8)
"""Enlargements that the published weights have matrices for, in the order of the bits of ``feature_scale_mask``."""
TILE = 8
"""Side of the tiles in which kernels are applied: each takes in its border once, and is one product of matrices."""


def levels_of(mask: int) -> tuple[int, ...]:
    """The levels that ``feature_scale_mask`` names. Raises SaccadeError where it names none, or others."""
    if not 0 < mask < 16:
        raise SaccadeError(f"feature_scale_mask has bits for levels 1, 2, 4 and 8 and names at least one, got {mask}")
    return tuple(level for bit, level in enumerate(LEVELS) if mask >> bit & 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class HiwinSpec(ConnectorSpec):
    """``sets`` × ``queries`` queries of ``width_out`` channels over the ``levels`` of a map of ``width_in``.

    ``pyramid`` says how maps are enlarged; "bilateral" ones by kernels ``kernel`` × ``kernel``, made of ``keys``
    channels of the pixels. ``lean`` is as in ``WindowsSpec``, for weights too: as published, those are held that the
    published checkpoint holds, of levels that are not read, and a fifth table of queries and a matrix that nothing
    reads.
    """

    width_in: int
    width_out: int
    heads: int
    levels: tuple[int, ...] = (1, 2, 4)
    queries: int = 144
    sets: int = 4
    pyramid: Literal["bilateral", "bilinear"] = "bilateral"
    kernel: int = 7
    keys: int = 32
    lean: bool = True

    def __post_init__(self) -> None:
        check("hiwin", self.queries, self.width_out, self.heads)
        if not self.levels or tuple(sorted(set(self.levels) & set(LEVELS))) != self.levels:
            raise SaccadeError(f"hiwin: levels are some of {LEVELS} in this order, got {self.levels}")
        if self.pyramid == "bilateral" and max(self.levels) > 4:
            raise SaccadeError(
                f"hiwin: a bilateral pyramid has levels up to 4, got {self.levels}; the published code builds one of 8 "
                'but never runs it: leave level 8 out, or take pyramid "bilinear"'
            )
        if self.kernel < 3 or self.kernel % 2 == 0 or min(self.sets, self.keys) < 1:
            raise SaccadeError(
                f"hiwin: a kernel has an odd side of 3 or more, sets and keys are 1 or more; got {self.kernel}, "
                f"{self.sets} and {self.keys}"
            )

    @property
    def side(self) -> int:
        """Windows a side."""
        return isqrt(self.queries)

    @property
    def steps(self) -> int:
        """How often the map is doubled."""
        return max(self.levels).bit_length() - 1

    @property
    def reads_pixels(self) -> bool:
        """Whether the view's pixels are needed beside its patches."""
        return self.pyramid == "bilateral" and self.steps > 0

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries

    def groups(self, grid: Grid) -> Groups:
        """The patches that reach each query's window by any level."""
        from saccade.specs.layouts import sampling  # NumPy, which planning does without

        def sources(cells: int, level: int) -> Any:  # noqa: ANN401 (an array)
            if self.pyramid == "bilinear":
                return sampling.bilinear(cells, level)
            return sampling.bilateral(cells, level, self.kernel)

        return sampling.reach(self.side, grid, self.levels, sources)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        width, asked = self.width_out, self.sets * self.queries
        maps = [Grid(grid.rows * level, grid.cols * level) for level in self.levels]
        levels = count.total(*(count.linear(finer.tokens, self.width_in, width) for finer in maps))
        held = asked * width + len(self.levels) * width + 8 * width
        if not self.lean:
            unread = len(LEVELS) - len(self.levels)
            held += 2 * self.queries * width + self.width_in * width + unread * (self.width_in * width + 2 * width)
        return count.total(
            self.enlarging(grid),
            levels,
            self._read(maps, asked),
            count.linear(self.queries, self.sets * width, width),
            count.linear(self.queries, width, width, bias=False),
            count.weights(held),
        )

    def _read(self, maps: Sequence[Grid], asked: int) -> Cost:
        """Resampling and attention."""
        width, keys = self.width_out, places(maps[0]).tokens * len(maps)
        if self.lean:
            windows = count.total(*(resampled(finer, self.side, width) for finer in maps))
            return windows + bound(self.queries, self.sets, self.heads, keys, width)
        every = asked * keys
        return count.total(
            *(count.linear(tokens, width, width) for tokens in (asked, every, every, asked)),
            count.attention(every, 1, width),
        )

    def enlarging(self, grid: Grid) -> Cost:
        """The pyramid from the tower's map up to its finest level that is read."""
        if not self.reads_pixels:
            return Cost()
        cost = count.linear(grid.tokens * 4**self.steps, self.width_in, self.width_in)
        for step in range(1, self.steps + 1):
            cost += self._doubling(Grid(grid.rows * 2**step, grid.cols * 2**step))
        return cost

    def _doubling(self, finer: Grid) -> Cost:
        """One step, up to a map of ``finer`` cells."""
        taps, cells = self.kernel**2, finer.tokens
        rows, cols, wide = tiled(finer.rows), tiled(finer.cols), TILE + self.kernel - 1
        tiles = rows * cols // TILE**2
        made = tiles * TILE**2 if self.lean else cells
        border = self.kernel - 1
        resized = 2 * (rows + border) * finer.cols // 2 * (finer.rows // 2 + cols + border) * self.width_in
        products = 2 * made * (wide**2 if self.lean else taps) * (self.keys + self.width_in)
        return count.total(
            count.linear(cells, 3, self.keys),
            count.linear(cells, self.keys, self.keys),
            count.linear(made, taps + 3, taps),
            count.linear(made, taps, taps),
            Cost(products + (resized if self.lean else 0)),
            count.weights(2),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment, view by view up to the windows: the last doubling's tiles, the finest level
        before and after its norm, or the attention. As published: the finest level before and after its matrix.
        """
        del eager
        finest = max(self.levels) ** 2
        cells = sum(grid.tokens for grid in grids)
        if not self.lean:
            return cells * finest * (self.kernel**2 + self.width_in + self.width_out) * number
        keys = [places(grid).tokens * len(self.levels) for grid in grids]
        windows = self.queries * sum(keys) * self.width_out
        each = max((self._alive(grid) for grid in grids), default=0)
        before = windows - self.queries * max(keys, default=0) * self.width_out
        read = alive(len(grids), self.queries, self.sets, self.heads, max(keys, default=0), self.width_out)
        return (cells * self.width_in + max(before + each, 2 * windows, read)) * number

    def _alive(self, grid: Grid) -> int:
        """Numbers held while one view's levels are made and projected."""
        maps = sum(grid.tokens * level**2 for level in LEVELS if 1 < level <= max(self.levels)) * self.width_in
        projected = maps + 2 * grid.tokens * max(self.levels) ** 2 * self.width_out
        if not self.reads_pixels:
            return projected
        rows, cols = (tiled(cells * 2**self.steps) for cells in (grid.rows, grid.cols))
        border, wide = self.kernel - 1, TILE + self.kernel - 1
        tile = (wide**2 + TILE**2) * self.width_in + TILE**2 * (wide**2 + self.kernel**2)
        larger = (rows + border) * (cols + border) * self.width_in
        held = maps - grid.tokens * 4**self.steps * self.width_in
        return max(projected, rows * cols // TILE**2 * tile + larger + held)


def tiled(cells: int) -> int:
    """``cells`` along an axis, and as many more as fill the last tile."""
    return -(-cells // TILE) * TILE
