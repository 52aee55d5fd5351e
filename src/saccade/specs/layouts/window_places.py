"""The places of a window: numbers alone, so that planning needs no NumPy.

Source  RoIAlign, arXiv:1703.06870, as torchvision has it; see ``windows`` and ``hiwin``.
"""

import math

from saccade.core.grid import Grid

SHAPES = ((4, 2), (3, 2), (4, 3), (3, 3), (2, 4), (2, 3), (3, 4))
"""Width and height of the places in a window, of which the nearest in shape to the map's is taken."""


def places(grid: Grid) -> Grid:
    """The places that a window of this map is resampled to; the first of equally near shapes."""
    aspect = math.log(grid.cols / grid.rows)
    wide, tall = min(SHAPES, key=lambda shape: abs(aspect - math.log(shape[0] / shape[1])))
    return Grid(tall, wide)
