"""Learned queries that read a tower's patches in several layers: a fixed number of tokens, whatever the view.

Law     tokens = queries.
Used by BLIP-2 and InstructBLIP.
Loses   what no query asks for; what a query holds is known by attention only.
Source  BLIP-2, arXiv:2301.12597 and its transformers class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs import count
from saccade.specs.layer import AttentionSpec, LayerSpec, softmax_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class QFormerSpec:
    """``queries`` through ``depth`` ``layer`` s, patches read in every ``every``-th, then a matrix to ``width_out``.

    ``text`` positions of instruction run beside the queries, through feed-forwards of their own (InstructBLIP).
    ``source`` is the width of the patches, ``extra`` the class token among them; ``held`` counts weights outside.
    """

    queries: int
    depth: int
    layer: LayerSpec
    source: int
    every: int
    width_out: int
    extra: int = 1
    text: int = 0
    texted: bool = False
    held: int = 0

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries

    def grid_out(self, grid: Grid) -> None:
        """A learned query has no place."""
        del grid

    @property
    def cross(self) -> AttentionSpec:
        """Attention to the patches."""
        own = self.layer.attention
        assert isinstance(own, AttentionSpec)
        return AttentionSpec(
            width=own.width, heads=own.heads, head=own.head, kv_heads=own.kv_heads, bias=True, bias_out=True,
            source=self.source,
        )  # fmt: skip

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        keys, width = grid.tokens + self.extra, self.layer.width
        length, crossing = self.queries + self.text, -(-self.depth // self.every)
        own = count.total(
            self.layer.attention.project(length, length),
            self.layer.attention.mix(length**2),
            self.layer.feed.cost(self.queries),
            count.weights(self.layer.norms),
        )
        if self.texted:
            own += self.layer.feed.cost(self.text) + count.weights(2 * width)
        read = count.total(
            self.cross.project(self.queries, keys), self.cross.mix(self.queries * keys), count.weights(2 * width)
        )
        return count.total(
            count.stack(own, self.depth),
            count.stack(read, crossing),
            count.linear(self.queries, width, self.width_out),
            count.weights(self.queries * width + self.held),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the projected patches, or the queries' feed-forward."""
        views, keys = len(grids), sum(grid.tokens + self.extra for grid in grids)
        scores = self.layer.attention.heads * self.queries * keys if eager else 0
        projected = keys * (self.source + self.cross.cached) * number + softmax_bytes(scores, number)
        return max(projected, self.layer.peak(views * (self.queries + self.text), 0, number))
