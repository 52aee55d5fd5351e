"""Pixel shuffle: fold every r × r block of patches into one wider token. See ``specs/connectors/pixel_shuffle.py``."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from saccade.core.grid import Grid
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec


@final
class PixelShuffle(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: PixelShuffleSpec) -> None:
        super().__init__()
        self.spec = spec
        self.project = nn.Linear(spec.width_in * spec.ratio**2, spec.width_out, bias=False)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Patches in row order over ``grid`` to tokens in row order over ``spec.grid_out(grid)``."""
        ratio, out = self.spec.ratio, self.spec.grid_out(grid)
        blocks = patches.unflatten(1, (out.rows, ratio, out.cols, ratio))  # views rows r cols r width
        return self.project(blocks.transpose(2, 3).flatten(3).flatten(1, 2))  # views tokens width_out
