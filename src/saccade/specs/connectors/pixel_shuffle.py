"""Pixel shuffle: fold every r × r block of patches into one wider token, then project.

Law     tokens = (rows / r) × (cols / r); nothing is dropped, the width grows r²-fold.
Used by Idefics3, SmolVLM.
Loses   nothing before the projection; neighbours must share a token.
Source  Idefics3, arXiv:2408.12637; order of the fold as in transformers' Idefics3Connector.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelShuffleSpec(ConnectorSpec):
    """``ratio`` is r, in patches a side; widths are in channels."""

    width_in: int
    width_out: int
    ratio: int = 2

    def __post_init__(self) -> None:
        if self.ratio < 1:
            raise SaccadeError(f"pixel shuffle: ratio must be at least 1, got {self.ratio}")

    def grid_out(self, grid: Grid) -> Grid:
        """Grid after folding. Raises when ``ratio`` does not divide both sides."""
        if grid.rows % self.ratio or grid.cols % self.ratio:
            raise SaccadeError(
                f"pixel shuffle: ratio {self.ratio} does not divide the {grid} grid; "
                "choose a view whose patches per side are a multiple of it"
            )
        return Grid(grid.rows // self.ratio, grid.cols // self.ratio)

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return self.grid_out(grid).tokens

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def cost(self, grid: Grid) -> Cost:
        """One view; the fold itself moves memory and counts no FLOPs."""
        return count.linear(self.tokens(grid), self.width_in * self.ratio**2, self.width_out, bias=False)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: folded patches and what comes out."""
        del eager
        return sum(self.tokens(grid) for grid in grids) * (2 * self.width_in * self.ratio**2 + self.width_out) * number
