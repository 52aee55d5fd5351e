"""Pixels of views: equal to the published pipelines', which resize everything and cut afterwards."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.layouts.resize import CropSpec, PadSpec, StretchSpec
from saccade.specs.layouts.slices import ArxivSliceSpec, EccvSliceSpec
from saccade.specs.layouts.tiles import TileSpec
from saccade.views.sample import normalise, sample, sample_all

LANCZOS = Image.Resampling.LANCZOS
RAW = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
SIZES = [(64, 64), (500, 333), (333, 500), (101, 100), (31, 200), (1, 90), (90, 1), (1003, 40)]


def noise(width: int, height: int) -> Image.Image:
    """The hardest picture for a resampler: every pixel on its own."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def scene(width: int, height: int) -> Image.Image:
    """Smooth as photos are: noise of a few waves."""
    return noise(12, 9).resize((width, height), Image.Resampling.BICUBIC)


def size_of(image: Image.Image) -> Size:
    return Size(image.width, image.height)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_stretch_as_siglip(size: tuple[int, int]):
    image = noise(*size)
    made = SiglipImageProcessorPil(size={"height": 56, "width": 70}, **RAW)(image)["pixel_values"][0]
    (ours,) = sample_all(image, StretchSpec(size=Size(70, 56)).layout(size_of(image)))
    np.testing.assert_array_equal(ours, made.transpose(1, 2, 0))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_crop_as_clip(size: tuple[int, int]):
    image = noise(*size)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 70}, crop_size={"height": 70, "width": 70}, **RAW)
    (ours,) = sample_all(image, CropSpec(size=Size(70, 70)).layout(size_of(image)))
    np.testing.assert_array_equal(ours, processor(image)["pixel_values"][0].transpose(1, 2, 0))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pad_as_llava(size: tuple[int, int]):
    image, edge = noise(*size), {"shortest_edge": 70}
    processor = LlavaImageProcessorPil(size=edge, crop_size={"height": 70, "width": 70}, do_pad=True, **RAW)
    (ours,) = sample_all(image, PadSpec(size=Size(70, 70)).layout(size_of(image)))
    np.testing.assert_array_equal(ours, processor(image)["pixel_values"][0].transpose(1, 2, 0))


@pytest.mark.parametrize("spec", [EccvSliceSpec(side=56, patch=14), ArxivSliceSpec(side=56, patch=14)], ids=type)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_slices_as_resized_whole_and_cut(size: tuple[int, int], spec: EccvSliceSpec | ArxivSliceSpec):
    image = noise(*size)
    layout = spec.layout(size_of(image))
    *slices, overview = sample_all(image, layout)
    last = layout.views[-1].size
    np.testing.assert_array_equal(overview, np.asarray(image.resize((last.width, last.height), 3)))
    if layout.slices is None:
        return
    width, height = layout.views[0].size.width, layout.views[0].size.height
    whole = np.asarray(image.resize((width * layout.slices.cols, height * layout.slices.rows), 3))
    for view, ours in zip(layout.views, slices, strict=False):
        down, across = view.row * height, view.col * width
        np.testing.assert_array_equal(ours, whole[down : down + height, across : across + width])
        np.testing.assert_array_equal(ours, sample(image, view))


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (200, 200), (900, 90)], ids=str)
def test_tiles_as_idefics3(size: tuple[int, int]):
    image, spec = scene(*size), TileSpec(tile=56, longest_edge=224)
    processor = Idefics3ImageProcessorPil(
        size={"longest_edge": 224}, max_image_size={"longest_edge": 56}, return_row_col_info=True, **RAW
    )
    made = processor(image)
    layout = spec.layout(size_of(image))
    assert layout.slices == Grid(made["rows"][0][0], made["cols"][0][0])
    ours = np.stack(sample_all(image, layout, resample=LANCZOS)).astype(int)
    gap = np.abs(ours - made["pixel_values"][0].transpose(0, 2, 3, 1))
    # They resample the tiles twice in a row and the global view three times.
    assert gap.mean() < 0.8
    assert gap.max() <= 16


def test_tiles_are_exact_where_idefics3_resizes_once():
    image = noise(224, 168)  # the canvas already
    processor = Idefics3ImageProcessorPil(size={"longest_edge": 224}, max_image_size={"longest_edge": 56}, **RAW)
    ours = sample_all(image, TileSpec(tile=56, longest_edge=224).layout(size_of(image)), resample=LANCZOS)
    np.testing.assert_array_equal(np.stack(ours), processor(image)["pixel_values"][0].transpose(0, 2, 3, 1))


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 6), st.integers(1, 6), st.data())
def test_any_box_is_a_cut_from_the_whole(width: int, height: int, cols: int, rows: int, data: st.DataObject):
    image, side = noise(width, height), 8
    col, row = data.draw(st.integers(0, cols - 1)), data.draw(st.integers(0, rows - 1))
    cell = Box(col / cols, row / rows, (col + 1) / cols, (row + 1) / rows).scale(width, height)
    whole = np.asarray(image.resize((side * cols, side * rows), Image.Resampling.BICUBIC))
    part = whole[row * side : (row + 1) * side, col * side : (col + 1) * side]
    np.testing.assert_array_equal(sample(image, View(cell, Size(side, side))), part)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 40), st.integers(1, 40))
def test_every_layout_gives_its_sizes(width: int, height: int, across: int, down: int):
    image, canvas = Image.new("RGB", (width, height), (10, 20, 30)), Size(across, down)
    for spec in (StretchSpec(size=canvas), CropSpec(size=canvas), EccvSliceSpec(side=28, patch=7)):
        layout = spec.layout(size_of(image))
        found = sample_all(image, layout)
        assert [pixels.shape for pixels in found] == [(v.size.height, v.size.width, 3) for v in layout.views]
        # A picture of one colour stays so: nothing from beyond its edge is let in.
        assert all((pixels == (10, 20, 30)).all() for pixels in found)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 40), st.integers(1, 40))
def test_padding_lies_where_the_view_says(width: int, height: int, across: int, down: int):
    layout = PadSpec(size=Size(across, down)).layout(Size(width, height))
    (pixels,) = sample_all(Image.new("RGB", (width, height), "white"), layout, colour=(0, 0, 0))
    place = layout.views[0].canvas
    # The filter blends as far as two pixels of the coarser of both pictures.
    rim = 2 * max(1, *layout.views[0].scale) + 1
    inner = place.grow(-rim) if min(place.width, place.height) > 2 * rim else Box(0, 0, 0, 0)
    assert (pixels[math.ceil(inner.top) : int(inner.bottom), math.ceil(inner.left) : int(inner.right)] == 255).all()
    outer = place.grow(rim)
    outside = pixels.copy()
    outside[max(int(outer.top), 0) : int(outer.bottom) + 1, max(int(outer.left), 0) : int(outer.right) + 1] = 0
    assert not outside.any()


def test_a_padded_part_shows_nothing_around_it():
    image = Image.new("RGB", (40, 40), "red")
    image.paste("white", (10, 10, 30, 20))
    view = View(Box(10, 10, 30, 20), Size(20, 20), content=Box(0, 5, 20, 15))
    pixels = sample(image, view, colour=(0, 0, 255))
    assert (pixels[5:15] == 255).all()
    assert (pixels[:5] == (0, 0, 255)).all()
    assert (pixels[15:] == (0, 0, 255)).all()
    both = sample(image, View(Box(10, 10, 30, 20), Size(30, 20), content=Box(5, 5, 25, 15)), colour=(0, 0, 255))
    assert (both[5:15, 5:25] == 255).all()
    assert (both[:, :5] == (0, 0, 255)).all()


def test_thin_pictures_need_no_square():
    # Padded to a square first, as published, these would take 120 GB.
    for size in ((200_000, 2), (2, 200_000)):
        image = Image.new("RGB", size, "white")
        (pixels,) = sample_all(image, PadSpec(size=Size(56, 56)).layout(size_of(image)))
        across, down = (slice(None), 28) if size[0] > size[1] else (28, slice(None))
        assert (pixels[down, across] == 255).all()
        assert (pixels == 255).all(axis=-1).sum() == 56


def test_padding_colour_is_zero_for_clip():
    (pixels,) = sample_all(Image.new("RGB", (10, 1)), PadSpec(size=Size(20, 20)).layout(Size(10, 1)))
    batch = normalise([pixels], (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    assert batch[0, :, 0].abs().max() < 0.015


def test_normalise_as_transformers():
    image = noise(80, 50)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    theirs = processor(image, return_tensors="pt")["pixel_values"]
    raw = processor(image, **RAW)["pixel_values"][0].transpose(1, 2, 0)
    ours = normalise([raw.copy()], processor.image_mean, processor.image_std)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_refuses_views_of_another_picture():
    image = noise(40, 30)
    layout = StretchSpec(size=Size(8, 8)).layout(Size(40, 31))
    with pytest.raises(SaccadeError, match="is for a picture of 40×31 px, this one has 40×30; lay it out again"):
        sample_all(image, layout)
    for source in (Box(0, 0, 40, 30.5), Box(-1, 0, 4, 4), Box(50, 50, 60, 60)):
        with pytest.raises(SaccadeError, match=r"a view reads \(.*\) of a picture of 40×30 px; lay the views out"):
            sample(image, View(source, Size(8, 8)))


def test_rounding_beyond_the_edge_is_forgiven():
    image = noise(40, 30)
    ours = sample(image, View(Box(0, 0, 40 + 1e-9, 30 + 1e-9), Size(8, 8)))
    np.testing.assert_array_equal(ours, sample(image, View(Box(0, 0, 40, 30), Size(8, 8))))


def test_refuses_other_modes():
    with pytest.raises(SaccadeError, match="needs an RGB picture, got mode L; open it with open_picture"):
        sample(Image.new("L", (4, 4)), View(Box(0, 0, 4, 4), Size(2, 2)))


def test_normalise_refuses():
    one, other = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)
    half = (0.5, 0.5, 0.5)
    with pytest.raises(SaccadeError, match="views of 1 size, got 4×4, 6×4; normalise the views of each size apart"):
        normalise([one, other], half, half)
    with pytest.raises(SaccadeError, match="got no views"):
        normalise([], half, half)
    with pytest.raises(SaccadeError, match=r"three means and three positive deviations are needed, got"):
        normalise([one], half, (0.5, 0.0, 0.5))
    with pytest.raises(SaccadeError, match=r"three means"):
        normalise([one], (0.5,), half)


def test_an_empty_layout_has_no_pixels():
    assert sample_all(noise(4, 4), Layout(Size(4, 4), ())) == []
