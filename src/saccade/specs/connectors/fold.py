"""Fold and project: every r × r block of patches becomes one token through a short chain of matrices.

Law     tokens = ⌈rows / r⌉ × ⌈cols / r⌉ (towers that fold keep their sides multiples of r; Ovis pads).
Used by LLaVA (r = 1), Idefics3, Qwen-VL, InternVL, Kimi-VL, PaliGemma, DeepSeek-OCR; pooled instead by Gemma 3.
Loses   nothing before the projection where blocks are folded, what differs inside a block where they are pooled.
Source  pixel shuffle: Idefics3, arXiv:2408.12637; merger: Qwen2-VL, arXiv:2409.12191; pooling: Gemma 3,
        arXiv:2503.19786.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldSpec:
    """Patches of ``width_in`` channels in blocks of ``ratio`` a side, through matrices to ``widths`` in turn.

    ``pooled`` takes a block's mean instead of laying its patches side by side. ``norm`` counts the weights of norms.
    ``extra`` positions a view (a kept class token) pass through as well.
    """

    width_in: int
    widths: tuple[int, ...]
    ratio: int = 1
    bias: bool = True
    norm: int = 0
    pooled: bool = False
    extra: int = 0

    @property
    def width_out(self) -> int:
        """Channels of a token."""
        return self.widths[-1]

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def grid_out(self, grid: Grid) -> Grid:
        """Tokens as they lie in the view."""
        return Grid(-(-grid.rows // self.ratio), -(-grid.cols // self.ratio))

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return self.grid_out(grid).tokens + self.extra

    @property
    def _chain(self) -> tuple[int, ...]:
        first = self.width_in if self.pooled else self.width_in * self.ratio**2
        return (first, *self.widths)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        tokens = self.tokens(grid)
        steps = (count.linear(tokens, before, after, bias=self.bias) for before, after in pairwise(self._chain))
        return count.total(*steps, count.weights(self.norm))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the tower's patches, and what a matrix takes in and puts out.

        All matrices but the last put out twice, before and after the activation. The first takes in a copy where
        patches are folded (which copies once for either side) or normed before it.
        """
        del eager
        copied = self._chain[0] if self.ratio > 1 or self.norm else 0
        *inner, (before, after) = pairwise((copied, *self._chain[1:]))
        steps = [*(taken + 2 * made for taken, made in inner), before + after]
        wide = max(*steps, 0 if self.pooled else 2 * copied)
        patches = sum(grid.tokens + self.extra for grid in grids) * self.width_in
        return (patches + sum(self.tokens(grid) for grid in grids) * wide) * number


@dataclass(frozen=True, kw_only=True, slots=True)
class StackedSpec:
    """Several connectors over one tower, of which the first makes the tokens: DeepStack in Qwen3-VL.

    The others read earlier layers of the tower and are added to the first layers of the language model.
    Source: DeepStack, arXiv:2406.04334; Qwen3-VL's ``deepstack_visual_indexes``.
    """

    parts: tuple[FoldSpec, ...]

    @property
    def width_out(self) -> int:
        """Channels of a token."""
        return self.parts[0].width_out

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, of the first."""
        return self.parts[0].tokens(grid)

    def grid_out(self, grid: Grid) -> Grid:
        """As in the first."""
        return self.parts[0].grid_out(grid)

    def cost(self, grid: Grid) -> Cost:
        """One view through all of them."""
        return count.total(*(part.cost(grid) for part in self.parts))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """One at a time, the results kept."""
        made = sum(part.tokens(grid) * part.width_out for part in self.parts[1:] for grid in grids)
        return made * number + max(part.peak(grids, number, eager=eager) for part in self.parts)
