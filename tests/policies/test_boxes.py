import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.policies.boxes import WindowBoxes, around, overlap, windows
from tests.policies.fake import grid, peak

SIDES = st.integers(1, 2000)


@st.composite
def heats(draw: st.DrawFn) -> AttentionMap:
    """Any picture up to 20 : 1, any map, with holes in it."""
    short = draw(st.integers(1, 300))
    long = min(6000, int(short * draw(st.floats(1, 20))))
    size = Size(long, short) if draw(st.booleans()) else Size(short, long)
    rows, cols = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    weights = rng.random((rows, cols)) ** draw(st.sampled_from([0, 1, 8]))
    if draw(st.booleans()):
        weights[rng.random((rows, cols)) < 0.3] = np.nan
    return grid(size, weights)


@settings(deadline=None, max_examples=120)
@given(
    heats(),
    st.sampled_from([WindowBoxes(), WindowBoxes(shares=(0.02,), peak=0, count=4), WindowBoxes(shares=(1.0,), peak=0)]),
)
def test_every_box_lies_in_the_picture_and_is_not_too_small(heat: AttentionMap, rule: WindowBoxes) -> None:
    for box in windows(heat, rule):
        whole = Box.of(heat.size)
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= whole.right + 1e-6
        assert box.bottom <= whole.bottom + 1e-6
        assert box.width >= min(rule.least, heat.size.width) - 1e-6
        assert box.height >= min(rule.least, heat.size.height) - 1e-6


@settings(deadline=None)
@given(st.builds(Size, SIDES, SIDES), st.floats(0, 1), st.floats(0, 1), st.floats(0, 3))
def test_a_widened_box_is_moved_into_the_picture(size: Size, x: float, y: float, margin: float) -> None:
    box = Box(x * size.width, y * size.height, (x + 1) / 2 * size.width, (y + 1) / 2 * size.height)
    made = around(box, size, margin)
    assert made.left >= 0
    assert made.top >= 0
    assert made.right <= size.width
    assert made.bottom <= size.height
    assert made.width == pytest.approx(min(size.width, max(box.width * (1 + 2 * margin), 8)))
    assert made.height == pytest.approx(min(size.height, max(box.height * (1 + 2 * margin), 8)))


@pytest.mark.parametrize("size", [Size(300, 1500), Size(1500, 300), Size(9000, 6000), Size(40, 40), Size(400, 20)])
@pytest.mark.parametrize(("x", "y"), [(0.2, 0.3), (0.85, 0.1), (0.5, 0.95), (0.97, 0.97)])
def test_the_best_box_holds_the_peak(size: Size, x: float, y: float) -> None:
    (box,) = windows(peak(size, x, y), WindowBoxes())
    assert box.left <= x * size.width <= box.right
    assert box.top <= y * size.height <= box.bottom
    assert box.area < 0.3 * size.area


def test_a_map_without_a_peak_gives_no_box() -> None:
    size = Size(640, 480)
    assert windows(grid(size, np.ones((24, 24))), WindowBoxes()) == ()
    assert windows(grid(size, np.zeros((24, 24))), WindowBoxes()) == ()
    assert windows(grid(size, np.full((24, 24), np.nan)), WindowBoxes()) == ()


def test_numbers_that_are_none_do_not_win() -> None:
    weights = np.full((16, 16), 0.01)
    weights[0, 0] = np.nan
    weights[12, 12] = 5.0
    (box,) = windows(grid(Size(160, 160), weights), WindowBoxes())
    assert box.left <= 125 <= box.right
    assert box.top <= 125 <= box.bottom


def test_heat_below_zero_counts_as_none() -> None:
    weights = np.full((16, 16), 0.01)
    weights[0] = -5.0
    weights[12, 12] = 5.0
    (box,) = windows(grid(Size(160, 160), weights), WindowBoxes())
    assert box.left <= 125 <= box.right
    assert box.top <= 125 <= box.bottom


def test_even_heat_in_a_third_of_the_picture_is_a_peak() -> None:
    weights = np.zeros((24, 24))
    weights[:, :8] = 1.0
    (box,) = windows(grid(Size(240, 240), weights), WindowBoxes(shares=(0.25,), aspects=(1.0,)))
    assert box.right <= 80 + 1e-6


def test_between_shapes_the_steepest_fall_wins_and_not_the_most_heat_per_pixel() -> None:
    weights = np.zeros((24, 24))
    weights[8:16, 8:16] = 1.0
    weights[11:13, 11:13] = 1.1
    (box,) = windows(grid(Size(240, 240), weights), WindowBoxes(shares=(1 / 8, 1 / 3), aspects=(1.0,)))
    assert box.sides == pytest.approx((80, 80, 160, 160))


def test_a_window_reaches_the_last_pixel() -> None:
    weights = np.zeros((48, 48))
    weights[-1, -1] = 1.0
    (box,) = windows(grid(Size(480, 480), weights), WindowBoxes(shares=(0.25,), aspects=(1.0,)))
    assert (box.right, box.bottom) == pytest.approx((480, 480))


def test_a_window_wider_than_the_picture_keeps_its_area() -> None:
    (box,) = windows(peak(Size(300, 1500), 0.5, 0.5), WindowBoxes(shares=(0.5,), aspects=(4.0,), peak=0))
    assert (box.width, box.height) == pytest.approx((300, 375))


def test_a_long_peak_gets_a_long_box() -> None:
    weights = np.full((32, 32), 0.01)
    weights[16, 4:28] = 1.0
    (box,) = windows(grid(Size(320, 320), weights), WindowBoxes())
    assert box.width / box.height >= 3.9


def test_several_peaks_give_several_boxes_the_best_first() -> None:
    size = Size(400, 400)
    both = grid(size, peak(size, 0.2, 0.2).weights.reshape(16, 16) * 1.5 + peak(size, 0.8, 0.8).weights.reshape(16, 16))
    first, second = windows(both, WindowBoxes(shares=(0.25,), aspects=(1.0,), count=3))
    assert first.right < 200 < second.left
    assert overlap(first, second) == 0
    assert len(windows(both, WindowBoxes(shares=(0.25,), aspects=(1.0,), count=1))) == 1


def test_a_faint_second_peak_is_no_box() -> None:
    size = Size(400, 400)
    both = grid(size, peak(size, 0.2, 0.2).weights.reshape(16, 16) * 5 + peak(size, 0.8, 0.8).weights.reshape(16, 16))
    assert len(windows(both, WindowBoxes(shares=(0.25,), aspects=(1.0,), count=3))) == 1


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(Box(0, 0, 2, 2), Box(1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap(Box(0, 0, 1, 1), Box(1, 0, 2, 1)) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"shares": ()}, {"shares": (1.2,)}, {"aspects": (0.0,)}, {"count": 0}, {"least": 0}, {"peak": float("nan")}],
)
def test_windows_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SaccadeError, match=r"windows take|is a number, got nan"):
        WindowBoxes(**wrong)
