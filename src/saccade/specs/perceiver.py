"""Perceiver IO: latents read all inputs once, think among themselves, and are read by output queries.

Law     latents, whatever the input: N; FLOPs = reading (grows with inputs) + thinking (does not) + answering.
Used by Perceiver IO's ImageNet models (512 latents over 50,176 pixels).
Loses   what the latents did not keep of the inputs.
Source  Perceiver IO, arXiv:2107.14795 and its released code; counts as in transformers' class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs import count


def _cross(queries: int, width: int, keys: int, source: int, inner: int, widen: int) -> Cost:
    """One block: ``queries`` of ``width`` read ``keys`` of ``source`` in ``inner`` channels, then two matrices."""
    return count.total(
        count.linear(queries, width, inner),
        count.linear(keys, source, inner),
        count.linear(keys, source, inner),
        count.attention(queries, keys, inner),
        count.linear(queries, inner, width),
        count.linear(queries, width, widen * width),
        count.linear(queries, widen * width, width),
        count.weights(4 * width + 2 * source),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverSpec:
    """``latents`` of ``width`` channels over pixels of ``source`` channels; ``layers`` shared by ``blocks`` rounds.

    The grid is the latents' (one column), since they are what leaves.
    """

    latents: int
    width: int
    source: int
    inner: int
    blocks: int
    layers: int
    widen: int = 1

    @property
    def extra(self) -> int:
        """Nothing leaves beside the latents."""
        return 0

    def grid(self, view: View) -> Grid:
        """One place an input pixel: the map that the latents read."""
        return Grid(view.size.height, view.size.width)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        layer = count.total(
            *(count.linear(self.latents, self.width, self.width) for _ in range(4)),
            count.attention(self.latents, self.latents, self.width),
            count.linear(self.latents, self.width, self.widen * self.width),
            count.linear(self.latents, self.widen * self.width, self.width),
            count.weights(4 * self.width),
        )
        read = _cross(self.latents, self.width, grid.tokens, self.source, self.inner, self.widen)
        runs = count.stack(layer, self.layers)
        return count.total(count.weights(self.latents * self.width), read, runs.times(1), Cost(
            runs.flops * (self.blocks - 1)
        ))  # fmt: skip

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: inputs, their keys and values, and with ``eager`` one head's scores."""
        inputs = sum(grid.tokens for grid in grids)
        scores = inputs * self.latents * (number + 8) if eager else 0
        return inputs * (2 * self.source + 2 * self.inner) * number + scores


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryHeadSpec:
    """``queries`` learned ones read the ``latents`` and are mapped to ``classes``; the latents stay the tokens."""

    latents: int
    width: int
    queries: int
    classes: int
    widen: int = 1

    def tokens(self, grid: Grid) -> int:
        """Latents, whatever the input."""
        del grid
        return self.latents

    def grid_out(self, grid: Grid) -> None:
        """A learned query has no place."""
        del grid

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        del grid
        return count.total(
            count.weights(self.queries * self.width),
            _cross(self.queries, self.width, self.latents, self.width, self.width, self.widen),
            count.linear(self.queries, self.width, self.classes),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment."""
        del eager
        return len(grids) * self.latents * 4 * self.width * number
