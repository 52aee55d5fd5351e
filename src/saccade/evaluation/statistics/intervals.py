"""Confidence intervals of mean scores: a bootstrap over clusters of questions that also holds at the edges.

Questions about one image are not independent, so a draw takes whole clusters (an image under one training seed), as
many as there are, with replacement, and recomputes the mean score. The interval holds the middle ``level`` of the
draws.

A bootstrap repeats only what was seen, so it is too narrow where almost all clusters agree, and has no width where all
do. m clusters leave open that a further kind of cluster, never seen, has a share of up to
p = 1 − ((1 − level) / 2)^(1/m) of the population: the bound of Clopper and Pearson (1934). So:

- **All clusters agree** on a mean v, with scores between lo and hi: the ends are v(1 − p) + p·lo and v(1 − p) + p·hi.
  20 of 20 right give 83.2 to 100 %.
- **Fewer than ``FEW`` clusters differ** from the most common mean: every draw gives a random share, Beta(1, m), to one
  unseen cluster, which lies as far from the mean as the farthest that was seen, on the side of the end in question.
  19 of 20 right give about 75 to 100 %; the bootstrap alone gives 85.
- **Otherwise** the bootstrap alone.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from saccade.core.errors import SaccadeError

CHUNK = 1 << 20
"""Cluster picks held in memory at once."""
FEW = 10
"""The bootstrap is trusted alone where at least this many clusters differ from the most common cluster mean."""
LEAST = 20
"""The fewest draws: with fewer, no draw lies outside a 90 % interval."""
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A ``mean`` and the ends of its interval; both ends are None where there is a single cluster."""

    mean: float
    low: float | None
    high: float | None

    @property
    def ends(self) -> Ends | None:
        """``(low, high)`` with low < high, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def clustered(
    values: np.ndarray,
    clusters: Sequence[Hashable],
    *,
    bounds: Ends = (0.0, 1.0),
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of ``values`` (one score per question) with its interval, which is never of no width.

    ``clusters`` names the cluster of each question, ``bounds`` are the least and greatest score there can be. Equal
    arguments give equal intervals. Raises SaccadeError for no values, lengths that differ, values that are not finite
    or outside ``bounds``, fewer than 20 draws, or a level outside 0 to 1.
    """
    numbers = _checked(values, clusters, bounds)
    if draws < LEAST or not 0 < level < 1:
        raise SaccadeError(
            f"an interval needs at least {LEAST} draws and a level between 0 and 1, got {draws} and {level}"
        )
    places: dict[Hashable, int] = {}
    index = np.asarray([places.setdefault(cluster, len(places)) for cluster in clusters])
    mean = float(numbers.mean())
    if len(places) == 1:
        return Interval(mean, None, None)
    sums, counts = np.bincount(index, weights=numbers), np.bincount(index)
    tail = (1 - level) / 2
    if not (differing := _differing(sums / counts)):
        return Interval(mean, *_agreed(mean, bounds, 1 - tail ** (1 / len(places))))
    means = _draws(sums, counts, draws, seed)
    low, high = means, means
    if differing < FEW:
        low, high = _with_unseen(means, mean, sums / counts, bounds, seed)
    return Interval(mean, float(np.quantile(low, tail)), float(np.quantile(high, 1 - tail)))


def paired(
    a: np.ndarray,
    b: np.ndarray,
    clusters: Sequence[Hashable],
    *,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of ``a - b`` with its interval, where both are scores (0 to 1) of the same questions in the same order.

    Raises as ``clustered`` does.
    """
    if np.shape(a) != np.shape(b):
        raise SaccadeError(
            f"a paired difference needs the same questions on both sides, got {np.shape(a)} and {np.shape(b)} values; "
            "score both models on one benchmark"
        )
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return clustered(difference, clusters, bounds=(-1.0, 1.0), draws=draws, level=level, seed=seed)


def _differing(means: np.ndarray) -> int:
    """How many clusters have another mean than the most common one; rounding errors make no difference."""
    _, counts = np.unique(np.round(means, 12), return_counts=True)
    return len(means) - int(counts.max())


def _agreed(mean: float, bounds: Ends, share: float) -> Ends:
    """The ends where all clusters agree, and a ``share`` of the population may lie at either bound."""
    return mean * (1 - share) + share * bounds[0], mean * (1 - share) + share * bounds[1]


def _with_unseen(
    draws: np.ndarray, mean: float, means: np.ndarray, bounds: Ends, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The draws with one unseen cluster below the ``mean``, and with one above it."""
    farthest = float(np.abs(means - mean).max())
    below, above = max(bounds[0], mean - farthest), min(bounds[1], mean + farthest)
    share = np.random.default_rng([seed, 1]).beta(1, len(means), size=len(draws))
    return draws * (1 - share) + share * below, draws * (1 - share) + share * above


def _checked(values: np.ndarray, clusters: Sequence[Hashable], bounds: Ends) -> np.ndarray:
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
    if numbers.min() < bounds[0] or numbers.max() > bounds[1]:
        raise SaccadeError(
            f"an interval got values from {numbers.min():g} to {numbers.max():g} outside its bounds of {bounds[0]:g} "
            f"to {bounds[1]:g}; scale the scores into them, or give the bounds of the scores"
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
