"""Resampler: learned queries read all patches by one cross-attention layer. See ``specs/connectors/resampler.py``."""

from math import isqrt
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saccade.core.grid import Grid
from saccade.nn.transformer import resize_table, sincos_2d
from saccade.specs.connectors.resampler import ResamplerSpec


@final
class Resampler(nn.Module):
    """``spec`` fixes every size; weight names are those of the published checkpoints.

    Positions of queries and keys are one fixed table, the queries' own square, resized for the keys.
    """

    def __init__(self, spec: ResamplerSpec) -> None:
        super().__init__()
        self.spec = spec
        width, side = spec.width_out, isqrt(spec.queries)
        self.query = nn.Parameter(torch.randn(spec.queries, width) * 0.02)
        self.pos_embed = nn.Buffer(sincos_2d(side, side, width).flatten(0, 1))
        self.kv_proj = nn.Linear(spec.width_in, width, bias=False)
        self.ln_q = nn.LayerNorm(width, eps=1e-6)
        self.ln_kv = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.MultiheadAttention(width, spec.heads, batch_first=True)
        self.ln_post = nn.LayerNorm(width, eps=1e-6)
        self.proj = nn.Parameter(torch.randn(width, width) * width**-0.5)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.queries} {self.spec.width_out}"]:
        """Patches in row order over ``grid`` to one token a query."""
        read, _ = self.attn(*self._sides(patches, grid), need_weights=False)
        return self.ln_post(read) @ self.proj

    def attention(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.queries} {grid.tokens}"]:
        """How much each query looks at each patch: mean over heads, 1 in all for each query."""
        return self.attn(*self._sides(patches, grid), need_weights=True, average_attn_weights=True)[1]

    def _sides(self, patches: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, before the attention's own matrices."""
        side = isqrt(self.spec.queries)
        table = self.pos_embed.unflatten(0, (side, side))
        values = self.ln_kv(self.kv_proj(patches))
        keys = values + resize_table(table, grid.rows, grid.cols).flatten(0, 1)
        queries = (self.ln_q(self.query) + self.pos_embed).expand(len(patches), -1, -1)
        return queries, keys, values
