"""Tiles on the nearest canvas, covering tiles, crops and quarters. Counts as in transformers: tests/exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout
from saccade.specs.layouts.canvas import CanvasSpec, PagesSpec, nearest_canvas
from saccade.specs.layouts.covering import CoveringSpec
from saccade.specs.layouts.crops import PanScanSpec, QuartersSpec

pictures = st.builds(Size, st.integers(8, 3000), st.integers(8, 3000))
SPECS = [
    CanvasSpec(tile=448, most=12),
    CanvasSpec(tile=448, most=1),
    PagesSpec(base=1024, tile=640, most=9),
    PagesSpec(base=512, stretched=True),
    CoveringSpec(side=448, most=9),
    PanScanSpec(side=896),
    QuartersSpec(),
    QuartersSpec(split=False),
]


def tiles(layout: Layout) -> list[tuple[float, float, float, float]]:
    return [view.source.sides for view in layout.views if view.role == "slice"]


@pytest.mark.parametrize("spec", SPECS, ids=repr)
@given(pictures)
def test_slices_tile_the_picture_and_one_view_shows_all_of_it(spec: CanvasSpec, picture: Size):
    layout = spec.layout(picture)
    (whole,) = (view for view in layout.views if view.role == "whole")
    assert whole.source.sides == (0, 0, picture.width, picture.height)
    cut = tiles(layout)
    assert (layout.slices is None) == (not cut)
    if layout.slices is not None:
        assert len(cut) == layout.slices.tokens
        assert sum((right - left) * (bottom - top) for left, top, right, bottom in cut) == pytest.approx(picture.area)
        assert {(view.row, view.col) for view in layout.views if view.role == "slice"} == {
            (row, col) for row in range(layout.slices.rows) for col in range(layout.slices.cols)
        }
        assert np.asarray(cut).min(axis=0)[:2].tolist() == [0, 0]
        assert np.asarray(cut).max(axis=0)[2:].tolist() == [picture.width, picture.height]


@given(pictures, st.integers(1, 3), st.integers(3, 12))
def test_no_other_canvas_is_nearer(picture: Size, least: int, most: int):
    grid = nearest_canvas(picture, 448, least, most)
    others = [Grid(r, c) for r in range(1, most + 1) for c in range(1, most + 1) if least <= r * c <= most]
    away = [abs(picture.aspect - other.cols / other.rows) for other in others]
    assert abs(picture.aspect - grid.cols / grid.rows) == min(away)


def test_equally_near_canvases_go_by_the_pixels_of_the_picture():
    assert nearest_canvas(Size(448, 448), 448, 1, 12) == Grid(1, 1)
    assert nearest_canvas(Size(1000, 1000), 448, 1, 12) == Grid(3, 3)


def test_covering_takes_the_fewest_tiles_that_keep_enough():
    assert CoveringSpec(side=448).grid(Size(400, 400)) == Grid(1, 1)
    assert CoveringSpec(side=448).grid(Size(896, 448)) == Grid(1, 2)  # a wide page stays wide
    assert CoveringSpec(side=448).grid(Size(448, 896)) == Grid(2, 1)


def test_a_page_is_padded_in_the_middle_or_stretched():
    (whole,) = PagesSpec(base=1024).layout(Size(800, 400)).views
    assert whole.canvas.sides == (0, 256, 1024, 768)
    (stretched,) = PagesSpec(base=512, stretched=True).layout(Size(800, 400)).views
    assert stretched.content is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: CanvasSpec(tile=0), "side of at least 1 px, got 0"),
        (lambda: CanvasSpec(tile=9, least=4, most=3), "1 ≤ least ≤ most, got 4 and 3"),
        (lambda: PagesSpec(base=0), "side of at least 1 px, got 0"),
        (lambda: PagesSpec(base=1024).layout(Size(8000, 3)), "0 px thin at 1024 px"),
        (lambda: CoveringSpec(side=0), "at least 1"),
        (lambda: CoveringSpec(side=448, enough=0), r"share in \(0, 1\]"),
        (lambda: QuartersSpec(low=980, high=378), "1 ≤ shortest ≤ longest, got 980 and 378"),
        (lambda: QuartersSpec().layout(Size(9, 1)), "cannot be halved"),
    ],
)
def test_refusals(call, said: str):
    with pytest.raises(SaccadeError, match=said):
        call()
