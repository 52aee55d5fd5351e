"""Towers in a row: SAM's encoder, convolutions that keep one patch in sixteen, a second transformer over those.

Law     tokens of the last = (side / 64)²; SAM's windows of 14 × 14 are filled up with zeros, which are computed.
Used by DeepSeek-OCR (second: CLIP-L, its output beside the convolutions'), DeepSeek-OCR-2 (second: a language model's
        layers over the tokens and as many learned queries, of which the queries leave).
Loses   what 64 pixels of a side cannot say in one vector.
Source  DeepSeek-OCR, arXiv:2510.18234 and its released code; DeepSeek-OCR-2, arXiv:2601.20552 and its transformers
        class. The relative positions' small products are counted, as torch does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs import count
from saccade.specs.layer import LayerSpec, plain

REDUCTION = 64
"""Pixels a side of what one token carries: patches of 16, halved twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SamSpec:
    """SAM's encoder: ``width`` inside, ``neck`` after it, then convolutions to ``channels`` that halve its map.

    SAM itself has none of those.
    """

    width: int
    depth: int
    heads: int
    middle: int
    patch: int
    side: int
    window: int
    full: int
    neck: int
    channels: tuple[int, ...] = ()

    @property
    def layer(self) -> LayerSpec:
        """One layer, relative positions apart."""
        return plain(self.width, self.heads, self.middle)

    def cost(self, view_side: int) -> Cost:
        """One square view of ``view_side`` pixels."""
        side = view_side // self.patch
        tokens, head = side * side, self.width // self.heads
        padded = -(-side // self.window) * self.window
        windows = (padded // self.window) ** 2
        table = (self.side // self.patch) ** 2 * self.width
        far = self._attention(tokens, tokens**2, side) + count.weights(2 * (2 * self.side // self.patch - 1) * head)
        near = self._attention(padded**2, windows * self.window**4, self.window)
        near += count.weights(2 * (2 * self.window - 1) * head)
        rest = self.layer.feed.cost(tokens) + count.weights(self.layer.norms)
        behind, channels = side, [self.neck, *self.channels]
        halved: list[Cost] = []
        for width_in, width_out in pairwise(channels):
            behind = _half(behind)
            halved.append(count.convolution(behind**2, 3, width_in, width_out, bias=False))
        return count.total(
            count.linear(tokens, 3 * self.patch**2, self.width),
            count.weights(table),
            count.stack(far + rest, self.full),
            count.stack(near + rest, self.depth - self.full),
            count.convolution(tokens, 1, self.width, self.neck, bias=False),
            count.convolution(tokens, 3, self.neck, self.neck, bias=False),
            count.weights(4 * self.neck),
            *halved,
        )

    def _attention(self, tokens: int, pairs: int, side: int) -> Cost:
        """Attention with decomposed relative positions: each query against ``side`` rows and ``side`` columns."""
        attention = self.layer.attention
        return count.total(
            attention.project(tokens, tokens), attention.mix(pairs), Cost(2 * 2 * tokens * side * self.width)
        )

    def peak(self, view_side: int, views: int, number: int) -> int:
        """Bytes alive in a full layer: the positions' bias is as large as all scores, and is held."""
        tokens = (view_side // self.patch) ** 2
        return views * (tokens * self.layer.live + 2 * self.heads * tokens**2) * number


@dataclass(frozen=True, kw_only=True, slots=True)
class SerialSpec:
    """``sam``, then ``depth`` layers ``second``; ``held`` counts weights outside both.

    ``lead`` are positions beside the tokens (a class token); ``doubled`` runs as many learned queries behind the
    tokens, with attention over the full square as the masked code computes it.
    """

    sam: SamSpec
    second: LayerSpec
    depth: int
    held: int
    lead: int = 0
    doubled: bool = False

    @property
    def extra(self) -> int:
        """Nothing leaves beside the tokens."""
        return 0

    @property
    def width(self) -> int:
        """Channels of what leaves: DeepSeek-OCR joins both towers' channels."""
        return self.second.width if self.doubled else self.second.width + self.sam.channels[-1]

    def grid(self, view: View) -> Grid:
        """Tokens of a square view."""
        if view.size.width != view.size.height or view.size.width % REDUCTION:
            raise SaccadeError(f"a view of {view.size} px is no square of a multiple of {REDUCTION} px")
        return Grid(view.size.height // REDUCTION, view.size.width // REDUCTION)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        length = grid.tokens * (2 if self.doubled else 1) + self.lead
        return count.total(
            self.sam.cost(grid.rows * REDUCTION),
            count.stack(self.second.cost(length), self.depth),
            count.weights(self.held),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: SAM's full layers, tiles and whole one after the other."""
        del eager
        return max(self.sam.peak(grid.rows * REDUCTION, grids.count(grid), number) for grid in set(grids))


def _half(side: int) -> int:
    """A 3 × 3 convolution of stride two with one row of padding."""
    return (side - 1) // 2 + 1
