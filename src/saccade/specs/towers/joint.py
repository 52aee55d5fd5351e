"""A tower whose patches attend across the frames of one step, and whose output is averaged over them.

Law     patches of a step = one frame's; attention grows with the square of all its frames' patches.
Used by Kimi-K2.5 for videos.
Loses   what differs between the frames of a step.
Source  transformers' Kimi-K2.5 class. A last step of fewer frames is counted as a whole one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.towers.encoder import EncoderSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class JointSpec:
    """``tower`` over ``frames`` frames at once."""

    tower: EncoderSpec
    frames: int

    @property
    def extra(self) -> int:
        """As in the tower."""
        return self.tower.extra

    def grid(self, view: View) -> Grid:
        """Patches of one frame, which is what leaves."""
        return self.tower.grid(view)

    def _all(self, grid: Grid) -> Grid:
        return Grid(grid.rows * self.frames, grid.cols)

    def cost(self, grid: Grid) -> Cost:
        """One step."""
        return self.tower.cost(self._all(grid))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment."""
        return self.tower.peak([self._all(grid) for grid in grids], number, eager=eager)
