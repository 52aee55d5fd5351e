"""What a region tower found in a picture, for drawings: masks, and boxes of the picture's own pixels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.view import View
from saccade.nn.masks import Mask
from saccade.runtime.encoded import pixels_of
from saccade.runtime.reader import Reader
from saccade.towers.regions import RegionTower
from saccade.views.open import open_picture
from saccade.views.sample import normalise


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One region: its ``view``'s number, ``mask`` in that view's pixels, ``score``, and its ``box`` in the picture's.

    ``strips`` are the mask's runs of pixels, row by row, as boxes of the picture: left, top, right, bottom.
    """

    view: int
    mask: Mask
    score: float
    box: Box
    strips: Float[np.ndarray, "runs 4"]


def regions_of(reader: Reader, image: Image.Image) -> list[Region]:
    """The regions that ``reader`` makes its tokens of, best first in every view; those in padding alone are left out.

    Raises SaccadeError for readers whose tower reads no regions.
    """
    if not isinstance(reader.tower, RegionTower):
        raise SaccadeError(f"{type(reader.tower).__name__} reads views whole and finds no regions; take a region tower")
    picture = open_picture(image)
    layout, found = reader.layout(picture), []
    for number, (view, pixels) in enumerate(zip(layout.views, pixels_of(reader.spec, picture, layout), strict=True)):
        (regions,) = reader.tower.regions(normalise([pixels], reader.spec.mean, reader.spec.std))
        for mask, score, sides in zip(regions.masks, regions.scores, regions.boxes, strict=True):
            box = view.to_source(Box(*map(float, sides)))
            if box is not None:
                found.append(Region(number, mask, float(score), box, _strips(mask, view)))
    return found


def _strips(mask: Mask, view: View) -> Float[np.ndarray, "runs 4"]:
    """Where runs of a mask's rows lie in the picture; what lies in padding has no area and is left out."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (rows, first), (_, last) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    boxes = [view.to_source(Box(*map(float, run))) for run in zip(first, rows, last, rows + 1, strict=True)]
    return np.array([box.sides for box in boxes if box is not None]).reshape(-1, 4)
