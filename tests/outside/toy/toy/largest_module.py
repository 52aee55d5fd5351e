"""The module of ``LargestSpec``."""

from torch import Tensor, nn
from torch.nn import functional as F

from saccade.core.grid import Grid
from toy.largest import LargestSpec


class Largest(nn.Module):
    """views × patches × ``width_in`` to views × tokens × ``width_out``."""

    def __init__(self, spec: LargestSpec) -> None:
        super().__init__()
        self.spec, self.project = spec, nn.Linear(spec.width_in, spec.width_out)

    def forward(self, patches: Tensor, grid: Grid) -> Tensor:
        """Patches stand in rows of ``grid``."""
        maps = patches.transpose(1, 2).unflatten(2, (grid.rows, grid.cols))
        return self.project(F.max_pool2d(maps, self.spec.side).flatten(2).transpose(1, 2))
