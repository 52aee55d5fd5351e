"""Which patches stand together in a token, for the parts whose grouping depends on the grid alone: most of them."""

from typing import Protocol, runtime_checkable

import numpy as np

from saccade.core.grid import Grid
from saccade.core.ledger import Groups
from saccade.specs.foveal import FovealSpec
from saccade.specs.hiwin import HiwinSpec
from saccade.specs.sampling import reach
from saccade.specs.windows import WindowsSpec


@runtime_checkable
class Placing(Protocol):
    """A connector that says where its tokens lie."""

    def tokens(self, grid: Grid, /) -> int:
        """Tokens a view."""
        ...

    def grid_out(self, grid: Grid, /) -> Grid | None:
        """How they lie, None for learned queries."""
        ...


def groups_of(connector: Placing, grid: Grid) -> Groups:
    """The patches of each token of a view: those under its place, those that its window reaches, or all."""
    if isinstance(connector, WindowsSpec | HiwinSpec):
        return reach(connector, grid)
    if isinstance(connector, FovealSpec):
        return connector.cells(grid).groups  # looking at the middle
    out = connector.grid_out(grid)
    if out is None:
        return everything(grid.tokens, connector.tokens(grid))
    if out == grid:
        return identity(connector.tokens(grid))  # a kept class token stands in front
    return blocks(grid, out.rows, out.cols)


def identity(tokens: int) -> Groups:
    """One token a patch."""
    return list(np.arange(tokens).reshape(-1, 1))


def everything(tokens: int, queries: int) -> Groups:
    """Learned queries: each has looked at all patches."""
    return [np.arange(tokens)] * queries


def blocks(grid: Grid, rows: int, cols: int) -> Groups:
    """The patches under each place of a coarser ``rows`` × ``cols`` grid, in row order.

    Bounds are those of adaptive pooling: from the floor of the lower to the ceiling of the upper
    edge, so that places share patches where the grids do not divide.
    """
    index = np.arange(grid.tokens).reshape(grid.rows, grid.cols)

    def edges(size: int, parts: int) -> list[slice]:
        return [slice(part * size // parts, -(-(part + 1) * size // parts)) for part in range(parts)]

    return [index[down, across].ravel() for down in edges(grid.rows, rows) for across in edges(grid.cols, cols)]
