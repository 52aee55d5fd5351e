"""Towers in a row: SAM's encoder, convolutions that keep one patch in sixteen, a second transformer over those.

Law     tokens = (side / 64)² with SAM's patches of 16 px; views are squares.
Used by DeepSeek-OCR (second: CLIP-L, its output beside the convolutions'), DeepSeek-OCR-2 (second: a language model's
        layers over the tokens and as many learned queries, of which the queries leave).
Loses   what 64 pixels of a side cannot say in one vector.
Source  DeepSeek-OCR, arXiv:2510.18234 and its released code; DeepSeek-OCR-2, arXiv:2601.20552 and its transformers
        class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.laws import count
from saccade.specs.laws.layer import AttentionSpec, FeedForwardSpec, LayerSpec, plain
from saccade.specs.parts import TowerSpec
from saccade.specs.towers.sam import SamSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipBodySpec:
    """CLIP's layers over another tower's tokens: a class token and positions before them, a norm, and none behind.

    ``places`` a side of the table of positions, which other maps interpolate; ``unused`` weights of a published file
    that never run (CLIP's own patches).
    """

    width: int
    depth: int
    heads: int
    middle: int
    places: int
    eps: float = 1e-5
    unused: int = 0

    @property
    def layer(self) -> LayerSpec:
        """One layer."""
        return plain(self.width, self.heads, self.middle, quick=True)

    def width_out(self, beside: int) -> int:
        """Channels of a token: the first tower's ``beside`` these."""
        return self.width + beside

    def cost(self, tokens: int) -> Cost:
        """One view: the class token is computed, and dropped."""
        places = self.places**2 + 1
        held = count.weights(self.width + places * self.width + 2 * self.width + self.unused)
        return count.stack(self.layer.cost(tokens + 1), self.depth) + held


@dataclass(frozen=True, kw_only=True, slots=True)
class CausalFlowSpec:
    """A language model's layers (Qwen2's) over tokens and as many learned queries behind them, which alone leave.

    Tokens see each other, a query all tokens and the queries before it; attention is over the full square, as the
    masked code computes it. ``queries`` are the numbers there are sets of; ``pairs`` heads of keys and values.
    """

    width: int
    depth: int
    heads: int
    pairs: int
    middle: int
    queries: tuple[int, ...]
    theta: float = 1e6
    eps: float = 1e-6

    @property
    def layer(self) -> LayerSpec:
        """One layer."""
        head = self.width // self.heads
        return LayerSpec(
            attention=AttentionSpec(width=self.width, heads=self.heads, head=head, kv_heads=self.pairs, bias=True),
            feed=FeedForwardSpec(width=self.width, middle=self.middle, gated=True),
            norms=2 * self.width,
        )

    def width_out(self, beside: int) -> int:
        """Channels of a token: a query holds what it needs of the first tower's ``beside``."""
        del beside
        return self.width

    def cost(self, tokens: int) -> Cost:
        """One view."""
        held = count.weights(self.width * (sum(self.queries) + 1))
        return count.stack(self.layer.cost(2 * tokens), self.depth) + held


@dataclass(frozen=True, kw_only=True, slots=True)
class SerialSpec(TowerSpec):
    """``sam``, then ``second``."""

    sam: SamSpec
    second: ClipBodySpec | CausalFlowSpec

    def __post_init__(self) -> None:
        second = self.second
        if second.width != self.sam.channels[-1]:
            raise SaccadeError(
                f"the convolutions put out {self.sam.channels[-1]} channels, the second tower takes {second.width}; "
                "make them equal"
            )
        if second.width % second.heads or (isinstance(second, CausalFlowSpec) and second.heads % second.pairs):
            raise SaccadeError(
                f"width {second.width} is to split into {second.heads} heads, and those among the keys' and values'"
            )

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of what leaves."""
        return self.second.width_out(self.sam.channels[-1])

    @property
    def patch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Pixels a side of what a token carries."""
        return self.sam.reduction

    def grid(self, view: View) -> Grid:
        """Tokens of a square view."""
        side, unit = view.size.height, self.sam.reduction
        if view.size.width != side or side % unit:
            raise SaccadeError(f"a view of {view.size} px is no square of a multiple of {unit} px")
        grid = Grid(side // unit, side // unit)
        if isinstance(self.second, CausalFlowSpec) and grid.tokens not in self.second.queries:
            known = " and ".join(str(number) for number in self.second.queries)
            raise SaccadeError(
                f"a view of {view.size} px makes {grid.tokens} tokens, queries were learned for {known}; take views of "
                "such a size"
            )
        return grid

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        return self.sam.cost(grid.rows * self.sam.reduction) + self.second.cost(grid.tokens)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: SAM's full layers, tiles and whole one after the other."""
        del eager
        return max(self.sam.peak(grid.rows * self.sam.reduction, grids.count(grid), number) for grid in set(grids))
