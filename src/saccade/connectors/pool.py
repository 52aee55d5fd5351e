"""Average pool: the mean of the patches under each place of a fixed grid. See ``specs/connectors/pool.py``."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors.mlp import Projector
from saccade.core.grid import Grid
from saccade.specs.connectors.pool import PoolSpec


@final
class Pool(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: PoolSpec) -> None:
        super().__init__()
        self.spec = spec
        self.project = Projector(spec.width_in, spec.width_out)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Patches in row order over ``grid`` to tokens in row order over the spec's grid."""
        self.spec.tokens(grid)  # refuses a view that is too small
        planes = patches.transpose(1, 2).unflatten(2, (grid.rows, grid.cols))
        means = F.adaptive_avg_pool2d(planes, (self.spec.rows, self.spec.cols))
        return self.project(means.flatten(2).transpose(1, 2))
