"""Tokens from regions: spread over a raster, read by learned queries, or one a region.

Law     raster: raster² tokens (12 × 12 = 144); queries: as many as asked for; list: one a row, ``most`` + 1.
Used by the survey's object-centric variant, with 144 tokens.
Loses   raster: of regions that share a place their mean, by coverage and score; queries: what none of them asks for;
        list: nothing, padding is read as well. Of all three it is known by attention only what a token holds: a
        region's vector was made of its whole crop.
Source  the survey's description; which formula stands for its "pooling" is decided here. Queries as in LLaVA-UHD's
        resampler, arXiv:2403.11703; the projector is LLaVA-1.5's, arXiv:2310.03744.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.layer import softmax_bytes
from saccade.specs.parts import ConnectorSpec
from saccade.specs.towers.regions import GEOMETRY, RowSpec


def placed(rows: int, features: int) -> Cost:
    """A region's place as a vector, added to its feature: two matrices."""
    return count.linear(rows, GEOMETRY, features) + count.linear(rows, features, features)


def projected(tokens: int, width_in: int, width_out: int) -> Cost:
    """LLaVA's projector."""
    return count.linear(tokens, width_in, width_out) + count.linear(tokens, width_out, width_out)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionsSpec(ConnectorSpec):
    """Every place of the raster is the mean of the regions that cover it, by coverage × score, and of the whole view as
    far as they leave it uncovered; learned positions, then the projector.
    """

    features: int
    width_out: int
    raster: int = 12

    def __post_init__(self) -> None:
        if self.raster < 1:
            raise SaccadeError(f"regions: a raster has at least 1 × 1 places, got {self.raster} × {self.raster}")

    @property
    def row(self) -> RowSpec:
        """The channels of a row that comes in."""
        return RowSpec(features=self.features, raster=self.raster)

    @property
    def width_in(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a row that comes in."""
        return self.row.width

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every number of regions."""
        del grid
        return self.raster**2

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        tokens, rows = self.tokens(grid), grid.tokens
        return count.total(
            placed(rows, self.features),
            Cost(2 * tokens * rows * self.features),
            count.weights(tokens * self.features),
            projected(tokens, self.features, self.width_out),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: rows as they came in, their vectors, and tokens around the activation."""
        del eager
        rows, tokens = sum(grid.tokens for grid in grids), sum(self.tokens(grid) for grid in grids)
        read = rows * (self.width_in + self.raster**2 + self.features)
        return (read + tokens * (self.features + 2 * self.width_out)) * number


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionQueriesSpec(ConnectorSpec):
    """``queries`` learned vectors read the whole view and its regions by one cross-attention layer, and no padding."""

    features: int
    width_out: int
    queries: int = 144
    heads: int = 8
    raster: int = 12

    def __post_init__(self) -> None:
        if self.queries < 1 or self.raster < 1:
            raise SaccadeError(
                f"regions: at least 1 query and a raster of 1 × 1 are needed, got {self.queries} and "
                f"{self.raster} × {self.raster}"
            )
        if self.heads < 1 or self.width_out % self.heads:
            raise SaccadeError(f"regions: width {self.width_out} must be a multiple of the {self.heads} heads")

    @property
    def row(self) -> RowSpec:
        """The channels of a row that comes in."""
        return RowSpec(features=self.features, raster=self.raster)

    @property
    def width_in(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a row that comes in."""
        return self.row.width

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every number of regions."""
        del grid
        return self.queries

    def cost(self, grid: Grid) -> Cost:
        """One view; masked rows are read like the others."""
        width, rows = self.width_out, grid.tokens
        return count.total(
            placed(rows, self.features),
            count.linear(rows, self.features, width, bias=False),
            count.weights(self.queries * width),
            *(count.linear(tokens, width, width) for tokens in (self.queries, rows, rows, self.queries)),
            count.attention(self.queries, rows, width),
            *(count.norm(width) for _ in range(3)),
            count.linear(self.queries, width, width, bias=False),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: keys and values around their matrices, or queries around theirs.

        Beside either stand the rows as they came in and as they are looked at, and the queries before views are told
        apart.
        """
        width, rows = self.width_out, sum(grid.tokens for grid in grids)
        scores, asked = self.heads * self.queries * rows if eager else 0, len(grids) * self.queries * width
        beside = rows * (self.width_in + width) + self.queries * width
        return (beside + max(4 * rows * width + asked, 3 * asked)) * number + softmax_bytes(scores, number)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionListSpec(ConnectorSpec):
    """One token for the whole view and one for each of the tower's ``most`` regions; those of padding are all alike."""

    features: int
    width_out: int
    raster: int = 12

    def __post_init__(self) -> None:
        if self.raster < 1:
            raise SaccadeError(f"regions: a raster has at least 1 × 1 places, got {self.raster} × {self.raster}")

    @property
    def row(self) -> RowSpec:
        """The channels of a row that comes in."""
        return RowSpec(features=self.features, raster=self.raster)

    @property
    def width_in(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a row that comes in."""
        return self.row.width

    def tokens(self, grid: Grid) -> int:
        """One a row."""
        return grid.tokens

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        rows = grid.tokens
        return placed(rows, self.features) + projected(rows, self.features, self.width_out)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: rows as they came in, their vectors, and tokens around the activation."""
        del eager
        rows = sum(grid.tokens for grid in grids)
        return rows * (self.width_in + self.features + 2 * self.width_out) * number
