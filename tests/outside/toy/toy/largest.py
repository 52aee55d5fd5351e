"""A connector: the largest value of every block of patches, through one matrix."""

from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True)
class LargestSpec(ConnectorSpec):
    """Blocks of ``side`` × ``side`` patches; widths in channels."""

    width_in: int
    width_out: int
    side: int = 2

    def grid_out(self, grid: Grid) -> Grid:
        """How the tokens lie."""
        return Grid(grid.rows // self.side, grid.cols // self.side)

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return self.grid_out(grid).tokens

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        return count.linear(self.tokens(grid), self.width_in, self.width_out)

    @property
    def exact(self) -> bool:
        """A token carries its block's patches and no others."""
        return True

    def build(self) -> object:
        """The module."""
        from toy.largest_module import Largest

        return Largest(self)
