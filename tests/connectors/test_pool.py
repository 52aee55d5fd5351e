import math

import pytest
import torch

from saccade.connectors.pool import Pool
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.connectors.pool import PoolSpec
from tests.parts import close, counted

SPEC = PoolSpec(width_in=6, width_out=8, rows=2, cols=3)
GRIDS = [Grid(2, 3), Grid(4, 6), Grid(5, 7), Grid(9, 4)]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_slow_means_give_the_same(grid):
    ours, patches = Pool(SPEC), torch.randn(2, grid.tokens, 6)
    image = patches.reshape(2, grid.rows, grid.cols, 6)
    means = []
    for row in range(2):
        for col in range(3):
            down = range(math.floor(row * grid.rows / 2), math.ceil((row + 1) * grid.rows / 2))
            across = range(math.floor(col * grid.cols / 3), math.ceil((col + 1) * grid.cols / 3))
            cells = [image[:, y, x] for y in down for x in across]
            means.append(sum(cells) / len(cells))
    close(ours(patches, grid), ours.project(torch.stack(means, dim=1)))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_cost_is_what_torch_counts(grid):
    assert SPEC.cost(grid) == counted(lambda: Pool(SPEC), lambda part: part(torch.empty(1, grid.tokens, 6), grid))


def test_refuses_a_view_with_fewer_patches_than_tokens():
    with pytest.raises(SaccadeError, match="fewer patches than the 2×3 tokens wanted; ask for fewer"):
        Pool(SPEC)(torch.randn(1, 4, 6), Grid(2, 2))
    with pytest.raises(SaccadeError, match="at least 1×1 tokens, got 0×3"):
        PoolSpec(width_in=6, width_out=8, rows=0, cols=3)
