import math

import pytest

from saccade.core.grid import Grid
from saccade.specs.groups import blocks, everything, identity


def test_identity_and_everything():
    assert [group.tolist() for group in identity(3)] == [[0], [1], [2]]
    assert [group.tolist() for group in everything(3, 2)] == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize(("grid", "rows", "cols"), [(Grid(4, 6), 2, 3), (Grid(5, 7), 2, 3), (Grid(3, 3), 3, 3)])
def test_blocks_are_the_patches_that_a_place_overlaps(grid, rows, cols):
    for place, group in enumerate(blocks(grid, rows, cols)):
        row, col = divmod(place, cols)
        slow = [
            y * grid.cols + x
            for y in range(math.floor(row * grid.rows / rows), math.ceil((row + 1) * grid.rows / rows))
            for x in range(math.floor(col * grid.cols / cols), math.ceil((col + 1) * grid.cols / cols))
        ]
        assert group.tolist() == slow


def test_blocks_that_divide_share_nothing():
    seen = [patch for group in blocks(Grid(4, 6), 2, 3) for patch in group]
    assert sorted(seen) == list(range(24))
