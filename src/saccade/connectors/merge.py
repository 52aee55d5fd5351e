"""Merge: like patches melt into one token until a budget is left. See ``specs/connectors/merge.py``."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from saccade.connectors.mlp import Projector
from saccade.core.grid import Grid, Groups
from saccade.specs.connectors.merge import MergeSpec


@dataclass(frozen=True, slots=True)
class Merged:
    """Size-weighted means, and for every patch the number of the token that took it in."""

    tokens: Float[Tensor, "views tokens width"]
    owner: Int[Tensor, "views patches"]

    @property
    def groups(self) -> list[Groups]:
        """Per view, the patches that each token holds."""
        return [
            [np.flatnonzero(row == token) for token in range(self.tokens.shape[1])] for row in self.owner.cpu().numpy()
        ]


@final
class Merge(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: MergeSpec) -> None:
        super().__init__()
        self.spec = spec
        self.project = Projector(spec.width_in, spec.width_out)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Tokens in the order of the patches that stayed; the others were taken in."""
        return self.project(self.melt(patches, grid).tokens)

    def grouped(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> tuple[Float[Tensor, "views tokens {self.spec.width_out}"], list[Groups]]:
        """As ``forward``, and per view the patches that each token holds."""
        merged = self.melt(patches, grid)
        return self.project(merged.tokens), merged.groups

    def melt(self, patches: Float[Tensor, "views patches width"], grid: Grid) -> Merged:
        """The merging alone, before the MLP."""
        views, count = patches.shape[:2]
        tokens, size = patches, patches.new_ones(views, count)
        owner = torch.arange(count, device=patches.device).expand(views, -1)
        for melted in self.spec.rounds(grid):
            step = _match(tokens, melted)
            left = count - melted
            total = tokens.new_zeros(views, left, tokens.shape[2])
            total.scatter_add_(1, step[..., None].expand_as(tokens), tokens * size[..., None])
            size = size.new_zeros(views, left).scatter_add_(1, step, size)
            tokens, owner, count = total / size[..., None], step.gather(1, owner), left
        return Merged(tokens, owner)


def _match(tokens: Float[Tensor, "views tokens width"], melted: int) -> Int[Tensor, "views tokens"]:
    """New token numbers: every second token offers itself to its most similar neighbour of the others, and
    the ``melted`` best offers are taken. Numbers keep the order of the tokens that stay.
    """
    unit = tokens / tokens.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    scores, partner = (unit[:, 1::2] @ unit[:, ::2].transpose(1, 2)).max(dim=-1)
    chosen = scores.argsort(dim=-1, descending=True, stable=True)[:, :melted]
    stays = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    stays.scatter_(1, 2 * chosen + 1, value=False)
    number = stays.cumsum(dim=-1) - 1
    target = number.gather(1, 2 * partner.gather(1, chosen))
    return number.scatter(1, 2 * chosen + 1, target)
