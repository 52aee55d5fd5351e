"""Average pool: the mean of the patches under each place of a fixed grid, then LLaVA's MLP.

Law     tokens = rows × cols, whatever the view (fewer patches than places are refused).
Used by DeCo and many video readers; the plainest way to fewer tokens.
Loses   what differs inside a place: print smaller than the place fades into its mean.
Source  DeCo, arXiv:2405.20985 (adaptive average pooling before the projector).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolSpec(ConnectorSpec):
    """``rows`` × ``cols`` tokens a view; widths in channels."""

    width_in: int
    width_out: int
    rows: int
    cols: int

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise SaccadeError(f"pool: needs at least 1×1 tokens, got {self.rows}×{self.cols}")

    def tokens(self, grid: Grid) -> int:
        """Tokens a view. Raises when the view has fewer patches a side than tokens."""
        if grid.rows < self.rows or grid.cols < self.cols:
            raise SaccadeError(
                f"pool: a {grid} grid has fewer patches than the {self.rows}×{self.cols} tokens wanted; "
                "ask for fewer tokens or a larger view"
            )
        return self.rows * self.cols

    def grid_out(self, grid: Grid) -> Grid:
        """Places, whatever the view."""
        self.tokens(grid)
        return Grid(self.rows, self.cols)

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def cost(self, grid: Grid) -> Cost:
        """One view; averaging counts no FLOPs."""
        tokens = self.tokens(grid)
        return count.linear(tokens, self.width_in, self.width_out) + count.linear(
            tokens, self.width_out, self.width_out
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the tower's patches, their means, tokens before and after the activation."""
        del eager
        patches = sum(grid.tokens for grid in grids) * self.width_in
        return (patches + sum(self.tokens(grid) for grid in grids) * (self.width_in + 2 * self.width_out)) * number
