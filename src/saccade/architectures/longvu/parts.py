"""LongVU: two towers a frame, windowed queries over both, and a budget of positions for the whole video.

Law     a frame has 144 tokens in rows with a newline each (fewer rows or columns where it is not square). Videos:
        frames too alike are dropped, then frames are kept whole or thinned until all fit ``budget`` positions.
Used by LongVU.
Loses   frames like their neighbours; in long videos, tokens like those at the same place a moment before.
Source  LongVU, arXiv:2410.17434 and its released code.

How many frames and tokens survive depends on the pictures: the law gives what is fed when none is alike, and the budget
holds in any case.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from saccade.core.box import Box
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.laws import count
from saccade.specs.laws.path import Video
from saccade.specs.layouts.frames import SampleSpec
from saccade.specs.towers.encoder import EncoderSpec

MOST_FRAMES = 400
"""Frames that the second tower's filter leaves at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterboxSpec:
    """One square view of ``side`` pixels, padded; ``queries`` a side of the token map."""

    side: int
    queries: int = 12

    def layout(self, picture: Size) -> Layout:
        """The view, and as its grid the rows and columns of tokens that carry picture."""
        grid = kept(picture, self.queries)
        square = Size(self.side, self.side)
        scale = self.side / picture.long
        wide, tall = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
        left, top = (self.side - wide) // 2, (self.side - tall) // 2
        view = View(Box.of(picture), square, content=Box(left, top, left + wide, top + tall))
        why = f"{picture} is padded to {square}; {grid} of {self.queries}×{self.queries} tokens carry it"
        return Layout(picture, (view,), grid, why)


def kept(picture: Size, side: int) -> Grid:
    """Rows and columns of a square token map that are not padding; all of it where nothing would be left."""
    if picture.width > picture.height:
        rows = side - 2 * ((side - int(picture.height * side / picture.width)) // 2)
        return Grid(rows, side) if rows > 0 else Grid(side, side)
    cols = side - 2 * ((side - int(picture.width * side / picture.height)) // 2)
    return Grid(side, cols) if cols > 0 else Grid(side, side)


@dataclass(frozen=True, kw_only=True, slots=True)
class RowsSequence:
    """Every row of tokens that carry picture ends in a newline; padding is left out. ``budget`` bounds a video."""

    low: int = 8
    high: int = 12
    budget: int = 8192 - 16

    def slots(self, layout: Layout, tokens: Sequence[int]) -> int:
        """A picture's positions, or a video's."""
        del tokens
        whole = self._rows(layout.size, self.high)
        if layout.times == 1:
            return whole
        thin, frames = self._rows(layout.size, self.low), layout.times
        if frames < self.budget // self.high**2:
            return min(frames * whole, self.budget)
        if frames > self.budget // self.low**2:
            return min(frames * whole, self.budget)
        room = self.budget - frames * thin
        upgraded = min(frames, max(0, room // (whole - thin))) if whole > thin else 0
        return min(self.budget, frames * thin + upgraded * (whole - thin))

    def fed(self, layout: Layout) -> int:
        """Visual tokens among those positions: a row's last is its newline."""
        grid = kept(layout.size, self.high)
        slots = self.slots(layout, ())
        return slots - slots // (grid.cols + 1)

    def _rows(self, size: Size, side: int) -> int:
        grid = kept(size, side)
        return grid.rows * (grid.cols + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class LongVideoSpec:
    """Frames at ``sample``'s rate, at most ``MOST_FRAMES`` after the filter."""

    sample: SampleSpec
    views: LetterboxSpec

    def layout(self, video: Video) -> Layout:
        """One frame's view and how many frames."""
        taken = self.sample.frames(video)
        frames = min(taken, MOST_FRAMES)
        one = self.views.layout(video.size)
        why = f"{taken} of {video.frames} frames at {video.fps:g} fps; if none are alike {frames} are read; {one.why}"
        return replace(one, times=frames, why=why)


@dataclass(frozen=True, kw_only=True, slots=True)
class DualSpec:
    """Two ``towers`` over one frame, each at its own size, their maps resampled to ``side`` × ``side``."""

    towers: tuple[EncoderSpec, EncoderSpec]
    sides: tuple[int, int]
    side: int = 24

    @property
    def extra(self) -> int:
        """Nothing beside the maps."""
        return 0

    def grid(self, view: View) -> Grid:
        """The maps after resampling."""
        del view
        return Grid(self.side, self.side)

    def _grids(self) -> list[tuple[EncoderSpec, Grid]]:
        pairs = zip(self.towers, self.sides, strict=True)
        return [(tower, Grid(side // tower.patch, side // tower.patch)) for tower, side in pairs]

    def cost(self, grid: Grid) -> Cost:
        """One frame through both."""
        del grid
        return count.total(*(tower.cost(own) for tower, own in self._grids()))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment, one tower after the other."""
        return max(tower.peak([own] * len(grids), number, eager=eager) for tower, own in self._grids())


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowQueriesSpec:
    """``queries`` through ``depth`` layers of ``width``, each reading its window in both maps."""

    sources: tuple[int, int]
    width: int
    width_out: int
    queries: int = 144
    depth: int = 3

    def tokens(self, grid: Grid) -> int:
        """Tokens a frame."""
        del grid
        return self.queries

    def grid_out(self, grid: Grid) -> None:
        """A learned query has no place."""
        del grid

    def cost(self, grid: Grid) -> Cost:
        """One frame."""
        width, tokens, cells = self.width, self.queries, grid.tokens
        keys = cells // tokens
        aux = count.total(
            *(
                count.linear(cells, source, width) + count.linear(cells, width, width) + count.weights(2 * width)
                for source in self.sources
            )
        )
        # In a layer: context and queries joined, keys and values of both maps, output, a two-matrix network.
        tables = sum(width * keys for _ in self.sources)
        layer = count.total(
            count.linear(tokens, width, width, bias=False),
            count.linear(tokens, 2 * width, width, bias=False),
            count.linear(tokens, width, width, bias=False),
            *(count.linear(cells, width, width, bias=False) for _ in range(2 * len(self.sources))),
            count.attention(tokens, keys * len(self.sources), width),
            count.linear(tokens, width, width, bias=False),
            count.linear(tokens, width, width, bias=False),
            count.linear(tokens, width, width, bias=False),
            count.weights(2 * width * (2 + 2 * len(self.sources)) + tables),
        )
        out = count.linear(tokens, width, self.width_out) + count.linear(tokens, self.width_out, self.width_out)
        return count.total(aux, count.stack(layer, self.depth), out, count.weights(width + self.width_out))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: both maps, their keys and values."""
        del eager
        return sum(grid.tokens for grid in grids) * 2 * 3 * self.width * number
