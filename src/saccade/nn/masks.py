"""Masks and their boxes, in numpy: bounds, overlap, suppression, stability, connected components.

torchvision is none of saccade's dependencies, so what SAM's automatic masks need of it is here. Boxes are rows of left,
top, right, bottom in pixels, half-open as in ``core.box``.
Source: Segment Anything, arXiv:2304.02643, for suppression, stability and small regions; hooking and shortcutting of
        components: Shiloach and Vishkin, J. Algorithms 3, 1982.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

Mask = Bool[np.ndarray, "height width"]
Masks = Bool[np.ndarray, "regions height width"]
Boxes = Float[np.ndarray, "regions 4"]


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The regions of one picture, best first: ``masks``, and a score from 0 to 1 each."""

    masks: Masks
    scores: Float[np.ndarray, "regions"]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def boxes(self) -> Boxes:
        """The smallest box around each mask."""
        return bounds(self.masks)

    @classmethod
    def whole(cls, height: int, width: int) -> "Regions":
        """One region that is the whole picture."""
        return cls(np.ones((1, height, width), dtype=bool), np.ones(1))

    def best(self, most: int) -> "Regions":
        """The ``most`` regions with the largest score × √area, largest first; earlier ones first where equal."""
        worth = self.scores * np.sqrt(self.masks.sum(axis=(1, 2)))
        order = np.argsort(-worth, kind="stable")[:most]
        return Regions(self.masks[order], self.scores[order])


def bounds(masks: Masks) -> Boxes:
    """The smallest box around each mask; no area at the corner where a mask is empty."""
    (left, right), (top, bottom) = _ends(np.any(masks, axis=1)), _ends(np.any(masks, axis=2))
    return np.stack([left, top, right, bottom], axis=1).astype(float)


def _ends(lines: Bool[np.ndarray, "regions length"]) -> tuple[np.ndarray, np.ndarray]:
    """Where each line begins to be true, and where it ends."""
    last = lines.shape[1] - lines[:, ::-1].argmax(axis=1)
    return lines.argmax(axis=1), np.where(lines.any(axis=1), last, 0)


def grown(boxes: Boxes, share: float, height: int, width: int) -> Int[np.ndarray, "regions 4"]:
    """Boxes whose sides are longer by ``share``, half of it at either end, in whole pixels of the picture."""
    margin = np.tile((boxes[:, 2:] - boxes[:, :2]) * share / 2, 2)
    low, high = np.floor(boxes - margin)[:, :2], np.ceil(boxes + margin)[:, 2:]
    limit = np.array([width, height])
    return np.concatenate([low.clip(0, limit), high.clip(0, limit)], axis=1).astype(int)


def coverage(masks: Masks, side: int) -> Float[np.ndarray, "regions {side} {side}"]:
    """The share of each of ``side`` × ``side`` equal places that a mask covers; pixels on an edge count by parts."""
    height, width = masks.shape[1:]
    down, across = _parts(height, side), _parts(width, side)
    return down @ masks.astype(float) @ across.T * (side * side / (height * width))


def _parts(length: int, parts: int) -> Float[np.ndarray, "{parts} {length}"]:
    """How much of each of ``length`` pixels lies in each of ``parts`` equal parts of a line."""
    edges, pixels = np.linspace(0, length, parts + 1)[:, None], np.arange(length)[None]
    return np.diff((edges - pixels).clip(0, 1), axis=0)


def overlap(boxes: Boxes, others: Float[np.ndarray, "others 4"]) -> Float[np.ndarray, "regions others"]:
    """Intersection over union of every pair; 0 where neither has any area."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    one, other = ((part[:, 2:] - part[:, :2]).prod(axis=1) for part in (boxes, others))
    union = one[:, None] + other[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppressed(boxes: Boxes, scores: Float[np.ndarray, "regions"], limit: float) -> list[int]:
    """Numbers of the boxes that stay, best first: those that no better one that stays overlaps by more than ``limit``.

    Of equal scores the earlier box is the better one.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        waiting = waiting[overlap(boxes[waiting], boxes[best][None])[:, 0] <= limit]
    return kept


def stability(
    scores: Float[np.ndarray, "regions height width"], threshold: float, offset: float
) -> Float[np.ndarray, "regions"]:
    """How little a mask changes with its threshold: the area above ``threshold`` + ``offset`` over that above − offset.

    The first lies inside the second, so this is their overlap; 0 where both are empty.
    """
    inner = (scores > threshold + offset).sum(axis=(1, 2)).astype(float)
    outer = (scores > threshold - offset).sum(axis=(1, 2)).astype(float)
    return np.divide(inner, outer, out=np.zeros_like(inner), where=outer > 0)


def cleaned(mask: Mask, least: int) -> Mask:
    """The mask with holes below ``least`` pixels filled, then without islands below it.

    A mask of small islands alone keeps its largest, the first in reading order where equal.
    """
    for value in (False, True):
        labels = components(*alike(mask))
        areas = np.bincount(labels.ravel())
        small = areas < least
        here = np.zeros(len(areas), dtype=bool)
        here[labels[mask == value]] = True
        if value and here.any() and small[here].all():
            small[np.flatnonzero(here)[areas[here].argmax()]] = False
        mask = mask ^ ((mask == value) & small[labels])
    return mask


def alike(
    values: Shaped[np.ndarray, "height width"],
) -> tuple[Bool[np.ndarray, "height less"], Bool[np.ndarray, "fewer width"]]:
    """Whether each pixel equals its neighbour on the right, and the one below."""
    return values[:, 1:] == values[:, :-1], values[1:] == values[:-1]


def components(
    right: Bool[np.ndarray, "height less"], below: Bool[np.ndarray, "fewer width"]
) -> Int[np.ndarray, "height width"]:
    """The number of each pixel's component, where ``right`` and ``below`` say which neighbours belong together.

    Components are numbered from 0 by their first pixel in reading order. Pixels of a row are joined to runs first; runs
    then hang on the earliest one that they touch, and chains are cut short, until nothing touches a stranger.
    """
    starts = np.ones((right.shape[0], right.shape[1] + 1), dtype=bool)
    starts[:, 1:] = ~right
    runs = starts.ravel().cumsum().reshape(starts.shape) - 1
    upper, lower = runs[:-1][below], runs[1:][below]
    parent = np.arange(runs[-1, -1] + 1)
    while True:
        one, other = parent[upper], parent[lower]
        apart = one != other
        if not apart.any():
            return np.unique(parent, return_inverse=True)[1].reshape(-1)[runs]
        upper, lower, one, other = upper[apart], lower[apart], one[apart], other[apart]
        np.minimum.at(parent, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(parent, shorter := parent[parent]):
            parent = shorter
