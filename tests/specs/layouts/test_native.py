"""Pictures in their own shape. Sizes as transformers computes them: tests/exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs.layouts.native import PaddedNativeSpec, SmartResizeSpec

SMART = SmartResizeSpec(block=28, low=3136, high=784 * 256)
pictures = st.builds(Size, st.integers(1, 4000), st.integers(1, 4000))


@given(pictures.filter(lambda size: size.long <= 200 * min(size.width, size.height)))
def test_smart_sides_are_whole_blocks_within_the_bounds(picture: Size):
    (view,) = SMART.layout(picture).views
    assert view.size.width % 28 == view.size.height % 28 == 0
    assert min(view.size.width, view.size.height) >= 28
    # A side that is lifted to one block may carry the picture over the bound.
    assert view.size.area <= SMART.high or min(view.size.width, view.size.height) == 28
    assert view.size.area >= SMART.low


def test_which_bound_was_met_is_told():
    assert "shrunk to max_pixels 200,704" in SMART.layout(Size(1000, 1000)).why
    assert "enlarged to min_pixels 3,136" in SMART.layout(Size(20, 20)).why
    assert "pixels" not in SMART.layout(Size(280, 280)).why


@pytest.mark.parametrize("picture", [Size(4000, 19), Size(19, 4000)], ids=str)
def test_a_thread_is_refused(picture: Size):
    with pytest.raises(SaccadeError, match="211 to 1, this model takes at most 200 to 1"):
        SMART.layout(picture)


@pytest.mark.parametrize("wrong", [{"block": 0}, {"low": 0}, {"high": 0}])
def test_smart_refuses_bounds_below_one(wrong: dict[str, int]):
    with pytest.raises(SaccadeError, match="at least 1 px"):
        SmartResizeSpec(**{"block": 28, "low": 1, "high": 9, **wrong})


@given(pictures, st.booleans())
def test_padding_is_less_than_a_block_and_the_picture_lies_at_the_left_top(picture: Size, refuses: bool):
    spec = PaddedNativeSpec(patch=14, fold=2, patches=1024, side=512, refuses=refuses)
    (view,) = spec.layout(picture).views
    content = view.canvas
    assert (content.left, content.top) == (0, 0)
    assert 0 <= view.size.width - content.width < 28
    assert 0 <= view.size.height - content.height < 28
    assert content.width <= picture.width
    assert content.height <= picture.height
    # The scale is taken from whole patches, so that a broken one at the edge may carry it a little over the bound.
    whole = max(1, picture.width // 14) * max(1, picture.height // 14)
    assert content.area <= max(1024 / whole, 0) * picture.area + 1 or content.area == picture.area


def test_too_many_patches_a_side_are_refused_or_shrunk():
    refusing, shrinking = (
        PaddedNativeSpec(patch=14, fold=2, patches=10**6, side=512, refuses=refuses) for refuses in (True, False)
    )
    with pytest.raises(SaccadeError, match=r"572 patches .* fewer than 512; make it at most 7140 px"):
        refusing.layout(Size(8000, 100))
    assert shrinking.layout(Size(8000, 100)).views[0].size.width == 512 * 14
    assert refusing.layout(Size(7140, 100)).views[0].size.width == 7140


def test_padded_refuses_numbers_below_one():
    with pytest.raises(SaccadeError, match="are at least 1, got 14, 2, 0 and 512"):
        PaddedNativeSpec(patch=14, fold=2, patches=0, side=512)
