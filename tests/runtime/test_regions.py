"""Regions of a picture in its own pixels, through the view and back."""

import numpy as np
import pytest
from PIL import Image

from saccade.backends.random_init import build, from_spec
from saccade.core.errors import SaccadeError
from saccade.nn.masks import Regions
from saccade.runtime.regions import regions_of
from tests.regions import shapes, spec


def test_boxes_and_strips_lie_in_the_picture():
    """A wide picture of twice the view's pixels: padded above and below, and halved. Edges are soft by a pixel."""
    whole, blocks = Image.new("RGB", (128, 64), (20, 20, 30)), [(10, 8, 50, 32), (70, 20, 112, 52)]
    for box, colour in zip(blocks, [(220, 60, 40), (60, 200, 90)], strict=True):
        whole.paste(colour, box)
    found = sorted(regions_of(from_spec(spec()), whole), key=lambda region: region.box.left)
    assert len(found) == 2
    for region, box in zip(found, blocks, strict=True):
        assert region.box.sides == pytest.approx(box, abs=2)
        assert (region.view, region.mask.shape) == (0, (64, 64))
        assert 0 < region.score <= 1
        drawn = np.zeros((64, 128), dtype=bool)
        for left, top, right, bottom in region.strips.astype(int).tolist():
            drawn[top:bottom, left:right] = True
        assert len(region.strips) == region.mask.any(axis=1).sum()
        assert drawn.sum() == 4 * region.mask.sum()
        assert drawn[box[1] + 2 : box[3] - 2, box[0] + 2 : box[2] - 2].all()


def test_a_row_of_two_runs_is_two_strips_and_padding_none():
    made = from_spec(spec())

    def find(picture: np.ndarray, most: int) -> Regions:
        masks = np.zeros((2, 64, 64), dtype=bool)
        masks[0, 10:20, 5:8] = masks[0, 16, 30:33] = True
        masks[1, :4] = True  # above the picture
        return Regions(masks, np.array([0.5, 0.4]))

    made.tower.segmenter = find
    (region,) = regions_of(made, Image.new("RGB", (64, 32)))
    assert region.box.sides == (5, 0, 33, 4)
    assert region.strips.tolist() == [[5, 0, 8, 1], [30, 0, 33, 1], [5, 1, 8, 2], [5, 2, 8, 3], [5, 3, 8, 4]]


def test_refuses_readers_of_whole_views():
    with pytest.raises(SaccadeError, match="HubTower reads views whole and finds no regions; take a region tower"):
        regions_of(build("llava"), shapes(2))
