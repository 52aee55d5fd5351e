"""Which patches stand together in a token, for the parts whose grouping depends on the grid alone: most of them."""

import numpy as np

from saccade.core.grid import Grid, Groups


def by_place(grid: Grid, tokens: int, out: Grid | None) -> Groups:
    """The patches of each of ``tokens`` that lie as ``out``: those under its place, or all where it has none."""
    if out is None:
        return everything(grid.tokens, tokens)
    if out == grid:
        return identity(tokens)  # a kept class token stands in front
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
