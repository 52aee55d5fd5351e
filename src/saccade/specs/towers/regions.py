"""A tower that reads objects: masks, one feature each, and where each lies.

Law     ``most`` + 1 rows a view: the whole view, then its regions, best first; rows that no region fills are zeros, and
        cost what the others do, so that views batch.
Used by the survey's object-centric variant, which it takes for DeepSeek-OCR's; no published system reads pictures so.
Loses   what no mask holds, print above all; the looks of a region beyond one vector; regions beyond ``most``.
Source  the survey's description. CLIP, arXiv:2103.00020, reads the crops; masks are SAM's, arXiv:2304.02643, or a
        weight-free segmenter's (``nn/segment.py``). That DeepSeek-OCR has no masks: arXiv:2510.18234 and its code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.laws import count
from saccade.specs.parts import TowerSpec
from saccade.specs.towers.vit import HubTowerSpec, StemTowerSpec

GEOMETRY = 6
"""Numbers that say where a region lies: centre across and down, width, height, area, and its score; from 0 to 1."""
AT_ONCE = 256
"""Crops that the inner tower reads in one step: those of 64 views would take gigabytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSpec:
    """The channels of a row, in this order: ``features``; geometry; how much of each of ``raster`` × ``raster`` places
    the mask covers, times its score; 1 where there is a region, 0 where there is none.
    """

    features: int
    raster: int

    @property
    def width(self) -> int:
        """All channels."""
        return self.features + GEOMETRY + self.raster**2 + 1


@dataclass(frozen=True, kw_only=True)
class RegionTowerSpec(TowerSpec):
    """At most ``most`` regions a view, each cut out with a tenth of its box around it, what its mask leaves out in the
    mean colour, as a square of ``side`` pixels that ``inner`` reads.

    A feature is the mean of a crop's patches; with ``joint`` channels it is the class token behind a norm and a
    projection, CLIP's embedding of a picture. Either is divided by the root of its mean square, so that its direction
    counts alone, as in CLIP, and a channel is about 1 in size. Pixels come normalised by ``mean`` and ``std``, which
    are undone for the segmenter.
    """

    inner: HubTowerSpec | StemTowerSpec
    most: int = 30
    side: int = 224
    raster: int = 12
    joint: int = 0
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.most < 1 or self.raster < 1:
            raise SaccadeError(
                f"regions: at least 1 region and a raster of 1 × 1 are needed, got {self.most} and "
                f"{self.raster} × {self.raster}"
            )
        if self.side < 1 or self.side % self.inner.patch:
            near = max(1, round(self.side / self.inner.patch)) * self.inner.patch
            raise SaccadeError(
                f"regions: crops of {self.side} px do not split into {self.inner.patch} px patches; take {near}"
            )
        if (self.joint > 0) != (self.inner.extra > 0) or self.joint < 0:
            raise SaccadeError(
                f"regions: a joint embedding is made of a kept class token, and a kept one is there for nothing else; "
                f"got {self.joint} channels and {self.inner.extra} class tokens"
            )

    @property
    def rows(self) -> int:
        """The whole view and its regions."""
        return self.most + 1

    @property
    def features(self) -> int:
        """Channels of a region's feature."""
        return self.joint or self.inner.width

    @property
    def row(self) -> RowSpec:
        """The channels of a row."""
        return RowSpec(features=self.features, raster=self.raster)

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a row."""
        return self.row.width

    @property
    def undone(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The segmenter and the crops are handed the picture's own values."""
        return self.mean, self.std

    @property
    def patch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Pixels a side of a crop's patch."""
        return self.inner.patch

    @property
    def crop(self) -> Grid:
        """Patches of a crop."""
        return Grid(self.side // self.inner.patch, self.side // self.inner.patch)

    def grid(self, view: View) -> Grid:
        """Rows of any view: a list, no map."""
        del view
        return Grid(self.rows, 1)

    def cost(self, grid: Grid) -> Cost:
        """One view: as many crops as rows. Finding masks counts nothing here: it may be SAM's work or nobody's."""
        one = self.inner.cost(self.crop)
        crops = Cost(one.flops * grid.tokens, one.params)
        if not self.joint:
            return crops
        inner = self.inner.width
        return count.total(crops, count.norm(inner), count.linear(grid.tokens, inner, self.joint, bias=False))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: crops that wait, and those that are read at once.

        Views are of any size, so their own pixels, and the masks, are not among it.
        """
        crops = sum(grid.tokens for grid in grids)
        waiting = max(0, crops - AT_ONCE) * 3 * self.side**2 * number
        return waiting + self.inner.peak([self.crop] * min(crops, AT_ONCE), number, eager=eager)
