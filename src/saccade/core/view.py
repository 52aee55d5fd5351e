"""A view: a box of source pixels resampled to a size."""

from dataclasses import dataclass
from typing import Literal

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size

Role = Literal["whole", "slice"]
"""``whole`` shows all of the picture (an overview, a global view); ``slice`` a part of it (a tile)."""


@dataclass(frozen=True, slots=True)
class View:
    """``source`` pixels of the picture land on ``content`` of a ``size`` canvas; the rest is padding.

    ``content`` is in view pixels and covers the canvas unless given. ``row`` and ``col`` place a
    slice in its layout's grid, counted from 0.
    """

    source: Box
    size: Size
    role: Role = "whole"
    row: int = 0
    col: int = 0
    content: Box | None = None

    def __post_init__(self) -> None:
        if self.source.area <= 0:
            raise SaccadeError(f"a view needs some source pixels, got the box {self.source.sides}")

    @property
    def canvas(self) -> Box:
        """Where the source lands, in view pixels."""
        return self.content if self.content is not None else Box.of(self.size)

    @property
    def scale(self) -> tuple[float, float]:
        """View pixels per source pixel, across and down."""
        return (self.canvas.width / self.source.width, self.canvas.height / self.source.height)

    def to_source(self, box: Box) -> Box | None:
        """The source pixels under ``box`` (view pixels); None where there is only padding."""
        seen = box.intersect(self.canvas)
        if seen is None:
            return None
        x, y = self.scale
        moved = seen.shift(-self.canvas.left, -self.canvas.top).scale(1 / x, 1 / y)
        return moved.shift(self.source.left, self.source.top)

    def to_view(self, box: Box) -> Box | None:
        """Where the source pixels of ``box`` land, in view pixels; None where they are not seen."""
        seen = box.intersect(self.source)
        if seen is None:
            return None
        x, y = self.scale
        moved = seen.shift(-self.source.left, -self.source.top).scale(x, y)
        return moved.shift(self.canvas.left, self.canvas.top)

    def grid(self, patch: int) -> Grid:
        """Patches of ``patch`` pixels a side. Raises where they do not tile the view."""
        if self.size.width % patch or self.size.height % patch:
            raise SaccadeError(
                f"a view of {self.size} px does not split into {patch} px patches; make both sides multiples of {patch}"
            )
        return Grid(self.size.height // patch, self.size.width // patch)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a picture of ``size`` is looked at: ``views`` in the order in which the language model reads them.

    ``slices`` is the grid of the slices, None for an unsliced picture. ``why`` says in words how it came about.
    ``times`` is how often it is looked at so: once, or for every step of a video.
    """

    size: Size
    views: tuple[View, ...]
    slices: Grid | None = None
    why: str = ""
    times: int = 1
