"""Merge: like patches melt into one token until a budget is left, then LLaVA's MLP.

Law     tokens = min(budget, patches), whatever the picture; which patches share one depends on it.
Used by token-merging readers; the matching is that of ToMe, applied once after the tower.
Loses   what differs between patches that look alike to the tower: blank ground first, fine print last.
Source  ToMe, arXiv:2210.09461: bipartite soft matching by cosine similarity, size-weighted means.
        Here the keys are the tower's own output, as there is no attention layer to take them from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeSpec(ConnectorSpec):
    """``budget`` tokens a view; widths in channels."""

    width_in: int
    width_out: int
    budget: int

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise SaccadeError(f"merge: the budget must be at least 1 token, got {self.budget}")

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return min(self.budget, grid.tokens)

    def rounds(self, grid: Grid) -> list[int]:
        """Tokens melted in each round: at most half of what is left can find a partner."""
        left, melted = grid.tokens, []
        while left > self.budget:
            melted.append(min(left // 2, left - self.budget))
            left -= melted[-1]
        return melted

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def cost(self, grid: Grid) -> Cost:
        """One view: a similarity matrix a round, then the MLP."""
        left, flops = grid.tokens, 0
        for melted in self.rounds(grid):
            flops += 2 * -(-left // 2) * (left // 2) * self.width_in
            left -= melted
        mlp = count.linear(left, self.width_in, self.width_out) + count.linear(left, self.width_out, self.width_out)
        return Cost(flops) + mlp

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the first round's similarities beside the patches."""
        del eager
        similar = sum((grid.tokens // 2) ** 2 + 2 * grid.tokens * self.width_in for grid in grids)
        return max(similar, sum(self.tokens(grid) for grid in grids) * (self.width_in + 2 * self.width_out)) * number
