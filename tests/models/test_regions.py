"""Regions of a picture in its own pixels, through the view and back."""

import numpy as np
import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.models import build, from_spec
from saccade.models.regions import regions_of
from saccade.nn.masks import Regions
from tests.regions import shapes, spec


def test_boxes_and_strips_lie_in_the_picture():
    """A wide picture of twice the view's pixels: padded above and below, and halved."""
    whole = shapes(3).crop((0, 0, 64, 32)).resize((128, 64), Image.Resampling.NEAREST)
    found = regions_of(from_spec(spec()), whole)
    boxes = sorted(region.box.sides for region in found)
    assert boxes == [(4, 4, 16, 14), (24, 4, 38, 16), (44, 4, 56, 18)]
    pixels = np.array(whole).astype(int)
    for region in found:
        assert region.view == 0
        assert region.mask.shape == (64, 64)
        assert 0 < region.score <= 1
        drawn = np.zeros((64, 128), dtype=bool)
        for left, top, right, bottom in region.strips.astype(int).tolist():
            drawn[top:bottom, left:right] = True
        assert len(region.strips) == region.mask.any(axis=1).sum()
        assert drawn.sum() == 4 * region.mask.sum()
        assert len(np.unique(pixels[drawn], axis=0)) == 1


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
