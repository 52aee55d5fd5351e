"""Ovis2: the fewest square tiles that keep nearly all of the picture's area, and the whole picture first.

Law     every grid of up to ``most`` tiles keeps a share of the picture's area (a tile whose long side exceeds ``side``
        is scaled down to it); the smallest grid that keeps more than ``enough`` wins, and of equals the one that keeps
        more. Views: the whole, then rows · cols tiles; a grid of one tile is the whole alone.
Used by Ovis1.6, Ovis2.
Loses   what the tiles do not keep; the authors pad tiles to squares, transformers stretches them.
Source  Ovis, arXiv:2405.20797 and its released code; ``transformers``' Ovis2 processor counts alike and transposes the
        grid, so that a wide page is squeezed into a tall canvas: boxes here are the authors'.
"""

from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View


@dataclass(frozen=True, kw_only=True, slots=True)
class CoveringSpec:
    """Tiles of ``side`` pixels, at most ``most`` of them."""

    side: int
    most: int = 9
    enough: float = 0.9

    def __post_init__(self) -> None:
        if self.side < 1 or self.most < 1 or not 0 < self.enough <= 1:
            raise SaccadeError(
                f"covering needs a side and a cap of at least 1 and a share in (0, 1], got {self.side}, {self.most} "
                f"and {self.enough}"
            )

    def layout(self, picture: Size) -> Layout:
        """The whole and the tiles in row order, or the whole alone."""
        square, whole = Size(self.side, self.side), Box.of(picture)
        grid = self.grid(picture) if self.most > 1 else Grid(1, 1)
        kept = f"{100 * self._kept(picture, grid):.0f} % of the area"
        if grid.tokens == 1:
            why = f"{picture} keeps {kept} in one tile of {square}"
            return Layout(picture, (View(whole, square),), why=why)
        tiles = (
            View(box, square, "slice", place // grid.cols, place % grid.cols)
            for place, box in enumerate(_regions(picture, grid))
        )
        why = (
            f"{grid.cols} tiles across and {grid.rows} down are the fewest that keep enough of {picture} ({kept}): all "
            f"of it at {square}, then {grid.tokens} tiles of {square}"
        )
        return Layout(picture, (View(whole, square), *tiles), grid, why)

    def grid(self, picture: Size) -> Grid:
        """The grid that is cut."""
        pairs = [Grid(rows, cols) for rows in range(1, self.most + 1) for cols in range(1, self.most // rows + 1)]
        graded = [(grid, self._kept(picture, grid)) for grid in sorted(pairs, key=lambda grid: grid.tokens)]
        good = [pair for pair in graded if pair[1] > self.enough]
        if good:
            return min(good, key=lambda pair: (pair[0].tokens, -pair[1]))[0]
        return min(graded, key=lambda pair: (-pair[1], pair[0].tokens))[0]

    def _kept(self, picture: Size, grid: Grid) -> float:
        """The share of the picture's area that survives in the tiles of ``grid``."""
        total = 0.0
        for box in _regions(picture, grid, allow_empty=True):
            long, short = max(box.width, box.height), min(box.width, box.height)
            total += self.side * (short / long * self.side) if long > self.side else long * short
        return total / picture.area


def _regions(picture: Size, grid: Grid, *, allow_empty: bool = False) -> list[Box]:
    """Tiles of whole pixels, rounded down; the last of a row or column takes the rest."""
    tall, wide = picture.height // grid.rows, picture.width // grid.cols
    if not allow_empty and (not tall or not wide):
        raise SaccadeError(f"a picture of {picture} is too thin for {grid} tiles")
    return [
        Box(
            col * wide,
            row * tall,
            picture.width if col == grid.cols - 1 else (col + 1) * wide,
            picture.height if row == grid.rows - 1 else (row + 1) * tall,
        )
        for row in range(grid.rows)
        for col in range(grid.cols)
    ]
