"""Intervals for accuracies: a bootstrap over clusters of questions.

Questions about one picture share its luck, so a draw takes whole clusters (a picture under one
training seed), as many as there are, with replacement, and recomputes right answers over answers.
The interval holds the middle ``level`` of the draws. It knows only what was asked: where every
answer is right, every draw is right too, and the interval has no width.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from saccade.core.errors import SaccadeError

CHUNK = 1 << 20
"""Cluster picks held in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A ``mean`` and the ends of its interval, both None where a single cluster tells nothing of the spread."""

    mean: float
    low: float | None
    high: float | None

    @property
    def ends(self) -> tuple[float, float] | None:
        """``(low, high)``, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def clustered(
    values: np.ndarray, clusters: Sequence[Hashable], *, draws: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean of ``values`` (one number or truth value per question) with its interval.

    ``clusters`` names the cluster of each question. Equal arguments give equal intervals. Raises
    SaccadeError for no values, lengths that differ, numbers that are not finite, fewer than 1 draw,
    or a level outside 0 to 1.
    """
    numbers = _checked(values, clusters)
    if draws < 1 or not 0 < level < 1:
        raise SaccadeError(f"an interval needs at least 1 draw and a level between 0 and 1, got {draws} and {level}")
    places: dict[Hashable, int] = {}
    index = np.asarray([places.setdefault(cluster, len(places)) for cluster in clusters])
    mean = float(numbers.mean())
    if len(places) == 1:
        return Interval(mean, None, None)
    means = _draws(np.bincount(index, weights=numbers), np.bincount(index), draws, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def paired(
    a: np.ndarray,
    b: np.ndarray,
    clusters: Sequence[Hashable],
    *,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of ``a - b`` with its interval, where both answered the same questions in the same order.

    Raises as ``clustered`` does.
    """
    if np.shape(a) != np.shape(b):
        raise SaccadeError(
            f"a paired difference needs the same questions on both sides, got {np.shape(a)} and {np.shape(b)} values; "
            "score both readers on one exam"
        )
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return clustered(difference, clusters, draws=draws, level=level, seed=seed)


def _checked(values: np.ndarray, clusters: Sequence[Hashable]) -> np.ndarray:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) == 0:
        raise SaccadeError(
            f"an interval needs a row of at least 1 value, got shape {numbers.shape}; leave the score out instead"
        )
    if len(numbers) != len(clusters):
        raise SaccadeError(
            f"an interval got {len(numbers)} values but {len(clusters)} clusters; name the cluster of every value"
        )
    if not np.isfinite(numbers).all():
        bad = int((~np.isfinite(numbers)).sum())
        raise SaccadeError(
            f"{bad} of {len(numbers)} values are not finite numbers; score those questions 0 or drop them"
        )
    return numbers


def _draws(sums: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The mean of every draw: picked clusters' sums over their counts."""
    kinds = len(sums)
    if draws * kinds <= CHUNK:
        picked = _picked(kinds, draws, seed)
        return (picked @ sums) / (picked @ counts)
    rng, means = np.random.default_rng(seed), np.empty(draws)
    step = max(1, CHUNK // kinds)
    for start in range(0, draws, step):
        picks = rng.integers(kinds, size=(min(step, draws - start), kinds))
        means[start : start + step] = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    return means


@lru_cache(maxsize=4)
def _picked(kinds: int, draws: int, seed: int) -> np.ndarray:
    """How often each draw picks each cluster: the same for every score over as many clusters."""
    picks = np.random.default_rng(seed).integers(kinds, size=(draws, kinds))
    places = (picks + kinds * np.arange(draws)[:, None]).ravel()
    return np.bincount(places, minlength=draws * kinds).reshape(draws, kinds).astype(np.float64)
