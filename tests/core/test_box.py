import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from tests.core.strategies import boxes_in

PICTURE = Box.of(Size(320, 160))
boxes = boxes_in(PICTURE)


def test_a_picture_is_a_box():
    assert PICTURE.sides == (0, 0, 320, 160)
    assert (PICTURE.width, PICTURE.height, PICTURE.area, PICTURE.center) == (320, 160, 51_200, (160, 80))


@given(boxes, boxes)
def test_inclusion_and_exclusion(one: Box, two: Box):
    shared, both = one.intersect(two), one.union(two)
    assert shared == two.intersect(one)
    assert both == two.union(one)
    assert both.area >= one.area + two.area - (shared.area if shared else 0)
    for box in (one, two):
        assert both.intersect(box) == box
        if shared:
            assert box.intersect(shared) == shared


def test_boxes_that_touch_share_nothing():
    assert Box(0, 0, 4, 4).intersect(Box(4, 0, 8, 4)) is None
    assert Box(0, 0, 4, 4).intersect(Box(0, 4, 4, 8)) is None
    assert Box(0, 0, 4, 4).intersect(Box(3, 3, 8, 8)) == Box(3, 3, 4, 4)


@given(boxes, st.integers(-50, 50), st.integers(-50, 50))
def test_moving_and_scaling_go_back(box: Box, x: int, y: int):
    assert box.shift(x, y).shift(-x, -y) == box
    assert box.scale(2, 4).scale(0.5, 0.25) == box
    assert box.scale(2, 4).area == 8 * box.area


def test_each_side_moves_its_own_way():
    box = Box(1, 2, 3, 5)
    assert box.shift(10, 20) == Box(11, 22, 13, 25)
    assert box.scale(10, 100) == Box(10, 200, 30, 500)
    assert box.grow(1) == Box(0, 1, 4, 6)


@pytest.mark.parametrize("sides", [(3.0, 0.0, 2.0, 1.0), (0.0, 3.0, 1.0, 2.0), (float("nan"), 0.0, 1.0, 1.0)])
def test_refuses_sides_in_the_wrong_order(sides: tuple[float, float, float, float]):
    with pytest.raises(SaccadeError, match="left ≤ right and top ≤ bottom"):
        Box(*sides)
