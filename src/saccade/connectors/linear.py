"""Linear: every patch becomes one token through one matrix. See ``specs/connectors/linear.py``."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saccade.core.grid import Grid
from saccade.specs.connectors.linear import LinearSpec


@final
class Linear(nn.Module):
    """``spec`` fixes every size. ``vectors`` are for the sequence, which says where they stand."""

    def __init__(self, spec: LinearSpec) -> None:
        super().__init__()
        self.spec = spec
        self.project = nn.Linear(spec.width_in, spec.width_out)
        # As loud as the tokens beside them, as in the authors' code.
        self.vectors = nn.Parameter(torch.randn(spec.vectors, spec.width_out) / spec.width_out**0.5)

    def forward(
        self, patches: Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Order kept."""
        return self.project(patches)
