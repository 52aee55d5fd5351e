"""As it is: the tower's patches are the visual tokens.

Law     tokens = patches, one more with a class token kept.
Used by IDEFICS without its resampler, whose cross-attention reads what the tower puts out.
Loses   nothing; whoever reads the tokens pays for every patch.
Source  transformers' IdeficsModel with ``use_resampler`` false.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class AsIsSpec(ConnectorSpec):
    """``width`` in channels; ``extra`` leading tokens a view (a kept class token) pass through as well."""

    width: int
    extra: int = 0

    @property
    def width_in(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a patch."""
        return self.width

    @property
    def width_out(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a token."""
        return self.width

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
        """Nothing is computed."""
        del grid
        return Cost()

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes of the tokens themselves."""
        del eager
        return sum(self.tokens(grid) for grid in grids) * self.width * number
