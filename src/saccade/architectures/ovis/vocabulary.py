"""A visual vocabulary: every block of patches becomes a distribution over visual words, whose embeddings are averaged.

Law     tokens = ⌈rows / r⌉ × ⌈cols / r⌉.
Used by Ovis.
Loses   what no mixture of words says; the table is a language model's second vocabulary.
Source  Ovis, arXiv:2405.20797; Ovis2 as in its transformers class. The last ``markers`` words stand for places in the
        sequence, not for patches: their logits are zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabularySpec:
    """``words`` in all; blocks of ``ratio`` patches a side; widths in channels."""

    width_in: int
    width_out: int
    ratio: int
    words: int
    markers: int

    def grid_out(self, grid: Grid) -> Grid:
        """Tokens as they lie in the view."""
        return Grid(-(-grid.rows // self.ratio), -(-grid.cols // self.ratio))

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return self.grid_out(grid).tokens

    def cost(self, grid: Grid) -> Cost:
        """One view: logits, their norm, and the mixture of embeddings."""
        tokens, plain = self.tokens(grid), self.words - self.markers
        return count.total(
            count.linear(tokens, self.width_in * self.ratio**2, plain, bias=False),
            count.norm(plain),
            count.linear(tokens, self.words, self.width_out, bias=False),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: logits, their norm and the distribution."""
        del eager
        return sum(self.tokens(grid) for grid in grids) * 3 * self.words * number
