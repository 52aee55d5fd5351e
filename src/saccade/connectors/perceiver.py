"""Perceiver as a connector: latents read patches and think. See ``specs/connectors/perceiver_connector.py``."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.nn.perceiver import Perceiver, PerceiverDecoder, draw
from saccade.specs.connectors.perceiver_connector import PerceiverConnectorSpec


@final
class PerceiverConnector(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: PerceiverConnectorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = Perceiver(spec.encoder)
        self.decoder = None if spec.decoder is None else PerceiverDecoder(spec.decoder)
        self.project = nn.Identity() if spec.queries else nn.Linear(spec.encoder.width, spec.width_out)
        if isinstance(self.project, nn.Linear):
            draw(self.project)

    def forward(
        self, patches: Float[Tensor, "views patches {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Patches in row order over ``grid``, class token first, to one token a latent or query."""
        self._counted(patches, grid)
        z = self.encoder(patches)
        return self.project(z) if self.decoder is None else self.decoder(z)

    def attention(
        self, patches: Float[Tensor, "views patches {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {grid.tokens}"]:
        """How much each latent looks at each patch, the mean over heads and reads; class tokens left out, so that every
        sum is 1. A query looks at patches as the latents do that it looks at; what latents tell each other is left out.
        """
        self._counted(patches, grid)
        watch: list[Tensor] = []
        z = self.encoder(patches, watch=watch)
        seen = torch.stack([one.expand(len(patches), -1, -1) for one in watch]).mean(dim=0)
        if self.decoder is not None:
            seen = torch.matmul(self.decoder.weights(z), seen)
        seen = seen[..., self.spec.extra :]
        return seen / seen.sum(dim=-1, keepdim=True)

    def _counted(self, patches: Tensor, grid: Grid) -> None:
        """Raises SaccadeError where a class token is missing or too much."""
        expected = grid.tokens + self.spec.extra
        if patches.shape[1] != expected:
            raise SaccadeError(
                f"the Perceiver reads {grid.tokens} patches and {self.spec.extra} beside them, {expected} together, got"
                f" {patches.shape[1]}; keep the tower's class token, or set extra to {patches.shape[1] - grid.tokens}"
            )
