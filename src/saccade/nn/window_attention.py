"""Attention of queries that are bound to windows, the matrices of keys and values folded into the queries.

The algebra is told in ``specs/connectors/windows.py`` (``bound``). Sets of queries share the windows and the matrices.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.nn.bert import per_head
from saccade.specs.connectors.windows import AT_ONCE


@final
@dataclass(frozen=True, slots=True)
class Bound:
    """Queries that are ready to look: those of each window, heads and sets apart, and their scores of positions.

    A key's bias adds the same to all scores of a query, which softmax takes out again.
    """

    attn: nn.MultiheadAttention
    asked: Float[Tensor, "windows heads_sets width"]
    placed: Float[Tensor, "windows heads_sets places"]

    @staticmethod
    def of(
        attn: nn.MultiheadAttention,
        queries: Float[Tensor, "sets windows width"],
        positions: Float[Tensor, "windows places width"],
    ) -> "Bound":
        """``queries`` that will look at values, each with its ``positions`` added to it as a key."""
        width, heads = attn.embed_dim, attn.num_heads
        matrix, bias = attn.in_proj_weight, attn.in_proj_bias
        asked = F.linear(queries, matrix[:width], bias[:width]) * attn.head_dim**-0.5
        key = matrix[width : 2 * width].unflatten(0, (heads, -1))
        folded = per_head(asked.unflatten(2, (heads, -1)).permute(1, 2, 0, 3), key).flatten(1, 2)
        return Bound(attn, folded, torch.bmm(folded, positions.mT))

    def weights(self, values: Float[Tensor, "windows views places width"]) -> Float[Tensor, "windows views _ places"]:
        """How much each head of each set looks at each place."""
        windows, views, places, _ = values.shape
        scores = torch.bmm(self.asked, values.flatten(1, 2).mT).view(windows, -1, views, places)
        return (scores + self.placed[:, :, None]).transpose(1, 2).softmax(dim=-1)

    def __call__(
        self, values: Float[Tensor, "windows views places width"]
    ) -> Float[Tensor, "sets views windows width"]:
        """What was read, through the values' matrix and the last one. A CPU reads a few windows at a time."""
        windows, views = values.shape[:2]
        size = max(1, AT_ONCE // views) if values.device.type == "cpu" else windows
        shares = self.weights(values)
        read = [self._read(*pair) for pair in zip(shares.split(size), values.split(size), strict=True)]
        return self.attn.out_proj(torch.cat(read, dim=2))

    def _read(self, shares: Tensor, values: Tensor) -> Float[Tensor, "sets views windows width"]:
        windows, views, places, width = values.shape
        heads = self.attn.num_heads
        seen = torch.bmm(shares.reshape(windows * views, -1, places), values.reshape(windows * views, places, width))
        at = slice(2 * width, 3 * width)
        value, shift = self.attn.in_proj_weight[at].unflatten(0, (heads, -1)), self.attn.in_proj_bias[at]
        mixed = per_head(seen.unflatten(1, (heads, -1)), value.mT)  # windows·views heads sets head
        mixed = mixed.unflatten(0, (windows, views)).permute(3, 1, 0, 2, 4).flatten(3)
        return mixed + shift
