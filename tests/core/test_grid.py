import pytest

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid


def test_counts_its_places():
    grid = Grid(3, 5)
    assert grid.tokens == 15
    assert str(grid) == "3×5"


@pytest.mark.parametrize(("rows", "cols"), [(0, 1), (1, 0), (2, -3)])
def test_refuses_an_empty_grid(rows: int, cols: int):
    with pytest.raises(SaccadeError, match=rf"at least 1×1 places, got {rows}×{cols}"):
        Grid(rows, cols)
