"""MLP: every patch becomes one token through a two-layer network.

Law     tokens = patches (576 for LLaVA-1.5's 336 px view).
Used by LLaVA-1.5 and most of what followed.
Loses   nothing; the language model pays for every patch.
Source  LLaVA-1.5, arXiv:2310.03744; names and the exact GELU as in transformers' LlavaMultiModalProjector.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class MlpSpec(ConnectorSpec):
    """Widths in channels; ``extra`` leading tokens a view (a kept class token) pass through as well."""

    width_in: int
    width_out: int
    extra: int = 0

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return grid.tokens + self.extra

    def grid_out(self, grid: Grid) -> Grid:
        """Every patch keeps its place."""
        return grid

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        tokens = self.tokens(grid)
        return count.linear(tokens, self.width_in, self.width_out) + count.linear(
            tokens, self.width_out, self.width_out
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: tokens before and after the activation."""
        del eager
        return sum(self.tokens(grid) for grid in grids) * (self.width_in + 2 * self.width_out) * number
