"""Cluttered scenes: made anew the same, one red ring in each, its digit beside it, classes evenly drawn."""

import numpy as np
import pytest

from research import clutter as module
from research.clutter import CLASSES, COLOURS, CUE, GAP, HEIGHT, MARKER, SIDE, clutter
from saccade.core.errors import SaccadeError

COUNT = 40


def test_equal_arguments_make_equal_scenes_and_others_differ():
    first, again = clutter("train", 3), clutter("train", 3)
    assert first.image.tobytes() == again.image.tobytes()
    assert (first.digit, first.evidence, first.items) == (again.digit, again.evidence, again.items)
    assert len({clutter(split, 3).image.tobytes() for split in ("train", "calibration", "test")}) == 3
    assert first.image.tobytes() != clutter("train", 4).image.tobytes()
    assert first.image.size == (SIDE, SIDE)


def test_one_marker_is_a_red_ring_with_its_digit_beside_it(monkeypatch):
    drawn: list[tuple[str, str, str]] = []
    item = module._item

    def watched(canvas, shape, colour, text, *, whole=False):
        box = item(canvas, shape, colour, text, whole=whole)
        if box is not None:
            drawn.append((shape, colour, text))
        return box

    monkeypatch.setattr(module, "_item", watched)
    for number in range(COUNT):
        drawn.clear()
        scene = clutter("test", number)
        assert drawn[0] == ("ring", CUE, str(scene.digit))
        assert drawn.count(drawn[0]) + sum(one[:2] == ("ring", CUE) for one in drawn[1:]) == 1
        assert len(drawn) == scene.items
        assert 20 < scene.items <= 41


def test_the_evidence_shows_the_ring_in_one_quarter():
    for number in range(COUNT):
        scene = clutter("calibration", number)
        box, pixels = scene.evidence, np.asarray(scene.image).astype(int)
        assert box.height == MARKER
        left, top = (scene.quarter % 2) * SIDE / 2, (scene.quarter // 2) * SIDE / 2
        assert left <= box.left < box.right <= left + SIDE / 2
        assert top <= box.top < box.bottom <= top + SIDE / 2
        edge = pixels[int(box.top) + MARKER // 2, int(box.left)]
        assert np.abs(edge - COLOURS[CUE]).max() <= 12
        middle = pixels[int(box.top) + MARKER // 2, int(box.left) + MARKER // 2]
        assert np.abs(middle - COLOURS[CUE]).max() > 12
        printed = pixels[int(box.top) : int(box.bottom), int(box.left) + MARKER + GAP : int(box.right)]
        inked = (np.abs(printed - printed[0, 0]).max(axis=2) > 60).any(axis=1).nonzero()[0]
        assert abs(int(inked[-1] - inked[0]) + 1 - HEIGHT) <= 2


def test_digits_are_evenly_drawn():
    digits = [clutter("train", number).digit for number in range(120)]
    assert set(digits) == set(range(CLASSES))
    assert max(digits.count(digit) for digit in range(CLASSES)) < 30


def test_a_full_picture_leaves_items_out(monkeypatch):
    monkeypatch.setattr(module, "TRIES", 1)
    assert clutter("train", 0).items < 41
    monkeypatch.setattr(module, "_parted", lambda block: False)
    assert clutter("train", 0).items > 1


def test_refusals():
    with pytest.raises(SaccadeError, match="unknown split 'tset'; did you mean test"):
        clutter("tset", 0)
    with pytest.raises(SaccadeError, match="numbered from 0, got -1"):
        clutter("test", -1)
