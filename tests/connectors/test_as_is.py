import pytest
import torch

from saccade.connectors import build_connector
from saccade.connectors.as_is import AsIs
from saccade.core.grid import Grid
from saccade.core.records.recipe import from_dict, to_dict
from saccade.specs.connectors.as_is import AsIsSpec
from saccade.specs.reader import PARTS
from tests.parts import counted

GRIDS = [Grid(2, 3), Grid(1, 1), Grid(4, 2)]


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_what_goes_in_comes_out(grid, extra):
    spec = AsIsSpec(width=6, extra=extra)
    x = torch.randn(2, grid.tokens + extra, 6)
    assert build_connector(spec)(x, grid) is x
    assert spec.tokens(grid) == grid.tokens + extra == len(spec.groups(grid))
    assert [list(group) for group in spec.groups(grid)] == [[place] for place in range(grid.tokens + extra)]
    assert spec.width_in == spec.width_out == 6
    assert spec.exact
    assert from_dict(to_dict(spec, PARTS), PARTS) == spec


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_it_costs_nothing(grid):
    spec = AsIsSpec(width=6, extra=1)
    size = grid.tokens + 1
    assert counted(lambda: AsIs(spec), lambda made: made(torch.empty(2, size, 6), grid)) == spec.cost(grid)
    assert spec.peak([grid, grid], 4, eager=True) == 2 * size * 6 * 4
