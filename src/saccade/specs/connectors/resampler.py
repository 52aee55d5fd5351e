"""Resampler: a fixed set of learned queries reads all patches by one cross-attention layer.

Law     tokens = queries, whatever the view.
Used by LLaVA-UHD (64 queries a slice), Qwen-VL.
Loses   what no query asks for; a query is no place, so its ledger entry is *by attention*.
Source  LLaVA-UHD, arXiv:2403.11703: the plain resampler of the arXiv version (one layer, learned
        queries on a square grid, fixed sin-cos positions for queries and keys).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.layer import softmax_bytes
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class ResamplerSpec(ConnectorSpec):
    """``queries`` is a square number; ``width_out`` a multiple of 4 and of ``heads``."""

    width_in: int
    width_out: int
    queries: int = 64
    heads: int = 8

    def __post_init__(self) -> None:
        if self.queries < 1 or isqrt(self.queries) ** 2 != self.queries:
            raise SaccadeError(
                f"resampler: queries stand on a square grid, got {self.queries}; "
                f"take {max(1, isqrt(max(self.queries, 0))) ** 2} or {(isqrt(max(self.queries, 0)) + 1) ** 2}"
            )
        if self.width_out % self.heads or self.width_out % 4:
            raise SaccadeError(
                f"resampler: width {self.width_out} must be a multiple of 4 and of the {self.heads} heads"
            )

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        width, keys = self.width_out, grid.tokens
        return count.total(
            count.weights(self.queries * width),
            count.linear(keys, self.width_in, width, bias=False),
            *(count.linear(tokens, width, width) for tokens in (self.queries, keys, keys, self.queries)),
            count.attention(self.queries, keys, width),
            *(count.norm(width) for _ in range(3)),
            count.linear(self.queries, width, width, bias=False),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the patches, and as keys and values before and after their matrices.

        Biases are added to a copy, one of the two at a time.
        """
        keys = sum(grid.tokens for grid in grids)
        scores = self.heads * self.queries * keys if eager else 0
        return keys * (self.width_in + 5 * self.width_out) * number + softmax_bytes(scores, number)
