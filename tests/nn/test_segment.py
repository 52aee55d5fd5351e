"""The weight-free segmenter: what it takes for a region, what for background, and in which order."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from saccade.nn.masks import overlap
from saccade.nn.segment import FlatZones
from tests.parts import picture
from tests.regions import shapes


def found(image: Image.Image, most: int = 30):
    return FlatZones()(np.array(image), most)


def drawn(*rectangles: tuple[tuple[int, int, int, int], tuple[int, int, int]], ground=(30, 30, 40)) -> Image.Image:
    image = Image.new("RGB", (96, 64), ground)
    for box, colour in rectangles:
        ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=colour)
    return image


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_every_shape_is_a_region(count):
    regions = found(shapes(count))
    assert len(regions) == count
    pixels, taken = np.array(shapes(count)).astype(int), regions.masks.any(axis=0)
    assert np.array_equal(taken, (pixels != [20, 20, 30]).any(axis=2))
    assert regions.masks.sum() == taken.sum()
    for mask in regions.masks:
        assert len(np.unique(pixels[mask], axis=0)) == 1


def test_the_picture_of_nothing_is_one_region():
    for image in (shapes(0), Image.new("RGB", (50, 3), "white"), Image.new("RGB", (1, 1))):
        regions = found(image)
        assert regions.masks.shape == (1, image.height, image.width)
        assert regions.masks.all()
        assert regions.scores.tolist() == [1.0]


def test_no_more_than_asked_for_and_the_best_of_them():
    image = drawn(((2, 2, 8, 8), (250, 250, 250)), ((20, 10, 60, 50), (60, 60, 70)), ((70, 5, 90, 25), (250, 20, 20)))
    regions = found(image)
    worth = regions.scores * np.sqrt(regions.masks.sum(axis=(1, 2)))
    assert (np.diff(worth) <= 0).all()
    assert regions.boxes.tolist() == [[70, 5, 90, 25], [20, 10, 60, 50], [2, 2, 8, 8]]
    assert found(image, 1).boxes.tolist() == [[70, 5, 90, 25]]


def test_the_score_is_the_step_at_the_edge():
    """Steps of 30 and of 30 against a clear one of 64; more is full."""
    image = drawn(((10, 10, 30, 30), (60, 30, 40)), ((50, 10, 70, 30), (30, 130, 40)))
    scores = {tuple(box): score for box, score in zip(found(image).boxes.tolist(), found(image).scores, strict=True)}
    assert scores[10, 10, 30, 30] == pytest.approx(30 / 64)
    assert scores[50, 10, 70, 30] == 1


def test_frames_and_what_has_their_colour_are_background():
    image = drawn(((20, 10, 70, 50), (200, 200, 200)), ((30, 20, 50, 40), (30, 30, 40)))
    assert found(image).boxes.tolist() == [[20, 10, 70, 50]]  # a hole shows the background
    padded = Image.new("RGB", (96, 96), (127, 127, 127))
    padded.paste(image, (0, 16))
    assert found(padded).boxes.tolist() == [[20, 26, 70, 66]]
    aside = Image.new("RGB", (160, 64), (127, 127, 127))
    aside.paste(image, (0, 0))
    assert found(aside).boxes.tolist() == [[20, 10, 70, 50]]


def test_a_shape_may_touch_an_edge():
    image = drawn(((0, 0, 30, 20), (200, 40, 40)), ((60, 50, 96, 64), (40, 200, 40)))
    assert sorted(found(image).boxes.tolist()) == [[0, 0, 30, 20], [60, 50, 96, 64]]
    across = drawn(((0, 20, 96, 30), (200, 40, 40)), ((10, 40, 20, 50), (40, 200, 40)))
    assert found(across).boxes.tolist() == [[10, 40, 20, 50]]  # a band from edge to edge frames the picture
    ground = drawn(((20, 54, 80, 64), (200, 40, 40)), ((10, 20, 20, 30), (40, 200, 40)))
    assert found(ground).boxes.tolist() == [[10, 20, 20, 30]]  # and so does what takes half of an edge


def test_thin_lines_and_specks_are_no_regions():
    image = drawn(((5, 5, 80, 6), (250, 250, 250)), ((5, 20, 6, 60), (250, 250, 250)), ((50, 50, 51, 52), (250, 0, 0)))
    assert found(image).masks.all()
    print_ = drawn(((5, 5, 80, 8), (250, 250, 250)))
    assert found(print_).boxes.tolist() == [[5, 5, 80, 8]]


def test_soft_edges_belong_to_the_shape():
    large = drawn(((20, 12, 60, 44), (250, 60, 60))).resize((960, 640), Image.Resampling.NEAREST)
    soft = large.resize((67, 45), Image.Resampling.BICUBIC)
    regions = found(soft)
    assert len(regions) == 1
    pixels = np.array(soft).astype(int)
    assert np.array_equal(regions.masks[0], np.abs(pixels - [30, 30, 40]).max(axis=2) > 24)


def test_noise_and_equal_pictures():
    noisy = picture(64, 48)
    first, again = found(noisy), found(noisy)
    assert np.array_equal(first.masks, again.masks)
    assert np.array_equal(first.scores, again.scores)
    assert 1 <= len(first) <= 30
    shared = overlap(first.boxes, first.boxes) - np.eye(len(first))
    assert shared.max(initial=0) <= 1


def test_a_colour_apart_at_the_fine_step_alone_is_found_too():
    faint = drawn(((20, 10, 70, 50), (45, 40, 50)))
    assert found(faint).boxes.tolist() == [[20, 10, 70, 50]]
    just = drawn(((20, 10, 70, 50), (30, 39, 40)))
    assert found(just).boxes.tolist() == [[20, 10, 70, 50]]
    fainter = drawn(((20, 10, 70, 50), (36, 38, 44)))  # as far as the fine step, and no farther
    assert found(fainter).masks.all()
