"""Frames and sizes within a budget: never above it, in the picture's shape, the largest that fits."""

from math import log

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs.layouts.resize import CropSpec, PadSpec, ResizeThenCropSpec, StretchSpec
from saccade.specs.layouts.resized import frame_within, is_framed, reframed, shrunk, side_within, uncropped
from saccade.specs.layouts.slices import ArxivSliceSpec

PATCH = 8
FRAME = Size(128, 128)
KINDS = (PadSpec, CropSpec, StretchSpec)
pictures = st.builds(Size, st.integers(1, 3000), st.integers(1, 3000))


def patches(views: PadSpec | CropSpec | StretchSpec) -> int:
    """A token a patch."""
    return (views.size.width // PATCH) * (views.size.height // PATCH)


def squared(size: Size) -> int:
    """A token for each 10 px square that is begun."""
    return -(-size.width // 10) * -(-size.height // 10)


@pytest.mark.parametrize("kind", KINDS)
@given(picture=pictures, tokens=st.integers(1, 300))
@examples(max_examples=60)
def test_frames_fit_in_whole_patches_within_the_models_own(kind: type[PadSpec], picture: Size, tokens: int) -> None:
    size = frame_within(kind(size=FRAME), PATCH, picture, tokens, patches).size
    cols, rows = size.width // PATCH, size.height // PATCH
    assert (cols * PATCH, rows * PATCH) == (size.width, size.height)
    assert 1 <= cols <= 16
    assert 1 <= rows <= 16
    assert cols * rows <= tokens


@given(picture=pictures, tokens=st.integers(1, 300))
def test_frames_keep_the_shape_as_far_as_whole_patches_allow(picture: Size, tokens: int) -> None:
    size = frame_within(CropSpec(size=FRAME), PATCH, picture, tokens, patches).size
    cols, rows, aspect = size.width / PATCH, size.height / PATCH, picture.width / picture.height
    # One column or row less or more would be on the other side of the picture's shape, or there is no such frame.
    near = abs(log(cols / rows / aspect)) <= log(1 + 1 / int((cols * rows) ** 0.5)) + 1e-9
    ends = abs(cols - rows * aspect) < 1 or abs(rows - cols / aspect) < 1
    assert near or ends or min(cols, rows) == 1


@pytest.mark.parametrize("kind", KINDS)
@given(picture=pictures, tokens=st.integers(1, 300))
@examples(max_examples=30)
def test_all_of_the_picture_is_shown(kind: type[PadSpec], picture: Size, tokens: int) -> None:
    """A crop to 4 × 2 patches would cut a third of a 4:3 picture."""
    (view,) = frame_within(kind(size=FRAME), PATCH, picture, tokens, patches).layout(picture).views
    assert view.source == Box.of(picture)


def test_a_crop_becomes_a_stretch_and_other_ways_of_viewing_stay() -> None:
    assert uncropped(CropSpec(size=FRAME), Size(32, 16)) == StretchSpec(size=Size(32, 16))
    assert uncropped(PadSpec(size=FRAME), Size(32, 16)) == PadSpec(size=Size(32, 16))


@given(picture=pictures, tokens=st.integers(1, 255))
def test_a_larger_budget_is_never_shown_less(picture: Size, tokens: int) -> None:
    less, more = (frame_within(CropSpec(size=FRAME), PATCH, picture, one, patches) for one in (tokens, tokens + 1))
    assert patches(less) <= patches(more)


@pytest.mark.parametrize(
    ("picture", "tokens", "frame"),
    [
        (Size(400, 300), 256, Size(128, 96)),
        (Size(300, 400), 192, Size(96, 128)),
        (Size(400, 400), 64, Size(64, 64)),
        (Size(300, 170), 64, Size(80, 48)),
        (Size(300, 170), 240, Size(128, 80)),
        (Size(2000, 90), 16, Size(128, 8)),
        (Size(2000, 90), 300, Size(128, 8)),
        (Size(1, 500), 5, Size(8, 40)),
        (Size(400, 300), 1, Size(8, 8)),
    ],
    ids=str,
)
def test_frames_by_hand(picture: Size, tokens: int, frame: Size) -> None:
    assert frame_within(PadSpec(size=FRAME), PATCH, picture, tokens, patches).size == frame


def test_frames_are_made_of_whatever_the_connector_folds() -> None:
    def folded(views: PadSpec) -> int:
        """A token for each 2 × 2 patches."""
        if views.size.width % 16 or views.size.height % 16:
            raise SaccadeError("odd")
        return views.size.width * views.size.height // 256

    assert frame_within(PadSpec(size=FRAME), PATCH, Size(400, 300), 12, folded).size == Size(64, 48)


def test_a_connector_that_takes_no_other_frame_keeps_its_own() -> None:
    def square(views: PadSpec) -> int:
        if views.size != FRAME:
            raise SaccadeError("another frame")
        return 64

    views = PadSpec(size=FRAME)
    assert frame_within(views, PATCH, Size(400, 300), 64, square) == views
    with pytest.raises(SaccadeError, match="400×300 cannot be shown in 63 visual tokens, the fewest are 64"):
        frame_within(views, PATCH, Size(400, 300), 63, square)


def test_a_fixed_number_of_tokens_is_refused_below_it() -> None:
    with pytest.raises(SaccadeError, match="in 4 visual tokens, the fewest are 32 visual tokens; raise the budget"):
        frame_within(PadSpec(size=FRAME), PATCH, Size(400, 300), 4, lambda views: 32)


@given(picture=pictures, tokens=st.integers(1, 5000))
def test_sides_are_the_longest_that_fit(picture: Size, tokens: int) -> None:
    side = side_within(picture, tokens, squared)
    assert 1 <= side <= picture.long
    assert squared(shrunk(picture, side)) <= tokens
    if side < picture.long:
        assert squared(shrunk(picture, side + 1)) > tokens


def test_a_picture_that_fits_is_not_made_smaller() -> None:
    assert side_within(Size(40, 30), 12, squared) == 40


def test_sizes_that_are_refused_as_too_small_are_passed_over() -> None:
    def least(size: Size) -> int:
        if size.long < 30:
            raise SaccadeError("too small")
        return squared(size)

    assert side_within(Size(100, 100), 20, least) == 40
    with pytest.raises(SaccadeError, match="100×100 cannot be shown in 8 visual tokens, the fewest are 9"):
        side_within(Size(100, 100), 8, least)


@pytest.mark.parametrize("side", [1, 2, 999, 1000])
def test_shrinking_keeps_the_shape_and_at_least_a_pixel(side: int) -> None:
    found = shrunk(Size(1000, 3), side)
    assert found.width == side
    assert found.height == max(1, round(3 * side / 1000))


def test_one_frame_for_every_picture_is_known_as_such() -> None:
    assert all(is_framed(kind(size=FRAME)) for kind in KINDS)
    assert not is_framed(ResizeThenCropSpec(size=FRAME, crop=Size(96, 96)))
    assert not is_framed(ArxivSliceSpec(side=336, patch=14, max_slices=6))
    assert not is_framed(None)


def test_another_frame_changes_nothing_else() -> None:
    views = PadSpec(size=FRAME, colour=(1, 2, 3))
    assert reframed(views, Size(8, 16)) == PadSpec(size=Size(8, 16), colour=(1, 2, 3))
