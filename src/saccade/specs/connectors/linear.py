"""Linear: every patch becomes one token through one matrix; beside it lie vectors that were learned for places.

Law     tokens = patches.
Used by DeepSeek-OCR (a newline and a separator beside the matrix) and DeepSeek-OCR-2 (a separator).
Loses   what the matrix maps to nothing, where tokens are narrower than patches.
Source  DeepSeek-OCR, arXiv:2510.18234 and its released code. The vectors stand where the sequence says
        (``WovenSequence``), in no token's place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearSpec(ConnectorSpec):
    """Widths in channels; ``vectors`` of ``width_out`` channels are learned beside the matrix."""

    width_in: int
    width_out: int
    vectors: int = 0

    def __post_init__(self) -> None:
        if min(self.width_in, self.width_out) < 1 or self.vectors < 0:
            raise SaccadeError(
                f"widths are at least 1, vectors at least 0; got {self.width_in}, {self.width_out} and {self.vectors}"
            )

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return grid.tokens

    def grid_out(self, grid: Grid) -> Grid:
        """Every patch keeps its place."""
        return grid

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        held = count.weights(self.vectors * self.width_out)
        return count.linear(grid.tokens, self.width_in, self.width_out) + held

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes of patches and tokens."""
        del eager
        return sum(grid.tokens for grid in grids) * (self.width_in + self.width_out) * number
