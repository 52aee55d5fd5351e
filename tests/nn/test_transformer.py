import math

import pytest
import torch

from saccade.nn.transformer import resize_table, sincos_2d
from tests.parts import close


@pytest.mark.parametrize(("rows", "cols"), [(2, 3), (4, 4)])
def test_sincos_number_by_number(rows, cols):
    table = sincos_2d(rows, cols, 8, base=100.0)
    for row in range(rows):
        for col in range(cols):
            rates = (1.0, 100.0**-0.5)
            slow = [wave(place * rate) for place in (col, row) for wave in (math.sin, math.cos) for rate in rates]
            close(table[row, col], torch.tensor(slow))


def test_a_table_of_the_right_size_is_left_alone():
    table = torch.randn(3, 4, 2)
    assert resize_table(table, 3, 4) is table


def test_resizing_follows_the_axes():
    """A ramp along one axis stays a ramp along it and level along the other."""
    ramp = torch.arange(8.0)[:, None, None].expand(8, 8, 1)
    larger = resize_table(ramp, 16, 8)
    assert larger.shape == (16, 8, 1)
    assert bool((larger[3:-3, 0, 0].diff() > 0.3).all())
    close(larger, larger[:, :1].expand(-1, 8, -1))
