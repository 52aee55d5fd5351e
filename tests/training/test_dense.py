"""Dense labels: where they stand, and what they say."""

import numpy as np
import pytest

from saccade.core.box import Box
from saccade.core.size import Size
from saccade.core.view import View
from saccade.specs.layouts.resize import PadSpec
from saccade.tasks.scenes import Scene, how_many
from saccade.training.dense import CHARACTERS, HEADS, IGNORED, label

FRAME = PadSpec(size=Size(128, 128))


@pytest.mark.parametrize("index", range(12))
def test_each_print_is_labelled_at_its_centre_with_its_whole_item(index: int) -> None:
    scene = Scene("calibration", index)
    view = FRAME.layout(scene.size).views[0]
    labels = label(scene, view, 8)
    for item in scene.items:
        if item.print is None or item.print.height * min(view.scale) < 8:
            continue
        at = view.to_view(Box(*item.print.box.center, item.print.box.center[0] + 0.1, item.print.box.center[1] + 0.1))
        assert at is not None
        row, col = int(at.top // 8), int(at.left // 8)
        assert labels["kind"][row, col] == 2
        assert labels["first"][row, col] == CHARACTERS[item.print.text[0]]
        second = CHARACTERS[item.print.text[1]] if len(item.print.text) > 1 else len(CHARACTERS)
        assert labels["second"][row, col] == second


def test_gist_is_told_everywhere_and_counts_only_of_the_whole() -> None:
    scene = Scene("calibration", 3)
    whole = label(scene, FRAME.layout(scene.size).views[0], 8)
    expected = ["few", "some", "many"].index(how_many(scene))
    assert (whole["count"] == expected).all()
    assert len(np.unique(whole["background"])) == 1
    part = label(scene, View(Box(0, 0, scene.size.width / 2, scene.size.height / 2), Size(128, 128), "slice"), 8)
    assert (part["count"] == IGNORED).all()
    assert (part["background"] != IGNORED).all()


def test_unreadable_print_is_no_character() -> None:
    scene = next(s for s in (Scene("calibration", i) for i in range(50)) if any(i.print for i in s.items))
    labels = label(scene, PadSpec(size=Size(16, 16)).layout(scene.size).views[0], 8)
    assert (labels["first"] == IGNORED).all()
    assert set(labels) == set(HEADS)


def test_labels_stay_within_their_classes() -> None:
    for index in range(30):
        scene = Scene("calibration", index)
        labels = label(scene, FRAME.layout(scene.size).views[0], 8)
        for name, head in HEADS.items():
            assert labels[name].max() < head.classes
            assert labels[name].min() >= IGNORED
