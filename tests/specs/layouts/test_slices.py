"""LLaVA-UHD slices against the published table and against slow transcriptions of both rules."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.core.view import Layout
from saccade.specs.layouts.slices import ArxivSliceSpec, EccvSliceSpec, fit

ECCV = EccvSliceSpec(side=336, patch=14, max_slices=7)
ARXIV = ArxivSliceSpec(side=336, patch=14)
SPECS = st.sampled_from([ECCV, ARXIV, EccvSliceSpec(side=448, patch=14, max_slices=9)])
pictures = st.builds(Size, st.integers(1, 4000), st.integers(1, 4000))


def sizes_of_all_kinds(count: int) -> list[Size]:
    """Every scale as often as every other, squares and near-squares among them, seeded."""
    draw = random.Random(7)
    made = [Size(1, 1), Size(1, 5000), Size(5000, 1)]
    while len(made) < count:
        width = round(math.exp(draw.uniform(0, math.log(6000))))
        ratio = draw.choice([1, 1, 2, 3, 1.5, math.exp(draw.uniform(-2, 2)), math.exp(draw.uniform(-6, 6))])
        made.append(Size(width, max(1, min(round(width * ratio), 6000))))
    return made


def slow_fit(width: float, height: float, upscale: bool) -> tuple[int, int]:
    if width * height > 336 * 336 or upscale:
        ratio = width / height
        height = int(336 / ratio**0.5)
        width = int(height * ratio)
    width, height = math.floor(width / 14) * 14, math.floor(height / 14) * 14
    return (width if width > 0 else 14, height if height > 0 else 14)


def slow_eccv(width: int, height: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None, tuple[int, int]]:
    """(columns, rows), slice size and overview size, step by step as the code is described."""
    ratio = width * height / (336 * 336)
    wanted = min(math.ceil(ratio), 7)
    overview = slow_fit(width, height, wanted <= 1)
    if wanted <= 1:
        return None, None, overview
    best, least = (1, 1), float("inf")
    for number in [n for n in (wanted - 1, wanted, wanted + 1) if n != 1 and n <= 7]:
        for columns in range(1, number + 1):
            if number % columns:
                continue
            error = abs(math.log(width / height) - math.log(columns / (number // columns)))
            if error < least:
                best, least = (columns, number // columns), error
    columns, rows = best
    floored = (max(math.floor(width / columns) * columns, columns), max(math.floor(height / rows) * rows, rows))
    return best, slow_fit(floored[0] / columns, floored[1] / rows, True), overview


def slow_arxiv_scores(width: int, height: int) -> dict[tuple[int, int], float]:
    """The paper's score of every candidate (columns, rows)."""
    wanted = min(math.ceil(width * height / (336 * 336)), 6)
    return {
        (columns, number // columns): -abs(math.log(width * (number // columns) / (height * columns)) - math.log(1))
        for number in (wanted - 1, wanted, wanted + 1)
        if 1 <= number <= 6
        for columns in range(1, number + 1)
        if number % columns == 0
    }


def columns_and_rows(layout: Layout) -> tuple[int, int] | None:
    return None if layout.slices is None else (layout.slices.cols, layout.slices.rows)


TABLE = [  # picture, columns × rows, overview, slice, patches of all views
    ((336, 336), None, (336, 336), None, 576),
    ((500, 333), (2, 1), (406, 266), (280, 378), 1631),
    ((640, 480), (2, 2), (378, 280), (378, 280), 2700),
    ((672, 672), (2, 2), (336, 336), (336, 336), 2880),
    ((1008, 672), (3, 2), (406, 266), (336, 336), 4007),
    ((1024, 1024), (3, 2), (336, 336), (266, 406), 3882),
    ((1920, 1080), (3, 2), (448, 252), (364, 308), 4008),
    ((2048, 2048), (3, 2), (336, 336), (266, 406), 3882),
    ((1000, 200), (3, 1), (742, 140), (420, 252), 2150),
    ((2000, 300), (7, 1), (854, 126), (322, 336), 4413),
]


@pytest.mark.parametrize(("picture", "grid", "overview", "piece", "patches"), TABLE)
def test_the_worked_table(picture, grid, overview, piece, patches):
    layout = ECCV.layout(Size(*picture))
    *slices, last = layout.views
    assert columns_and_rows(layout) == grid
    assert last.size == Size(*overview)
    assert {view.size for view in slices} == ({Size(*piece)} if piece else set())
    assert sum(view.grid(14).tokens for view in layout.views) == patches


def test_eccv_is_the_slow_rule():
    for picture in sizes_of_all_kinds(10_000):
        layout = ECCV.layout(picture)
        grid, piece, overview = slow_eccv(picture.width, picture.height)
        assert columns_and_rows(layout) == grid, picture
        assert layout.views[-1].size == Size(*overview), picture
        assert piece is None or layout.views[0].size == Size(*piece), picture


def test_arxiv_is_the_slow_rule():
    for picture in sizes_of_all_kinds(10_000):
        layout = ARXIV.layout(picture)
        grid = columns_and_rows(layout) or (1, 1)
        scores = slow_arxiv_scores(picture.width, picture.height)
        ranked = sorted(scores.values(), reverse=True)
        assert scores[grid] >= ranked[0] - 1e-12, picture
        if len(ranked) > 1 and ranked[0] - ranked[1] > 1e-12:
            assert scores[grid] == ranked[0], picture
        cell = (picture.width / grid[0], picture.height / grid[1])
        assert layout.views[0].size == Size(*slow_fit(*cell, True)), picture
        assert layout.views[-1].size == Size(*slow_fit(picture.width, picture.height, True)), picture


@pytest.mark.parametrize(
    ("picture", "grid"),
    [
        (Size(300, 300), None),  # 1 of {1, 2}: a square stays whole
        (Size(400, 200), Grid(1, 2)),  # fewer than 336² pixels, and still cut
        (Size(200, 400), Grid(2, 1)),
        (Size(480, 400), None),  # 2 of {1, 2, 3}: one cell fits best
        (Size(672, 1008), Grid(3, 2)),
        (Size(3000, 300), Grid(1, 6)),  # the cap: 7 is not tried
        (Size(2048, 2048), Grid(2, 3)),
    ],
    ids=str,
)
def test_arxiv_examples(picture: Size, grid: Grid | None):
    assert ARXIV.layout(picture).slices == grid


@given(pictures, SPECS)
def test_slices_tile_the_picture_and_the_overview_comes_last(picture: Size, spec: EccvSliceSpec | ArxivSliceSpec):
    layout = spec.layout(picture)
    *slices, overview = layout.views
    assert (overview.role, overview.source, overview.content) == ("whole", Box.of(picture), None)
    assert str(picture) in layout.why
    if layout.slices is None:
        assert not slices
        return
    cols = layout.slices.cols
    assert [(view.row, view.col) for view in slices] == [divmod(i, cols) for i in range(layout.slices.tokens)]
    assert len(slices) <= spec.max_slices
    assert all(view.role == "slice" for view in slices)
    for one in slices:
        beside = [other for other in slices if other.row == one.row and other.col == one.col + 1]
        below = [other for other in slices if other.col == one.col and other.row == one.row + 1]
        assert one.source.right == (beside[0].source.left if beside else picture.width)
        assert one.source.bottom == (below[0].source.top if below else picture.height)
        assert not any(one is not other and one.source.intersect(other.source) for other in slices)
    left, top, right, bottom = Ledger.of(picture, slices, [view.grid(spec.patch) for view in slices]).cells.T
    assert ((right - left) * (bottom - top)).sum() == pytest.approx(picture.area)


@given(st.floats(1, 5000), st.floats(1, 5000))
def test_fit_keeps_the_area(width: float, height: float):
    size = fit(width, height, 336, 14)
    assert size.width % 14 == size.height % 14 == 0
    assert size.area <= 336**2 or min(size.width, size.height) == 14
    if 1 / 8 < width / height < 8:
        # Rounding down costs less than one patch and one pixel's share a side.
        assert size.width + 15 + width / height > 336 * math.sqrt(width / height)
        assert size.height + 15 > 336 * math.sqrt(height / width)


@given(pictures)
def test_paper_bounds_the_shape_of_slices(picture: Size):
    layout = EccvSliceSpec(side=336, patch=14, max_slices=20).layout(picture)
    if layout.slices is None or not 1 / 6 <= picture.aspect <= 6 or picture.area > 20 * 336**2:
        return
    source = layout.views[0].source
    assert 0.5 - 1e-9 <= source.width / source.height <= 2 + 1e-9


def test_a_cap_of_one_is_the_overview_alone():
    for spec in (EccvSliceSpec(side=336, patch=14, max_slices=1), ArxivSliceSpec(side=336, patch=14, max_slices=1)):
        assert len(spec.layout(Size(3000, 1000)).views) == 1


def test_v2_at_nine_slices():
    layout = EccvSliceSpec(side=336, patch=14, max_slices=9).layout(Size(1024, 1024))
    assert layout.slices == Grid(3, 3)


@pytest.mark.parametrize("spec", [EccvSliceSpec, ArxivSliceSpec])
def test_refusals(spec: type[EccvSliceSpec] | type[ArxivSliceSpec]):
    with pytest.raises(SaccadeError, match=r"got patch 15 and side 14 px"):
        spec(side=14, patch=15)
    with pytest.raises(SaccadeError, match=r"got patch 0 and side 14 px"):
        spec(side=14, patch=0)
    with pytest.raises(SaccadeError, match=r"at least 1 .* got 0"):
        spec(side=14, patch=14, max_slices=0)
