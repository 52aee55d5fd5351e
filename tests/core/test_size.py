import math

import pytest
from hypothesis import given

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from tests.core.strategies import sizes


@given(sizes)
def test_turning_a_picture_mirrors_its_aspect(size: Size):
    turned = Size(size.height, size.width)
    assert turned.area == size.area == size.width * size.height
    assert turned.long == size.long
    assert turned.aspect == pytest.approx(1 / size.aspect)
    assert turned.log_aspect == pytest.approx(-size.log_aspect)


def test_figures_of_a_landscape():
    size = Size(672, 336)
    assert (size.area, size.long, size.aspect, str(size)) == (225_792, 672, 2.0, "672×336")
    assert size.log_aspect == pytest.approx(math.log(2))


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (-1, 5)])
def test_refuses_a_picture_without_pixels(width: int, height: int):
    with pytest.raises(SaccadeError, match=rf"at least 1×1 pixels, got {width}×{height}"):
        Size(width, height)
