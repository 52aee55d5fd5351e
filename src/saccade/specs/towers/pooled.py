"""One vector a view: the class token's or the mean's, through a matrix.

Law     the patches stay what they are; one vector beside them is projected.
Used by CLIP, ALIGN (whose mean is not projected).
Loses   where in the picture anything is.
Source  CLIP, arXiv:2103.00020; ALIGN, arXiv:2102.05918.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count


@dataclass(frozen=True, kw_only=True, slots=True)
class PooledSpec:
    """From ``width_in`` to ``width_out`` channels, 0 for no matrix; ``held`` counts weights beside it."""

    width_in: int
    width_out: int
    held: int = 0

    def tokens(self, grid: Grid) -> int:
        """The patches, which are what other systems read."""
        return grid.tokens

    def grid_out(self, grid: Grid) -> Grid:
        """Every patch keeps its place."""
        return grid

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        del grid
        return count.linear(1, self.width_in, self.width_out, bias=False) + count.weights(self.held)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment."""
        del eager
        return len(grids) * (self.width_in + self.width_out) * number
