"""Whether answers are as often right as they are sure: what a calibration is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.core.errors import SaccadeError

BINS = 15
RISKS = (0.01, 0.05, 0.1)
EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Bin:
    """``count`` answers: how sure they were and how many were right, in the mean."""

    count: int
    sure: float
    right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """``bins`` hold equal numbers of answers. ``ece`` is the mean gap between sure and right over bins of equal width,
    ``adaptive`` over ``bins``, ``debiased`` that less what chance alone would make of it; ``brier`` and ``nll`` are
    scores of each answer; ``auroc`` how well right answers are told from wrong ones (None where all are alike).
    ``curve`` gives the share of wrong answers among the surest share of all, ``aurc`` its mean, ``coverage`` the
    largest share with at most 1, 5 and 10 % wrong.
    """

    answers: int
    accuracy: float
    bins: tuple[Bin, ...]
    ece: float
    adaptive: float
    debiased: float
    brier: float
    nll: float
    auroc: float | None
    curve: tuple[tuple[float, float], ...]
    aurc: float
    coverage: tuple[float, ...]


def reliability(sure: Sequence[float], right: Sequence[bool]) -> Reliability:
    """Of answers that are known to be right or wrong. Raises SaccadeError for none, or lists of unequal length."""
    scores, known = np.asarray(sure, dtype=float), np.asarray(right, dtype=float)
    if len(scores) != len(known) or not len(scores):
        raise SaccadeError(f"{len(scores)} scores but {len(known)} marks; give one each, and at least 1")
    kept = np.clip(scores, EDGE, 1 - EDGE)
    order = np.argsort(scores, kind="stable")
    groups = [part for part in np.array_split(order, min(BINS, len(scores))) if len(part)]
    bins = tuple(Bin(len(part), float(scores[part].mean()), float(known[part].mean())) for part in groups)
    widths = np.minimum((scores * BINS).astype(int), BINS - 1)
    risks = np.cumsum(1 - known[order[::-1]]) / np.arange(1, len(known) + 1)
    shares = np.arange(1, len(known) + 1) / len(known)
    return Reliability(
        answers=len(scores),
        accuracy=float(known.mean()),
        bins=bins,
        ece=_gap(scores, known, [np.flatnonzero(widths == place) for place in range(BINS)]),
        adaptive=_gap(scores, known, groups),
        debiased=_debiased(scores, known, groups),
        brier=float(((scores - known) ** 2).mean()),
        nll=float(-(known * np.log(kept) + (1 - known) * np.log1p(-kept)).mean()),
        auroc=_auroc(scores, known),
        curve=tuple((float(shares[at]), float(risks[at])) for at in _places(len(known))),
        aurc=float(risks.mean()),
        coverage=tuple(float(shares[risks <= risk].max(initial=0.0)) for risk in RISKS),
    )


def _places(count: int) -> list[int]:
    """At most a hundred places of a curve, the last among them."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, 100)).round()})


def _gap(sure: np.ndarray, right: np.ndarray, groups: Sequence[np.ndarray]) -> float:
    return float(sum(abs(sure[part].sum() - right[part].sum()) for part in groups) / len(sure))


def _debiased(sure: np.ndarray, right: np.ndarray, groups: Sequence[np.ndarray]) -> float:
    """The gap less the mean gap of answers that are right exactly as often as they are sure; not below 0."""
    rng = np.random.default_rng(0)
    drawn = [_gap(sure, (rng.random(len(sure)) < sure).astype(float), groups) for _ in range(200)]
    return max(0.0, _gap(sure, right, groups) - float(np.mean(drawn)))


def _auroc(sure: np.ndarray, right: np.ndarray) -> float | None:
    good, bad = sure[right == 1], sure[right == 0]
    if not len(good) or not len(bad):
        return None
    values = np.concatenate([good, bad])
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # equals share their mean rank
    return float((ranks[: len(good)].sum() - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad)))
