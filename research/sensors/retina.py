"""A retina: where a foveated sensor looks, dense around the fixation and thinner with every step away from it.

Law     any number of nodes from -1 to 1 on both axes, none beyond a distance of 1 from the middle.
Used by Killick's FovConvNeXt and foveated mixers; ``sensor`` cuts its patches here.
Loses   what is smaller than the distance between nodes, which grows in proportion to the distance from the middle.
Source  Killick et al., Foveation in the Era of Deep Learning (BMVC 2023), and its released code: golden angles; radii
        as the square root of the node's number within the fovea, a geometric series outside it.
"""

import math
from functools import cache

import numpy as np

from saccade.core.errors import SaccadeError

GOLDEN = (1 + math.sqrt(5)) / 2
FEWEST = 3
"""Foveal nodes to begin with, where no share is given."""
STEP = 0.01
"""By how much the fovea's share of the nodes is raised at a time."""
ROWS_AT_ONCE = 256
"""Nodes whose distances to all others are held together."""


@cache
def log_fibonacci(nodes: int, radius: float, share: float | None = None) -> np.ndarray:
    """The layout, nodes × (x, y) in double precision, from the middle outwards; the fovea ends about ``radius``.

    The fovea's ``share`` of the nodes is raised until its last step is no wider than the first one outside it: from
    .05 in FovConvNeXt, from three nodes in the foveated mixers (None). Raises SaccadeError where no share does.
    """
    inner = foveal(nodes, radius, share)
    numbers = np.arange(1, nodes + 1)
    fovea = np.sqrt(numbers[:inner] - 0.5) * math.sqrt(inner)
    distance = np.concatenate([fovea, np.geomspace(inner, inner // radius, nodes - inner)])
    distance /= distance.max()
    angle = 2 * math.pi * GOLDEN * numbers
    made = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    made.flags.writeable = False
    return made


@cache
def foveal(nodes: int, radius: float, share: float | None = None) -> int:
    """How many of the nodes lie in the fovea. Raises SaccadeError where none can be laid out."""
    if not 0 < radius < 1:
        raise SaccadeError(f"retina: the fovea's radius lies between 0 and 1, the whole retina's, got {radius}")
    if share is not None and not 0 < share < 1:
        raise SaccadeError(f"retina: the fovea's share of the nodes lies between 0 and 1, got {share}")
    found = _foveal(nodes, radius, share)
    if found is None:
        larger = (max(nodes, 1) << doubled for doubled in range(1, 12))
        enough = next((count for count in larger if _foveal(count, radius, share) is not None), None)
        more = "" if enough is None else f"{enough} nodes or "
        raise SaccadeError(
            f"retina: {nodes} nodes are too few for a fovea of radius {radius} and a periphery around it; "
            f"take {more}a smaller radius"
        )
    return found


def _foveal(nodes: int, radius: float, share: float | None) -> int | None:
    """The same; None where a fovea or a periphery of two nodes is not to be had."""
    part = FEWEST / max(nodes, 1) if share is None else share
    while True:
        inner = int(nodes * part)
        outer = nodes - inner
        if inner < 2 or outer < 2:
            return None
        last = math.sqrt(inner) * (math.sqrt(inner - 0.5) - math.sqrt(inner - 1.5))
        first = inner * ((inner // radius / inner) ** (1 / (outer - 1)) - 1)
        if last <= first:
            return inner
        part += STEP


def equivalent(nodes: int, radius: float, share: float | None = None) -> float:
    """Samples a side of the even grid over the same field that is as dense everywhere as this one in its fovea."""
    return math.sqrt(math.sqrt(math.pi) * foveal(nodes, radius, share)) / radius


def nearest(centres: np.ndarray, count: int) -> np.ndarray:
    """For each node the mean distance to the ``count`` others that are nearest to it."""
    if not 1 <= count < len(centres):
        raise SaccadeError(
            f"retina: {count} neighbours are asked for, each of {len(centres)} nodes has {len(centres) - 1}"
        )
    found = []
    for start in range(0, len(centres), ROWS_AT_ONCE):
        part = centres[start : start + ROWS_AT_ONCE]
        apart = np.linalg.norm(part[:, None] - centres[None], axis=2)
        apart[np.arange(len(part)), start + np.arange(len(part))] = np.inf  # a node is no neighbour of its own
        found.append(np.sort(np.partition(apart, count - 1, axis=1)[:, :count], axis=1).mean(axis=1))
    return np.concatenate(found)
