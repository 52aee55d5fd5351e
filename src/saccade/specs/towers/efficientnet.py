"""EfficientNet: a convolutional tower whose map's cells are the patches.

Law     cells = ⌈side / 32⌉² or one row fewer, as odd sides are halved: 289 px → 9 × 9.
Used by ALIGN (EfficientNet-B7).
Loses   what 32 pixels of a side cannot say in one vector.
Source  EfficientNet, arXiv:1905.11946; ALIGN, arXiv:2102.05918; rounding and padding as in transformers' ALIGN class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.laws import count


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSpec:
    """``repeats`` blocks from ``inner`` to ``outer`` channels; the first has the ``stride``."""

    inner: int
    outer: int
    kernel: int
    stride: int
    expand: int
    repeats: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EfficientNetSpec:
    """``stages`` after a stem of ``stem`` channels; ``squeeze`` is the share of channels that the gates keep."""

    stem: int
    stages: tuple[StageSpec, ...]
    squeeze: float

    @property
    def extra(self) -> int:
        """No position beside the map."""
        return 0

    @property
    def width(self) -> int:
        """Channels of a cell."""
        return self.stages[-1].outer

    def grid(self, view: View) -> Grid:
        """The map of a view."""
        rows, cols = _stem(view.size.height), _stem(view.size.width)
        for stage in self.stages:
            rows, cols = (side if stage.stride == 1 else _halved(side) for side in (rows, cols))
        return Grid(rows, cols)

    def cost(self, grid: Grid) -> Cost:
        """One view whose map is ``grid``; sides above are the smallest odd ones that end in it."""
        sides = _sides(grid, self.stages)
        cells = sides[0][0] * sides[0][1]
        cost = count.convolution(cells, 3, 3, self.stem, bias=False) + count.weights(2 * self.stem)
        for stage, (rows, cols), (above, beside) in zip(self.stages, sides[1:], sides, strict=False):
            for place in range(stage.repeats):
                before = above * beside if place == 0 else rows * cols
                cost += self._block(stage, stage.inner if place == 0 else stage.outer, before, rows * cols)
        return cost

    def _block(self, stage: StageSpec, inner: int, before: int, after: int) -> Cost:
        """Expand, convolve each channel alone, gate the channels, project."""
        middle, gate = inner * stage.expand, max(1, int(inner * self.squeeze))
        taps = stage.kernel**2
        widen = count.linear(before, inner, middle, bias=False) + count.weights(2 * middle)
        return count.total(
            widen if stage.expand != 1 else Cost(),
            Cost(2 * after * taps * middle, taps * middle + 2 * middle),
            count.linear(1, middle, gate),
            count.linear(1, gate, middle),
            count.linear(after, middle, stage.outer, bias=False),
            count.weights(2 * stage.outer),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: a widened map before and after its convolution."""
        del eager
        worst = 0
        for grid in set(grids):
            sides = _sides(grid, self.stages)
            for stage, (above, beside) in zip(self.stages, sides, strict=False):
                worst = max(worst, grids.count(grid) * above * beside * (stage.inner + 2 * stage.inner * stage.expand))
        return worst * number


def rounded(channels: float, divisor: int) -> int:
    """Channels to a multiple of ``divisor``, never more than a tenth below."""
    made = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return made + divisor if made < 0.9 * channels else made


def _stem(side: int) -> int:
    """A 3 × 3 convolution of stride two, one row of zeros at the end."""
    return (side + 1 - 3) // 2 + 1


def _halved(side: int) -> int:
    """A convolution of stride two whose padding is one row short at the start."""
    return (side - 2) // 2 + 1 if side > 1 else 1


def _sides(grid: Grid, stages: Sequence[StageSpec]) -> list[tuple[int, int]]:
    """The maps after the stem and after each stage, from the last one upwards."""
    sides = [(grid.rows, grid.cols)]
    for stage in reversed(stages):
        rows, cols = sides[0]
        sides.insert(0, (rows, cols) if stage.stride == 1 else (2 * rows, 2 * cols))
    return sides


def scaled(repeats: int, depth: float) -> int:
    """Blocks of a stage."""
    return math.ceil(depth * repeats)
