"""Idefics3 tiles: stretch the picture to a grid of square tiles, add the whole at one tile's size.

Law     the long side becomes ``longest_edge`` (small pictures are scaled up), then both sides are rounded up to
        tiles: rows · cols tiles in row order and the global view last. A grid of one tile is the global view alone.
Used by Idefics3, SmolVLM, SmolVLM2 (pictures). Unsplit pictures and video frames are ``StretchSpec`` of one tile.
Loses   the exact aspect: rounding up stretches one axis. The count depends on the aspect only, so a thumbnail costs
        as much as a page of the same shape.
Source  Idefics3, arXiv:2408.12637; rounding as in ``transformers``' Idefics3 processors.

The processor gets to the same canvas by two resizes in a row and shrinks the canvas, not the picture, to the global
view. A view here is resampled once from the picture: same grid, slightly sharper pixels.
"""

from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.layouts.slices import cut
from saccade.specs.parts import ViewsSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class TileSpec(ViewsSpec):
    """``tile`` is the side of a tile, ``longest_edge`` of the scaled picture, at most ``max_edge``; all pixels."""

    tile: int
    longest_edge: int
    max_edge: int = 4096

    def __post_init__(self) -> None:
        if min(self.tile, self.longest_edge, self.max_edge) < 1:
            raise SaccadeError(
                f"tiles need sides of at least 1 px, got tile {self.tile}, longest edge {self.longest_edge} "
                f"and largest edge {self.max_edge}"
            )

    def layout(self, picture: Size) -> Layout:
        """Tiles in row order and the global view, or the global view alone."""
        canvas = self.canvas(picture)
        grid = Grid(canvas.height // self.tile, canvas.width // self.tile)
        tile = Size(self.tile, self.tile)
        whole = View(Box.of(picture), tile)
        if grid.tokens == 1:
            return Layout(picture, (whole,), why=f"the {picture} picture fits one tile of {tile}")
        why = (
            f"the {picture} picture is stretched to {canvas}, {grid.cols} tiles across and {grid.rows} down: "
            f"{grid.tokens} tiles of {tile}, then all of it at {tile}"
        )
        return Layout(picture, (*cut(picture, grid, tile), whole), grid, why)

    def canvas(self, picture: Size) -> Size:
        """The size in whole tiles to which the picture is stretched."""
        width, height = _long_side(picture.width, picture.height, self.longest_edge)
        if picture.width >= picture.height:
            height += height % 2
        else:
            width += width % 2
        width, height = max(width, 1), max(height, 1)
        if max(width, height) > self.max_edge:
            width, height = _long_side(width, height, self.max_edge)
            width, height = max(width, 1), max(height, 1)
        width, height = _long_side(width, height, self._whole(max(width, height)))
        return Size(self._whole(width), self._whole(height))

    def _whole(self, edge: int) -> int:
        """Rounded up to whole tiles, at least one."""
        return max(-(-edge // self.tile), 1) * self.tile


def _long_side(width: int, height: int, edge: int) -> tuple[int, int]:
    """Width and height with the longer at ``edge``, the other rounded down (to 0 for very thin pictures).

    Landscape divides by the aspect and portrait multiplies, in floating point, as the processor does.
    """
    aspect = width / height
    return (edge, int(edge / aspect)) if width >= height else (int(edge * aspect), edge)
