"""Captions of generated pictures: what a picture and a sentence about it can be matched by.

A caption names the kind of picture, its background, roughly how many shapes, and some of the items with their print,
in a random order, so that no two pictures share all of theirs and one picture has many.
"""

import numpy as np

from saccade.tasks.scenes import Scene, how_many

ITEMS = 3
"""Items that a caption names, at most: with more it could be longer than BLIP-2's first stage reads, 32 tokens."""


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """``page, gray background, few shapes, red square 7, top left corner 3``."""
    named = [f"{item.name} {item.print.text}" for item in scene.items if item.print is not None]
    chosen = [named[int(index)] for index in rng.permutation(len(named))[:ITEMS]]
    return ", ".join((scene.layout, f"{scene.background} background", f"{how_many(scene)} shapes", *chosen))
