"""Windows as two matrices against RoIAlign sample by sample; that they tile the map; the way back to patches."""

import numpy as np
import pytest
import torch

from saccade.core.grid import Grid
from saccade.nn.roi_align import align, spread
from saccade.specs.connectors.windows import places
from saccade.specs.layouts.sampling import sampling
from tests.architectures.llava_uhd import small as uhd
from tests.parts import close

GRIDS = [
    Grid(24, 24),
    Grid(12, 48),
    Grid(33, 17),
    Grid(16, 36),
    Grid(64, 144),
    Grid(7, 5),
    Grid(1, 3),
    Grid(2, 40),
    Grid(92, 72),
]
"""Among them windows of less than a cell, and of whole cells a place, where rounding decides how many samples a place
gets: in double precision another number than in single for 92×72, level 4 of a slice of 23×18 patches.
"""


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_windows_are_those_of_roi_align(grid):
    maps = torch.randn(2, grid.rows, grid.cols, 3)
    found = align(maps, 12)
    assert found.shape == (144, 2, places(grid).tokens, 3)
    for view in range(2):
        close(found[:, view], uhd.cut(maps[view], 12), 1e-6)


@pytest.mark.parametrize("grid", [Grid(6, 9), Grid(3, 2)], ids=str)
def test_gradients_are_those_of_roi_align(grid):
    maps = torch.randn(1, grid.rows, grid.cols, 2, requires_grad=True)
    towards = torch.randn(16, places(grid).tokens, 2)
    ours = torch.autograd.grad((align(maps, 4)[:, 0] * towards).sum(), maps)[0]
    theirs = torch.autograd.grad((uhd.cut(maps[0], 4) * towards).sum(), maps)[0]
    close(ours, theirs, 1e-6)


def test_places_are_as_nearest_in_shape():
    for rows in range(1, 49):
        for cols in range(1, 49):
            shape = places(Grid(rows, cols))
            assert (shape.rows, shape.cols) == uhd.pooled(rows, cols)


@pytest.mark.parametrize("grid", [Grid(24, 24), Grid(33, 17), Grid(16, 36), Grid(96, 96)], ids=str)
def test_windows_tile_the_map(grid):
    """Every place is a mean, every row and column is read, and windows follow each other without a gap."""
    for part in sampling(grid, 12):
        assert part.sum(axis=1) == pytest.approx(np.ones(len(part)), abs=1e-6)
        assert (part > 0).any(axis=0).all()
        centres = (part @ np.arange(part.shape[1])).reshape(12, -1)
        cells = part.shape[1] / 12
        middles = [window * cells + cells / 2 for window in range(12)]
        assert centres.mean(axis=1)[:-1] == pytest.approx(middles[:-1], abs=1e-4)  # the last is cut off at the edge
    edges = uhd.boxes(grid.rows, grid.cols, 12)
    assert edges[-1][-1][2:] == pytest.approx((grid.cols, grid.rows))


def test_two_cells_a_window_are_read_where_torchvision_reads_them():
    """By hand: three places in two cells, not shifted by half a cell, so that the third reads one cell further."""
    down, _ = sampling(Grid(24, 24), 12)
    thirds = np.array([[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 1 / 3, 2 / 3]])
    assert down[:3, :3] == pytest.approx(thirds, abs=1e-6)
    assert down[-1, -2:] == pytest.approx([0, 1], abs=1e-6)


@pytest.mark.parametrize("grid", [Grid(24, 24), Grid(5, 9), Grid(40, 11)], ids=str)
def test_the_way_back_is_the_way_there_turned_round(grid):
    maps, weights = torch.randn(2, grid.rows, grid.cols, 1), torch.rand(2, 16, places(grid).tokens)
    there = (align(maps, 4)[..., 0].transpose(0, 1) * weights).sum(dim=-1)
    back = (spread(weights, grid, 4) * maps.reshape(2, 1, -1)).sum(dim=-1)
    close(there, back)
    close(spread(weights / weights.sum(-1, keepdim=True), grid, 4).sum(-1), torch.ones(2, 16))
