"""Windows: learned queries that each read their own window of the map by one cross-attention layer.

Law     tokens = queries, a square number (12 × 12), whatever the view; a query reads the 6 to 12 places that its window
        is resampled to. The windows tile the map.
Used by LLaVA-UHD 144 (its "spatially constrained" resampler); LLaVA-UHD v2 reads windows of a pyramid, ``hiwin``.
Loses   detail finer than a window's few places, and whatever lies outside a query's window; what a query takes from
        its window is known by attention only.
Source  LLaVA-UHD's ECCV-24 code. Windows are resampled by RoIAlign (arXiv:1703.06870) as torchvision has it with its
        own defaults: places not shifted by half a cell, as many samples a place as cells lie under it, sides of at
        least one cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.layouts.window_places import places
from saccade.specs.parts import ConnectorSpec

AT_ONCE = 16
"""Windows that a CPU reads in one step: what its heads have seen of more leaves the caches."""


def check(part: str, queries: int, width: int, heads: int) -> None:
    """Raises SaccadeError for queries that form no square, and for heads that do not divide the width."""
    root = isqrt(max(queries, 0))
    if queries < 1 or root**2 != queries:
        raise SaccadeError(
            f"{part}: queries stand on a square grid, got {queries}; take {max(1, root) ** 2} or {(root + 1) ** 2}"
        )
    if heads < 1 or width % heads or width % 4:
        raise SaccadeError(f"{part}: width {width} must be a multiple of 4 and of the {heads} heads")


def resampled(grid: Grid, side: int, width: int) -> Cost:
    """The two matrices of ``sampling`` over one map, and over the table of positions, ``side`` × ``side``."""
    shape = places(grid)
    down, across = side * shape.rows, side * shape.cols
    return Cost(2 * width * down * (grid.cols * (grid.rows + across) + side * (side + across)))


def bound(queries: int, sets: int, heads: int, keys: int, width: int) -> Cost:
    """Attention of ``sets`` × ``queries`` queries to ``keys`` keys each, its four matrices with it, folded.

    Scores are q (W x) = (q W) x, and a sum of values is W (softmax · x) + b: so key and value matrices are applied to
    queries, heads apart, instead of to every place of every window. Keys are values and positions, whose scores are
    added up: positions are the same for all views.
    """
    asked = sets * queries
    square = count.linear(asked, width, width)
    return count.total(square, square, square, square, Cost(6 * asked * heads * keys * width))


def alive(views: int, queries: int, sets: int, heads: int, keys: int, width: int) -> int:
    """Numbers that ``bound`` holds at its worst moment on a CPU, the windows' values with it.

    Folded queries once before and once behind a change of axes; or scores before, with and behind softmax; or what a
    few windows have seen, as it was made and laid out for the values' matrix.
    """
    rows = sets * heads
    folded, scores = queries * rows * width, queries * rows * keys
    asked = max(
        (2 if sets > 1 else 1) * folded,
        folded + (1 + 3 * views) * scores,
        folded + (1 + views) * scores + 3 * AT_ONCE * rows * width,
    )
    return (views + 1) * queries * keys * width + asked


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowsSpec(ConnectorSpec):
    """``queries``, a square number, of ``width_out`` channels over a map of ``width_in``.

    ``lean`` does less for the same numbers: key and value matrices folded into the queries (``bound``), positions
    resampled once for all views, from their own table, and not held as weights. Without it runs, and is counted, what
    the published code runs.
    """

    width_in: int
    width_out: int
    heads: int
    queries: int = 144
    lean: bool = True

    def __post_init__(self) -> None:
        check("windows", self.queries, self.width_out, self.heads)

    @property
    def side(self) -> int:
        """Windows a side."""
        return isqrt(self.queries)

    @property
    def levels(self) -> tuple[int, ...]:
        """The map as it is."""
        return (1,)

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries

    def groups(self, grid: Grid) -> Groups:
        """The patches that each query's window reaches."""
        from saccade.specs.layouts.sampling import reach  # NumPy, which planning does without

        return reach(self.side, grid)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        width, keys = self.width_out, places(grid).tokens
        held = (1 if self.lean else 2) * self.queries * width + 6 * width
        return count.total(
            count.linear(grid.tokens, self.width_in, width, bias=False),
            self._read(grid, keys),
            count.linear(self.queries, width, width, bias=False),
            count.weights(held),
        )

    def _read(self, grid: Grid, keys: int) -> Cost:
        width = self.width_out
        if self.lean:
            windows = resampled(grid, self.side, width)
            return windows + bound(self.queries, 1, self.heads, keys, width)
        every = self.queries * keys
        return count.total(
            *(count.linear(tokens, width, width) for tokens in (self.queries, every, every, self.queries)),
            count.attention(every, 1, width),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the map beside its windows, twice while they are laid out; or the attention.

        As published: windows' keys and values before and after their matrices.
        """
        del eager
        width = self.width_out
        windows = sum(self.queries * places(grid).tokens for grid in grids) * width
        if not self.lean:
            return 4 * windows * number
        cells, keys = sum(grid.tokens for grid in grids), max((places(grid).tokens for grid in grids), default=0)
        read = alive(len(grids), self.queries, 1, self.heads, keys, width)
        return (cells * self.width_in + max(cells * width + 2 * windows, read)) * number
