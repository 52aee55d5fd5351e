import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import View
from tests.core.strategies import boxes_in, views


def near(box: Box | None, other: Box) -> bool:
    return box is not None and box.sides == pytest.approx(other.sides, abs=1e-6)


@given(st.data(), views())
def test_there_and_back(data: st.DataObject, view: View):
    seen = data.draw(boxes_in(view.source))
    on_view = view.to_view(seen)
    assert on_view is not None
    assert near(view.to_source(on_view), seen)
    shown = data.draw(boxes_in(view.canvas))
    at_source = view.to_source(shown)
    assert at_source is not None
    assert near(view.to_view(at_source), shown)


@given(views())
def test_the_whole_canvas_is_the_whole_source(view: View):
    assert near(view.to_source(view.canvas), view.source)
    assert near(view.to_view(view.source), view.canvas)
    # What goes beyond is clipped, not extrapolated.
    assert near(view.to_source(Box.of(view.size).grow(7)), view.source)
    assert near(view.to_view(view.source.grow(7)), view.canvas)


@given(st.data(), views())
def test_areas_scale_by_the_scale(data: st.DataObject, view: View):
    seen = data.draw(boxes_in(view.source))
    on_view = view.to_view(seen)
    assert on_view is not None
    x, y = view.scale
    assert on_view.area == pytest.approx(seen.area * x * y)


def test_a_letterbox_by_hand():
    # 200×100 pixels on a 50×50 canvas: a quarter of the size, 12.5 px of padding above and below.
    view = View(Box(0, 0, 200, 100), Size(50, 50), content=Box(0, 12.5, 50, 37.5))
    assert view.scale == (0.25, 0.25)
    assert view.to_view(Box(100, 0, 200, 50)) == Box(25, 12.5, 50, 25)
    assert view.to_source(Box(25, 0, 50, 25)) == Box(100, 0, 200, 50)
    assert view.to_source(Box(0, 0, 50, 12.5)) is None
    assert view.to_source(Box(0, 37.5, 50, 50)) is None


def test_a_slice_by_hand():
    view = View(Box(100, 50, 200, 100), Size(50, 50), "slice", row=1, col=1)
    assert view.scale == (0.5, 1.0)
    assert view.to_view(Box(0, 0, 120, 60)) == Box(0, 0, 10, 10)
    assert view.to_source(Box(0, 0, 10, 10)) == Box(100, 50, 120, 60)
    assert view.to_view(Box(0, 0, 100, 50)) is None


def test_splits_into_patches_row_by_row():
    assert View(Box(0, 0, 9, 9), Size(64, 32)).grid(16) == Grid(2, 4)


@pytest.mark.parametrize("size", [Size(60, 64), Size(64, 60)], ids=str)
def test_refuses_a_ragged_patch(size: Size):
    with pytest.raises(
        SaccadeError, match=rf"a view of {size} px does not split into 16 px patches; .*multiples of 16"
    ):
        View(Box(0, 0, 9, 9), size).grid(16)


def test_refuses_a_view_of_nothing():
    with pytest.raises(SaccadeError, match=r"needs some source pixels"):
        View(Box(3, 0, 3, 5), Size(8, 8))
