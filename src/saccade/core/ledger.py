"""The ledger: which source pixels each visual token carries.

Patches of every view are *cells*, boxes of source pixels. A token is a group of cells. Resize, slice
and pad decide the cells; shuffle, pool, merge and prune decide the groups; steps compose. A learned
query has looked everywhere in its view: its group is the whole view, and it is not ``exact`` (what
it really holds is known *by attention* only).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.size import Size
from saccade.core.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """``cells`` (n × 4: left, top, right, bottom in source pixels; no area under padding), the
    ``view`` index of each cell, one array of cell indices per token in ``groups``, and per token
    whether the group is ``exact``.
    """

    size: Size
    cells: np.ndarray
    view: np.ndarray
    groups: tuple[np.ndarray, ...]
    exact: tuple[bool, ...]

    @classmethod
    def of(cls, size: Size, views: Sequence[View], grids: Sequence[Grid]) -> "Ledger":
        """One token per patch, views in order and patches in row order."""
        if len(views) != len(grids):
            raise SaccadeError(f"the ledger got {len(views)} views but {len(grids)} grids")
        cells = np.concatenate([_cells(view, grid) for view, grid in zip(views, grids, strict=True)])
        index = np.repeat(np.arange(len(views)), [grid.tokens for grid in grids])
        groups = tuple(np.arange(len(cells)).reshape(-1, 1))
        return cls(size, cells, index, groups, (True,) * len(groups))

    @classmethod
    def nothing(cls, size: Size) -> "Ledger":
        """The ledger of a picture of which nobody knows what its tokens carry."""
        return cls(size, np.zeros((0, 4)), np.zeros(0, dtype=int), (), ())

    def __len__(self) -> int:
        return len(self.groups)

    def merge(self, groups: Groups, exact: bool = True) -> "Ledger":
        """The ledger of new tokens, each made of the old tokens in its group."""
        made = []
        for group in groups:
            if len(group) == 0 or int(group.min()) < 0 or int(group.max()) >= len(self):
                raise SaccadeError(f"a merge names tokens {group.tolist()} of a ledger of {len(self)}")
            cells = [self.groups[int(token)] for token in group]
            alone = len(cells) == 1 and len(cells[0]) == 1
            made.append(cells[0] if alone else np.unique(np.concatenate(cells)))
        sure = tuple(exact and all(self.exact[int(token)] for token in group) for group in groups)
        return Ledger(self.size, self.cells, self.view, tuple(made), sure)

    def keep(self, tokens: Sequence[int]) -> "Ledger":
        """The ledger after dropping every token not named; order as named."""
        return self.merge([np.asarray([token]) for token in tokens])

    def boxes(self, token: int) -> list[Box]:
        """The source boxes of one token's cells; padding leaves none."""
        found = self.cells[self.groups[token]]
        return [Box(*map(float, cell)) for cell in found if cell[2] > cell[0] and cell[3] > cell[1]]

    def bounds(self, token: int) -> Box | None:
        """The smallest box around one token's cells, or None for padding."""
        boxes = self.boxes(token)
        if not boxes:
            return None
        left, top, right, bottom = zip(*(box.sides for box in boxes), strict=True)
        return Box(min(left), min(top), max(right), max(bottom))

    def area(self, token: int) -> float:
        """Source pixels under one token, each cell counted once."""
        return sum(box.area for box in self.boxes(token))

    def tokens_at(self, box: Box) -> list[int]:
        """The tokens that carry some of ``box`` (source pixels), in order: the way back."""
        left, top, right, bottom = self.cells.T
        wide = np.minimum(right, box.right) - np.maximum(left, box.left)
        tall = np.minimum(bottom, box.bottom) - np.maximum(top, box.top)
        hit = (wide > 0) & (tall > 0)
        return [token for token, group in enumerate(self.groups) if bool(hit[group].any())]


def _cells(view: View, grid: Grid) -> np.ndarray:
    """Source boxes of a view's patches in row order: the inverse of the view's affine map, clipped."""
    canvas, (x, y) = view.canvas, view.scale
    across = np.linspace(0, view.size.width, grid.cols + 1).clip(canvas.left, canvas.right)
    down = np.linspace(0, view.size.height, grid.rows + 1).clip(canvas.top, canvas.bottom)
    across = (across - canvas.left) / x + view.source.left
    down = (down - canvas.top) / y + view.source.top
    left, top = np.meshgrid(across[:-1], down[:-1])
    right, bottom = np.meshgrid(across[1:], down[1:])
    return np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)
