"""Idefics3 tiles: the grid against transformers' processor, which resizes real (grey) pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.specs.layouts.tiles import TileSpec

pictures = st.builds(Size, st.integers(1, 3000), st.integers(1, 3000))
RELEASED = {
    "Idefics3-8B": TileSpec(tile=364, longest_edge=1456),
    "SmolVLM-256M": TileSpec(tile=512, longest_edge=2048),
    "SmolVLM-2.2B": TileSpec(tile=384, longest_edge=1536),
}


def theirs(spec: TileSpec, picture: Size) -> Grid | None:
    """The grid that their processor makes, from the arrays that it returns."""
    processor = Idefics3ImageProcessorPil(
        size={"longest_edge": spec.longest_edge}, max_image_size={"longest_edge": spec.tile},
        do_rescale=False, do_normalize=False, return_row_col_info=True,
    )  # fmt: skip
    pixels = np.zeros((3, picture.height, picture.width), dtype=np.uint8)
    made = processor(pixels, input_data_format="channels_first", return_tensors="np")
    assert made["pixel_values"].shape[2:] == (3, spec.tile, spec.tile)
    (rows,), (cols,) = made["rows"][0], made["cols"][0]
    assert made["pixel_values"].shape[1] == rows * cols + 1
    return Grid(rows, cols) if rows else None


@settings(max_examples=150)
@given(
    st.builds(Size, st.integers(1, 300), st.integers(1, 300)).filter(lambda s: s.long / min(s.width, s.height) < 30),
    st.integers(2, 40),
    st.integers(30, 200),
)
def test_grid_as_transformers_at_any_setting(picture: Size, tile: int, edge: int):
    spec = TileSpec(tile=tile, longest_edge=edge)
    assert spec.layout(picture).slices == theirs(spec, picture)


@pytest.mark.parametrize(
    "picture",
    [Size(224, 224), Size(640, 480), Size(1920, 1080), Size(300, 3000), Size(91, 100), Size(1000, 999)],
    ids=str,
)
def test_grid_as_transformers_at_the_released_settings(picture: Size):
    spec = RELEASED["Idefics3-8B"]
    assert spec.layout(picture).slices == theirs(spec, picture)


@pytest.mark.parametrize("picture", [Size(500, 20), Size(20, 500), Size(333, 300)], ids=str)
def test_largest_edge_as_transformers(picture: Size):
    spec = TileSpec(tile=700, longest_edge=4800)  # more than their fixed limit of 4096
    assert spec.layout(picture).slices == theirs(spec, picture)


@pytest.mark.parametrize(
    ("name", "tokens_per_view", "counts"),
    [
        ("Idefics3-8B", 169, (2873, 2873, 2197, 2873, 2197, 845)),
        ("SmolVLM-256M", 64, (1088, 1088, 832, 1088, 832, 320)),
        ("SmolVLM-2.2B", 81, (1377, 1377, 1053, 1377, 1053, 405)),
    ],
)
def test_released_counts(name: str, tokens_per_view: int, counts: tuple[int, ...]):
    sizes = [(224, 224), (336, 336), (640, 480), (1024, 1024), (1920, 1080), (3000, 300)]
    found = [len(RELEASED[name].layout(Size(*size)).views) * tokens_per_view for size in sizes]
    assert tuple(found) == counts


@given(pictures, st.sampled_from(list(RELEASED.values())))
def test_tiles_cover_the_picture_and_the_whole_comes_last(picture: Size, spec: TileSpec):
    layout = spec.layout(picture)
    *tiles, whole = layout.views
    assert (whole.role, whole.source, whole.content) == ("whole", Box.of(picture), None)
    assert {view.size for view in layout.views} == {Size(spec.tile, spec.tile)}
    assert layout.slices is not None
    assert [(view.row, view.col) for view in tiles] == [
        divmod(index, layout.slices.cols) for index in range(layout.slices.tokens)
    ]
    left, top, right, bottom = Ledger.of(picture, tiles, [Grid(4, 4)] * len(tiles)).cells.T
    assert ((right - left) * (bottom - top)).sum() == pytest.approx(picture.area)
    assert not any(
        one.source.intersect(other.source) for index, one in enumerate(tiles) for other in tiles[index + 1 :]
    )


@given(pictures, st.sampled_from(list(RELEASED.values())))
def test_counts_are_symmetric(picture: Size, spec: TileSpec):
    turned = Size(picture.height, picture.width)
    assert len(spec.layout(picture).views) == len(spec.layout(turned).views)


def test_one_tile_is_the_global_view_alone():
    layout = TileSpec(tile=64, longest_edge=64).layout(Size(640, 480))
    assert layout.slices is None
    assert [view.size for view in layout.views] == [Size(64, 64)]
    assert "fits one tile" in layout.why


@pytest.mark.parametrize("bad", [{"tile": 0}, {"longest_edge": -3}, {"max_edge": 0}])
def test_refuses_sides_without_pixels(bad: dict[str, int]):
    settings_ = {"tile": 4, "longest_edge": 8, "max_edge": 16} | bad
    numbers = f"tile {settings_['tile']}, longest edge {settings_['longest_edge']} and largest edge"
    with pytest.raises(SaccadeError, match=rf"at least 1 px, got {numbers} {settings_['max_edge']}"):
        TileSpec(**settings_)
