"""Windows: learned queries that each read their own window of the map. See ``specs/connectors/windows.py``."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saccade.core.grid import Grid
from saccade.nn.roi_align import align, align_table, spread
from saccade.nn.transformer import sincos_2d
from saccade.nn.window_attention import Bound
from saccade.specs.connectors.windows import WindowsSpec


@final
class Windows(nn.Module):
    """``spec`` fixes every size; weight names are those of the published checkpoints.

    Positions of queries and keys are one fixed table, the queries' own square, resized for the keys, which have them
    before their windows are cut.
    """

    def __init__(self, spec: WindowsSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width_out
        self.query = nn.Parameter(torch.randn(spec.queries, width) * 0.02)
        self.pos_embed = fixed(spec.side, width, learned=not spec.lean)
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
        values, places = self._values(patches, grid), align_table(self.pos_embed, grid, self.spec.side)
        if self.spec.lean:
            read = Bound.of(self.attn, self._asking(), places)(values)
        else:
            read = unfolded(self.attn, self._asking(), places, values)
        return self.ln_post(read[0]) @ self.proj

    def attention(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.queries} {grid.tokens}"]:
        """How much each query looks at each patch, by what its places are sampled from: mean over heads, 1 in all for
        each query, less for one whose window lies partly beyond a map of fewer patches than windows.
        """
        bound = Bound.of(self.attn, self._asking(), align_table(self.pos_embed, grid, self.spec.side))
        shares = bound.weights(self._values(patches, grid)).mean(dim=2)
        return spread(shares.transpose(0, 1), grid, self.spec.side)

    def _asking(self) -> Float[Tensor, "1 queries width"]:
        return (self.ln_q(self.query) + self.pos_embed)[None]

    def _values(self, patches: Tensor, grid: Grid) -> Float[Tensor, "windows views places width"]:
        """Every window's places; keys are these with their positions, as sampling a sum is summing samples."""
        return align(self.ln_kv(self.kv_proj(patches)).unflatten(1, (grid.rows, grid.cols)), self.spec.side)


def fixed(side: int, width: int, *, learned: bool) -> Tensor:
    """Positions of ``side`` × ``side`` queries: a buffer, or a frozen weight as the published files count them."""
    table = sincos_2d(side, side, width).flatten(0, 1)
    return nn.Parameter(table, requires_grad=False) if learned else nn.Buffer(table)


def unfolded(
    attn: nn.MultiheadAttention,
    queries: Float[Tensor, "sets windows width"],
    positions: Float[Tensor, "windows places width"],
    values: Float[Tensor, "windows views places width"],
) -> Float[Tensor, "sets views windows width"]:
    """The same attention as published: every set of queries by itself, matrices applied to every place."""
    views = values.shape[1]
    key, value = (values + positions[:, None]).flatten(0, 1), values.flatten(0, 1)
    asked = [one.repeat_interleave(views, dim=0)[:, None] for one in queries]
    read = [attn(one, key, value, need_weights=False)[0].unflatten(0, (-1, views)) for one in asked]
    return torch.stack([one[:, :, 0].transpose(0, 1) for one in read])
