"""Masks and boxes against slow, literal versions, and components against scikit-image's."""

from itertools import product

import numpy as np
import pytest
from skimage.measure import label

from saccade.core.box import Box
from saccade.nn.masks import (
    Regions,
    alike,
    bounds,
    cleaned,
    components,
    coverage,
    grown,
    overlap,
    stability,
    suppressed,
)

SIZES = [(1, 1), (1, 9), (8, 1), (2, 2), (7, 11), (40, 33)]


def boxes(count: int, seed: int, step: int = 1) -> np.ndarray:
    """Some without area; on a coarse raster many are equal."""
    random = np.random.default_rng(seed)
    low = random.integers(0, 20, (count, 2)) // step * step
    return np.concatenate([low, low + random.integers(0, 15, (count, 2)) // step * step], axis=1).astype(float)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    first, second = Box(*map(float, one)), Box(*map(float, other))
    shared = first.intersect(second)
    both = 0.0 if shared is None else shared.area
    union = first.area + second.area - both
    return both / union if union else 0.0


def spiral(side: int) -> np.ndarray:
    """One way in, as long as the picture has pixels: what plain spreading takes longest over."""
    path = np.zeros((side, side), dtype=int)
    row, col, steps, turn = 0, 0, side - 1, 0
    path[0, 0] = 1
    for leg in range(2 * side):
        for _ in range(steps):
            row, col = row + (0, 1, 0, -1)[turn], col + (1, 0, -1, 0)[turn]
            path[row, col] = 1
        turn = (turn + 1) % 4
        if leg and leg % 2 == 0:
            steps -= 2
        if steps <= 0:
            break
    return path


@pytest.mark.parametrize("colours", [2, 3, 6])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_components_are_scikit_image_s(size, colours):
    for seed in range(5):
        picture = np.random.default_rng(seed).integers(0, colours, size)
        assert np.array_equal(components(*alike(picture)), label(picture, background=-1, connectivity=1) - 1)


def test_components_of_long_ways():
    for side in (5, 16, 61):
        path = spiral(side)
        assert np.array_equal(components(*alike(path)), label(path, background=-1, connectivity=1) - 1)


def test_bounds_are_the_smallest_boxes():
    masks = np.random.default_rng(0).random((30, 9, 13)) < 0.04
    masks[0], masks[1] = True, False
    for mask, box in zip(masks, bounds(masks), strict=True):
        rows, cols = np.nonzero(mask)
        slow = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1) if len(rows) else (0, 0, 0, 0)
        assert tuple(box) == slow


def test_grown_boxes_stay_in_the_picture():
    found = grown(np.array([[10.0, 20, 30, 24], [0, 0, 40, 30], [5, 5, 6, 6], [38, 1, 40, 29]]), 0.1, 30, 40)
    assert found.tolist() == [[9, 19, 31, 25], [0, 0, 40, 30], [4, 4, 7, 7], [37, 0, 40, 30]]
    assert grown(np.array([[10.0, 10, 20, 20]]), 0.0, 30, 40).tolist() == [[10, 10, 20, 20]]


def test_overlap_is_that_of_boxes():
    one, other = boxes(20, 0), boxes(15, 1)
    slow = [[iou(first, second) for second in other] for first in one]
    assert overlap(one, other) == pytest.approx(np.array(slow))
    assert overlap(one, other).max() > 0.3


@pytest.mark.parametrize("limit", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("step", [1, 5])
def test_suppression_is_the_slow_one(limit, step):
    for seed in range(8):
        found = boxes(40, seed, step)
        scores = np.random.default_rng(seed).integers(0, 6, 40) / 6  # many ties
        order = sorted(range(40), key=lambda number: (-scores[number], number))
        slow: list[int] = []
        for number in order:
            if all(iou(found[number], found[better]) <= limit for better in slow):
                slow.append(number)
        assert suppressed(found, scores, limit) == slow
    assert suppressed(np.zeros((0, 4)), np.zeros(0), limit) == []


def test_stability_is_the_overlap_of_two_thresholds():
    scores = np.random.default_rng(0).normal(size=(6, 8, 9)) * 3
    scores[5] = -9
    found = stability(scores, 0.5, 1.0)
    for one, value in zip(scores, found, strict=True):
        inner, outer = one > 1.5, one > -0.5
        both, either = (inner & outer).sum(), (inner | outer).sum()
        assert value == pytest.approx(both / either if either else 0.0)
    assert found[5] == 0


def test_coverage_counts_pixels_by_parts():
    masks = np.random.default_rng(0).random((4, 10, 21)) < 0.5
    for side in (1, 2, 3, 5, 7, 12):
        fine = masks.repeat(side, axis=1).repeat(side, axis=2).astype(float)  # every place now has whole pixels
        slow = fine.reshape(4, side, 10, side, 21).mean(axis=(2, 4))
        assert coverage(masks, side) == pytest.approx(slow)
        assert coverage(masks, side).mean(axis=(1, 2)) == pytest.approx(masks.mean(axis=(1, 2)))
    assert coverage(np.ones((1, 5, 7), dtype=bool), 4) == pytest.approx(np.ones((1, 4, 4)))


def test_cleaning_fills_holes_and_drops_islands():
    mask = np.zeros((12, 12), dtype=bool)
    mask[1:8, 1:8] = True
    mask[2, 2] = False  # a hole of 1
    mask[4:6, 4:7] = False  # a hole of 6
    mask[10, 9:11] = True  # an island of 2
    expected = mask.copy()
    expected[2, 2], expected[10, 9:11] = True, False
    assert np.array_equal(cleaned(mask, 3), expected)
    assert np.array_equal(cleaned(mask, 0), mask)
    assert np.array_equal(cleaned(mask, 7)[1:8, 1:8], np.ones((7, 7), dtype=bool))


def test_cleaning_leaves_the_largest_island():
    mask = np.zeros((6, 6), dtype=bool)
    mask[0, :2] = mask[3, 1:4] = mask[5, 3:6] = True
    expected = np.zeros((6, 6), dtype=bool)
    expected[3, 1:4] = True
    assert np.array_equal(cleaned(mask, 5), expected)
    assert not cleaned(np.zeros((6, 6), dtype=bool), 5).any()
    assert cleaned(np.ones((6, 6), dtype=bool), 50).all()


def test_the_best_regions_are_clear_and_large():
    areas, scores = [4, 9, 9, 1], np.array([0.6, 0.5, 0.5, 1.0])
    masks = np.zeros((4, 5, 5), dtype=bool)
    for mask, area in zip(masks, areas, strict=True):
        mask.ravel()[:area] = True
    found = Regions(masks, scores).best(3)  # 1.2, 1.5, 1.5, 1.0
    assert found.scores.tolist() == [0.5, 0.5, 0.6]
    assert len(found) == 3
    assert found.boxes.tolist() == [[0, 0, 5, 2], [0, 0, 5, 2], [0, 0, 4, 1]]
    assert Regions.whole(3, 4).boxes.tolist() == [[0, 0, 4, 3]]


def test_equal_regions_keep_their_order():
    masks = np.zeros((3, 2, 2), dtype=bool)
    for number, (row, col) in enumerate(list(product((0, 1), repeat=2))[:3]):
        masks[number, row, col] = True
    assert np.array_equal(Regions(masks, np.ones(3)).best(2).masks, masks[:2])
