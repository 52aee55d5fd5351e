"""Captions say what is in the picture, and fit BLIP-2's first stage."""

import numpy as np
import pytest

from saccade.backends.embedded.family import embedded
from saccade.tasks.captions import ITEMS, caption
from saccade.tasks.scenes import Scene, how_many


@pytest.mark.parametrize("index", range(8))
def test_a_caption_names_what_is_there(index):
    scene = Scene("train", index)
    layout, background, count, *items = caption(scene, np.random.default_rng(index)).split(", ")
    assert layout == scene.layout
    assert background == f"{scene.background} background"
    assert count == f"{how_many(scene)} shapes"
    printed = [f"{item.name} {item.print.text}" for item in scene.items if item.print is not None]
    assert len(items) == min(ITEMS, len(printed))
    for item in items:
        printed.remove(item)


def test_items_come_in_every_order():
    scene = next(
        scene for scene in (Scene("train", n) for n in range(50)) if sum(i.print is not None for i in scene.items) > 5
    )
    assert len({caption(scene, np.random.default_rng(seed)) for seed in range(20)}) > 10


def test_captions_fit():
    tokenizer = embedded("llava").tokenizer
    rng = np.random.default_rng(0)
    assert max(len(tokenizer(caption(Scene("train", n), rng))["input_ids"]) for n in range(200)) < 32
