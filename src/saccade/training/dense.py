"""Dense labels: for every patch of a view of a generated picture, what overlaps it and what that belongs to.

A patch under print is told its own character, and the whole record of the item it is part of: both
characters, the marker's colour and shape. So each such patch learns to gather the item, and a
language model needs one look to find and read it. Every patch is told the gist of the whole picture.
``IGNORED`` stands where a label does not apply: no print, print too small to read, an item cut off.
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from saccade.core.box import Box
from saccade.core.grid import Grid
from saccade.core.view import View
from saccade.tasks.canvas import BACKGROUNDS, COLOURS, SHAPES
from saccade.tasks.scenes import CORNERS, DIGITS, LAYOUTS, LETTERS, Item, Scene, how_many, majority

IGNORED = -1
READABLE = 5.0
"""Print below this height of capitals, in view pixels, is labelled as print but not by character."""

CHARACTERS = {character: index for index, character in enumerate(sorted(set(DIGITS + LETTERS)))}
_COLOURS = {name: index for index, name in enumerate(COLOURS)}
_SHAPES = {name: index for index, name in enumerate((*SHAPES, "bar", *CORNERS))}
_BACKGROUNDS = {name: index for index, name in enumerate(BACKGROUNDS)}
_LAYOUTS = {name: index for index, name in enumerate(LAYOUTS)}
_COUNTS = {"few": 0, "some": 1, "many": 2}


@dataclass(frozen=True, slots=True)
class Head:
    """``classes`` of one kind of label, and its ``weight`` in the loss."""

    classes: int
    weight: float


HEADS: dict[str, Head] = {
    "kind": Head(3, 1.0),
    "char": Head(len(CHARACTERS), 1.0),
    "first": Head(len(CHARACTERS), 1.0),
    "second": Head(len(CHARACTERS) + 1, 1.0),
    "colour": Head(len(COLOURS) + 1, 1.0),
    "shape": Head(len(_SHAPES), 1.0),
    "background": Head(len(BACKGROUNDS), 0.2),
    "layout": Head(len(LAYOUTS), 0.2),
    "count": Head(3, 0.5),
    "majority": Head(len(COLOURS), 0.5),
}
Labels = dict[str, np.ndarray]
"""Per head, class numbers over rows × cols."""


def label(scene: Scene, view: View, patch: int) -> Labels:
    """Labels of every patch of ``view``."""
    grid = view.grid(patch)
    labels = {name: np.full((grid.rows, grid.cols), IGNORED, np.int64) for name in HEADS}
    labels["kind"][:] = 0
    for item in scene.items:
        _marker(labels, item, _Place(view, grid, patch))
        _print(labels, item, _Place(view, grid, patch))
    labels["background"][:] = _BACKGROUNDS[scene.background]
    labels["layout"][:] = _LAYOUTS[scene.layout]
    if view.role == "whole":
        labels["count"][:] = _COUNTS[how_many(scene)]
        colour = majority(scene)
        if colour is not None:
            labels["majority"][:] = _COLOURS[colour]
    return labels


@dataclass(frozen=True, slots=True)
class _Place:
    """Source boxes on a view's patches."""

    view: View
    grid: Grid
    patch: int

    def lands(self, box: Box) -> Box:
        """``box`` in view pixels, not clipped: it may lie outside."""
        x, y = self.view.scale
        moved = box.shift(-self.view.source.left, -self.view.source.top).scale(x, y)
        return moved.shift(self.view.canvas.left, self.view.canvas.top)

    def shows(self, box: Box, pixels: float) -> bool:
        """Whether at least ``pixels`` of ``box`` reach into the view on every side."""
        at, size = self.lands(box), self.view.size
        return (
            at.right > pixels and at.bottom > pixels and at.left < size.width - pixels and at.top < size.height - pixels
        )

    def whole(self, box: Box) -> bool:
        """Whether all of ``box`` is in the view, give or take a pixel."""
        at, size = self.lands(box), self.view.size
        return at.left > -1 and at.top > -1 and at.right < size.width + 1 and at.bottom < size.height + 1

    def patches(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of the patches that ``box`` covers by more than a pixel and a half; at least one."""
        at = self.lands(box)

        def span(low: float, high: float, count: int) -> slice:
            first = max(floor((low + 1.5) / self.patch), 0)
            return slice(first, min(max(ceil((high - 1.5) / self.patch), first + 1), count))

        return span(at.top, at.bottom, self.grid.rows), span(at.left, at.right, self.grid.cols)


def _marker(labels: Labels, item: Item, place: _Place) -> None:
    if item.marker is None or not place.shows(item.marker, 3):
        return
    at = place.patches(item.marker)
    labels["kind"][at] = 1
    labels["colour"][at] = _COLOURS[item.colour]
    labels["shape"][at] = _SHAPES[item.shape]


def _print(labels: Labels, item: Item, place: _Place) -> None:
    if item.print is None or not place.shows(item.print.box, 2):
        return
    at = place.patches(item.print.box)
    labels["kind"][at] = 2
    known = item.marker is None or place.shows(item.marker, 3)
    labels["colour"][at] = _COLOURS.get(item.colour, len(COLOURS)) if known else IGNORED
    labels["shape"][at] = _SHAPES[item.shape] if known else IGNORED
    if item.print.height * min(place.view.scale) < READABLE:
        return
    text = item.print.text
    if place.whole(item.print.box):
        labels["first"][at] = CHARACTERS[text[0]]
        labels["second"][at] = CHARACTERS[text[1]] if len(text) > 1 else len(CHARACTERS)
    for character, box in zip(text, item.print.characters, strict=True):
        if place.whole(box):
            labels["char"][place.patches(box)] = CHARACTERS[character]
