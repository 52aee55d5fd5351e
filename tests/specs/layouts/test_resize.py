"""The three fixed-size layouts; sizes and offsets against the rules written out, pixels in tests/views."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.layouts.resize import CLIP_MEAN_COLOUR, CropSpec, PadSpec, StretchSpec

pictures = st.builds(Size, st.integers(1, 5000), st.integers(1, 5000))
canvases = st.builds(Size, st.integers(1, 100), st.integers(1, 100)).map(lambda s: Size(s.width * 7, s.height * 7))


def only(layout: Layout) -> View:
    (view,) = layout.views
    assert view.role == "whole"
    assert layout.slices is None
    assert str(layout.size) in layout.why
    assert str(view.size) in layout.why
    return view


def covered(layout: Layout) -> float:
    """Source pixels under all cells of 7 px patches."""
    view = only(layout)
    left, top, right, bottom = Ledger.of(layout.size, [view], [view.grid(7)]).cells.T
    return float(((right - left) * (bottom - top)).sum())


@given(pictures, canvases)
def test_stretch_sees_every_pixel_once(picture: Size, canvas: Size):
    layout = StretchSpec(size=canvas).layout(picture)
    assert only(layout).source == Box.of(picture)
    assert only(layout).content is None
    assert covered(layout) == pytest.approx(picture.area)


@given(pictures, canvases)
def test_crop_covers_the_canvas_from_the_middle(picture: Size, canvas: Size):
    spec = CropSpec(size=canvas)
    layout, scaled = spec.layout(picture), spec.scaled(picture)
    source = only(layout).source
    assert only(layout).content is None
    assert scaled.width == canvas.width or scaled.height == canvas.height
    assert scaled.width >= canvas.width
    assert scaled.height >= canvas.height
    assert source.left >= 0
    assert source.top >= 0
    assert source.right <= picture.width * (1 + 1e-12)
    assert source.bottom <= picture.height * (1 + 1e-12)
    # As much is cut on either side, up to one scaled pixel.
    assert abs(source.left - (picture.width - source.right)) <= picture.width / scaled.width + 1e-6
    assert abs(source.top - (picture.height - source.bottom)) <= picture.height / scaled.height + 1e-6
    assert covered(layout) == pytest.approx(source.area)


@pytest.mark.parametrize(
    ("picture", "scaled", "source"),
    [
        (Size(640, 480), Size(448, 336), (80, 0, 560, 480)),
        (Size(480, 640), Size(336, 448), (0, 80, 480, 560)),
        (Size(336, 336), Size(336, 336), (0, 0, 336, 336)),
        # 336 · 500/333 = 504.5 rounds down, (504 − 336) // 2 = 84
        (Size(500, 333), Size(504, 336), (84 * 500 / 504, 0, 420 * 500 / 504, 333)),
        # 336 · 101/100 = 339.36; the odd pixel goes at the right: offset (339 − 336) // 2 = 1
        (Size(101, 100), Size(339, 336), (101 / 339, 0, 337 * 101 / 339, 100)),
    ],
)
def test_crop_rounds_as_published(picture: Size, scaled: Size, source: tuple[float, ...]):
    spec = CropSpec(size=Size(336, 336))
    assert spec.scaled(picture) == scaled
    assert only(spec.layout(picture)).source.sides == pytest.approx(source)


@given(pictures, canvases)
def test_pad_keeps_everything_and_its_shape(picture: Size, canvas: Size):
    layout = PadSpec(size=canvas).layout(picture)
    view = only(layout)
    assert view.source == Box.of(picture)
    x, y = view.scale
    assert x == pytest.approx(y)
    place = view.canvas
    assert place.width == canvas.width or place.height == canvas.height
    assert place.left >= 0
    assert place.top >= 0
    # In the middle, up to the part that is rounded down to whole source pixels on one side.
    assert -1e-6 <= (canvas.width - place.right) - place.left <= 2 * x + 1e-6 or place.width == canvas.width
    assert -1e-6 <= (canvas.height - place.bottom) - place.top <= 2 * y + 1e-6 or place.height == canvas.height
    assert covered(layout) == pytest.approx(picture.area)


@given(pictures)
def test_pad_to_a_square_centres_whole_source_pixels(picture: Size):
    place = PadSpec(size=Size(336, 336)).content(picture)
    unit = 336 / picture.long  # view pixels per source pixel
    left, top = (picture.long - picture.width) // 2, (picture.long - picture.height) // 2
    assert place.sides == pytest.approx(
        (left * unit, top * unit, (left + picture.width) * unit, (top + picture.height) * unit)
    )


def test_padding_is_the_mean_colour():
    mean = (0.48145466, 0.4578275, 0.40821073)  # CLIP's
    assert CLIP_MEAN_COLOUR == tuple(int(part * 255) for part in mean)


@pytest.mark.parametrize("colour", [(0, 0, 256), (-1, 0, 0)])
def test_refuses_a_colour_that_is_none(colour: tuple[int, int, int]):
    with pytest.raises(SaccadeError, match=rf"3 parts from 0 to 255, got \({colour[0]}, 0, {colour[2]}\)"):
        PadSpec(size=Size(1, 1), colour=colour)
