"""MLP: every patch becomes one token through a two-layer network. See ``specs/connectors/mlp.py``."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.core.grid import Grid
from saccade.specs.connectors.mlp import MlpSpec


class Projector(nn.Module):
    """Linear, exact GELU, linear: LLaVA-1.5's projector, which pool and merge end in as well."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width_in, width_out)
        self.linear_2 = nn.Linear(width_out, width_out)

    def forward(self, x: Float[Tensor, "views tokens width_in"]) -> Float[Tensor, "views tokens width_out"]:
        """Token by token."""
        return self.linear_2(F.gelu(self.linear_1(x)))


@final
class Mlp(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: MlpSpec) -> None:
        super().__init__()
        self.spec = spec
        self.project = Projector(spec.width_in, spec.width_out)

    def forward(
        self, patches: Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Order kept."""
        return self.project(patches)
