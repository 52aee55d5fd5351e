"""Square tiles on the canvas whose shape is nearest to the picture's, and the whole picture once more.

Law     of all grids of ``least`` to ``most`` tiles the one nearest in aspect; of equally near ones a larger grid wins
        while the picture has more than half of its pixels. Tiles: rows · cols; a grid of one tile is the whole alone.
Used by InternVL (whole last), DeepSeek-OCR's Gundam modes and DeepSeek-OCR-2 (whole last, larger than a tile).
Loses   the exact aspect: the picture is stretched to the canvas.
Source  InternVL 1.5, arXiv:2404.16821; ties as in transformers' GOT-OCR2 and DeepSeek-OCR-2 processors.
"""

from dataclasses import dataclass
from functools import lru_cache

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.layouts.slices import cut
from saccade.specs.parts import ViewsSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class CanvasSpec:
    """``least`` to ``most`` tiles of ``tile`` pixels a side, then the whole at one tile's size, stretched."""

    tile: int
    least: int = 1
    most: int = 12

    def __post_init__(self) -> None:
        _check(self.tile, self.least, self.most)

    def layout(self, picture: Size) -> Layout:
        """Tiles in row order and the whole, or the whole alone."""
        tile, whole = Size(self.tile, self.tile), Box.of(picture)
        if self.most == 1:
            return Layout(picture, (View(whole, tile),), why=f"all of {picture} is stretched to one tile of {tile}")
        grid = nearest_canvas(picture, self.tile, self.least, self.most)
        if grid.tokens == 1:
            why = f"{picture} is nearest in shape to one tile: stretched to {tile}"
            return Layout(picture, (View(whole, tile),), why=why)
        why = (
            f"of all grids of {self.least} to {self.most} tiles, {grid.cols} across and {grid.rows} down is nearest in "
            f"shape to {picture}: {grid.tokens} tiles of {tile}, then all of it at {tile}"
        )
        return Layout(picture, (*cut(picture, grid, tile), View(whole, tile)), grid, why)


@dataclass(frozen=True, kw_only=True, slots=True)
class PagesSpec(ViewsSpec):
    """DeepSeek-OCR: one padded square of ``base`` pixels, after tiles of ``tile`` for pictures larger than a tile.

    A ``tile`` of 0 means no tiles. ``stretched`` squares (the Tiny and Small modes) lose the aspect instead of padding,
    which is of one ``colour``. Where the padding does not halve, the picture goes up and left; with ``even`` half a
    pixel is rounded to the even number, as Pillow's ``pad`` does, whom DeepSeek-OCR asks.
    """

    base: int
    tile: int = 0
    least: int = 2
    most: int = 9
    stretched: bool = False
    even: bool = False
    colour: tuple[int, int, int] = (127, 127, 127)

    def __post_init__(self) -> None:
        _check(self.base, self.least, self.most)

    @property
    def padding(self) -> tuple[int, int, int]:
        """What the whole is padded with."""
        return self.colour

    @property
    def pasted(self) -> bool:
        """Resized first, as Pillow's ``pad`` does."""
        return True

    def layout(self, picture: Size) -> Layout:
        """Tiles in row order, then the whole."""
        whole, how = self._whole(picture)
        if not self.tile or picture.long <= self.tile:
            return Layout(picture, (whole,), why=how)
        grid = nearest_canvas(picture, self.tile, self.least, self.most)
        tile = Size(self.tile, self.tile)
        why = (
            f"{grid.cols} tiles across and {grid.rows} down, {tile} each, are nearest in shape to {picture}; then {how}"
        )
        return Layout(picture, (*cut(picture, grid, tile), whole), grid, why)

    def _whole(self, picture: Size) -> tuple[View, str]:
        square = Size(self.base, self.base)
        if self.stretched:
            return View(Box.of(picture), square), f"all of {picture} is stretched to {square}"
        scale = self.base / picture.long
        wide, tall = round(picture.width * scale), round(picture.height * scale)
        if not wide or not tall:
            raise SaccadeError(
                f"a picture of {picture} would be 0 px thin at {self.base} px; cut it into pieces or pad it"
            )
        left, top = (round(gap / 2) if self.even else gap // 2 for gap in (self.base - wide, self.base - tall))
        content = Box(left, top, left + wide, top + tall)
        return View(Box.of(picture), square, content=content), f"all of {picture} at {wide}×{tall}, padded to {square}"


@lru_cache(maxsize=64)
def _grids(least: int, most: int) -> tuple[Grid, ...]:
    """Every grid of ``least`` to ``most`` cells, by cells, then by columns."""
    found = [Grid(rows, cols) for cols in range(1, most + 1) for rows in range(1, most // cols + 1)]
    return tuple(sorted((grid for grid in found if grid.tokens >= least), key=lambda grid: grid.tokens))


def nearest_canvas(picture: Size, tile: int, least: int, most: int) -> Grid:
    """The grid nearest in aspect to ``picture``; of equals the last that the picture fills by more than half."""
    best, nearest = Grid(1, 1), float("inf")
    for grid in _grids(least, most):
        away = abs(picture.aspect - grid.cols / grid.rows)
        if away < nearest or (away == nearest and picture.area > 0.5 * tile * tile * grid.cols * grid.rows):
            best, nearest = grid, away
    return best


def _check(tile: int, least: int, most: int) -> None:
    if tile < 1:
        raise SaccadeError(f"a tile needs a side of at least 1 px, got {tile}")
    if not 1 <= least <= most:
        raise SaccadeError(f"tiles need 1 ≤ least ≤ most, got {least} and {most}")
