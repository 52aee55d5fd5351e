"""Compression: halving convolutions and a transformer over what is left. See ``specs/connectors/compress.py``."""

from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saccade.core.grid import Grid
from saccade.nn.transformer import Block, sincos_2d
from saccade.specs.connectors.compress import CompressSpec


@final
class Compress(nn.Module):
    """``spec`` fixes every size; positions are fixed, so that a map of any size will do."""

    def __init__(self, spec: CompressSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = (spec.width_in, *spec.channels)
        self.halve = nn.ModuleList(
            nn.Conv2d(one, two, 3, stride=2, padding=1, bias=False) for one, two in pairwise(widths)
        )
        self.norm = nn.LayerNorm(spec.width, eps=1e-6)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, 4 * spec.width) for _ in range(spec.depth))
        self.project = nn.Linear(2 * spec.width, spec.width_out)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Patches in row order over ``grid`` to tokens in row order over the halved one."""
        planes = patches.transpose(1, 2).unflatten(2, (grid.rows, grid.cols))
        for convolution in self.halve:
            planes = convolution(planes)
        near = planes.permute(0, 2, 3, 1)  # views rows cols width
        far = self.norm(near + sincos_2d(*near.shape[1:]).to(near)).flatten(1, 2)
        for block in self.blocks:
            far = block(far)
        return self.project(torch.cat([far, near.flatten(1, 2)], dim=-1))
