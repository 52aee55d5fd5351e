"""Regions without weights: flat zones of a picture that stand out from what lies around them.

Law     1 to ``most`` regions; equal pixels give equal regions. A picture of nothing but background is one region.
Used by the object-centric reader wherever SAM's weights are not at hand; SAM's masks
        (``architectures/object_centric/sam_masks.py``) are made of shapes and shading that were learned, these
        of colour alone.
Loses   objects of many colours fall apart, gradients run together, and thin strokes are below the least area.
Source  quasi-flat zones (P. Soille, IEEE TPAMI 30(7), 2008): pixels belong together where a chain of neighbours that
        differ by little joins them. Suppression and order as in Segment Anything, arXiv:2304.02643.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from saccade.nn.masks import Mask, Masks, Regions, bounds, components, suppressed

Picture = UInt8[np.ndarray, "height width 3"]


Segmenter = Callable[[Picture, int], Regions]
"""Whatever finds a picture's regions: at least 1 and at most as many as asked for, best first."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FlatZones:
    """Zones whose neighbouring pixels differ by at most a step, for each of ``steps`` (0 to 255, largest channel).

    Dropped are zones below ``least`` (share of the picture) and the background. A zone's score is the mean step up at
    its edge, full at ``clear``. Of zones whose boxes overlap by more than ``overlap`` the one that stands out most
    stays.
    """

    steps: tuple[int, ...] = (8, 40)
    least: float = 0.0007
    clear: float = 64.0
    overlap: float = 0.7

    def __call__(self, picture: Picture, most: int) -> Regions:
        """See ``Segmenter``."""
        across = np.abs(np.diff(picture.astype(np.int16), axis=1)).max(axis=2)
        down = np.abs(np.diff(picture.astype(np.int16), axis=0)).max(axis=2)
        found = [self._zones(picture, across, down, step) for step in self.steps]
        masks, scores = (
            np.concatenate(parts) for parts in zip(*((one.masks, one.scores) for one, _ in found), strict=True)
        )
        if not len(scores):
            return Regions.whole(*picture.shape[:2])
        kept = suppressed(bounds(masks), scores, self.overlap)
        best = Regions(masks[kept], scores[kept]).best(most)
        return Regions(_fringed(best.masks, np.logical_and.reduce([small for _, small in found])), best.scores)

    def _zones(
        self,
        picture: Picture,
        across: Int[np.ndarray, "height less"],
        down: Int[np.ndarray, "fewer width"],
        step: int,
    ) -> tuple[Regions, Mask]:
        """The zones of one step that are large enough and no background, in reading order; and where small ones are."""
        labels = components(across <= step, down <= step)
        small = _thin(labels) | (np.bincount(labels.ravel()) < self.least * labels.size)
        behind = _framing(labels)
        colours = _colours(labels, picture)
        far = np.abs(colours[:, None] - colours[None, behind]).max(axis=2).min(axis=1, initial=np.inf) > step
        chosen = np.flatnonzero(far & ~small)
        scores = (_edges(labels, across, down)[chosen] / self.clear).clip(0, 1)
        return Regions(labels[None] == chosen[:, None, None], scores), small[labels]


def _colours(labels: Int[np.ndarray, "height width"], picture: Picture) -> Float[np.ndarray, "zones 3"]:
    """The mean colour of each zone."""
    sums = [np.bincount(labels.ravel(), picture[..., channel].ravel()) for channel in range(3)]
    return np.stack(sums, axis=1) / np.bincount(labels.ravel())[:, None]


def _thin(labels: Int[np.ndarray, "height width"]) -> Bool[np.ndarray, "zones"]:
    """Zones that are about one pixel wide: fewer than a sixth of their pixels begin a block of 2 × 2 inside them."""
    right, below = labels[:, :-1] == labels[:, 1:], labels[:-1] == labels[1:]
    blocks = right[:-1] & right[1:] & below[:, :-1]
    areas = np.bincount(labels.ravel())
    return 6 * np.bincount(labels[:-1, :-1][blocks], minlength=len(areas)) < areas


def _framing(labels: Int[np.ndarray, "height width"]) -> Int[np.ndarray, "zones"]:
    """Zones that frame the picture: those that reach two opposite edges of it, or take half of one edge."""
    edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
    shares = [np.bincount(edge, minlength=labels.max() + 1) / len(edge) for edge in edges]
    top, bottom, left, right = shares
    return np.flatnonzero((top * bottom > 0) | (left * right > 0) | (np.max(shares, axis=0) >= 0.5))


def _edges(
    labels: Int[np.ndarray, "height width"],
    across: Int[np.ndarray, "height less"],
    down: Int[np.ndarray, "fewer width"],
) -> Float[np.ndarray, "zones"]:
    """The mean step between each zone's pixels and their neighbours in other zones; 0 for a zone without any."""
    sums = numbers = np.zeros(labels.max() + 1)
    for one, other, step in ((labels[:, :-1], labels[:, 1:], across), (labels[:-1], labels[1:], down)):
        apart = one != other
        for side in (one[apart], other[apart]):
            sums = sums + np.bincount(side, step[apart], len(sums))
            numbers = numbers + np.bincount(side, minlength=len(sums))
    return sums / np.maximum(numbers, 1)


def _fringed(masks: Masks, small: Mask) -> Masks:
    """Masks with the pixels of small zones around them: an edge's blend of two colours is a zone of its own."""
    near = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    near = near[:, :-2] | near[:, 1:-1] | near[:, 2:]
    return masks | ((near[..., :-2] | near[..., 1:-1] | near[..., 2:]) & small)
