"""From how sure an answer sounds to how often such answers are right.

Three maps of one score, and one of all features. Each is fitted to answers that are known to be right or wrong, and is
plain data afterwards. Scores are probabilities; 0 and 1 are taken for the nearest that have a finite logit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.policies.calibration.confidence import Features

EDGE = 1e-6
RIDGE = 1e-3
"""Keeps coefficients finite where right and wrong are told apart without exception."""


class Calibrator(ABC):
    """Scores to probabilities of being right."""

    @abstractmethod
    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities, as many as scores."""


@dataclass(frozen=True, slots=True)
class UncalibratedScores(Calibrator):
    """Scores as they are."""

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """See ``Calibrator``."""
        return np.asarray(scores, dtype=float)


@dataclass(frozen=True, slots=True)
class Platt(Calibrator):
    """σ(``slope`` × logit + ``offset``); with an offset of 0 it is temperature scaling by 1 / ``slope``."""

    slope: float
    offset: float = 0.0

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """See ``Calibrator``."""
        return _sigmoid(self.slope * logit(scores) + self.offset)

    @property
    def temperature(self) -> float:
        """What logits are divided by."""
        return 1 / self.slope


@dataclass(frozen=True, slots=True)
class Isotonic(Calibrator):
    """A non-decreasing, piecewise linear map through the points of ``scores`` and ``chances``; constant beyond them."""

    scores: tuple[float, ...]
    chances: tuple[float, ...]

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """See ``Calibrator``."""
        return np.interp(np.asarray(scores, dtype=float), self.scores, self.chances)


@dataclass(frozen=True, slots=True)
class Logistic:
    """σ(weights · standardised features + offset), of ``Features`` in their order."""

    weights: tuple[float, ...]
    offset: float
    means: tuple[float, ...]
    scales: tuple[float, ...]

    def __call__(self, features: Sequence[Features]) -> np.ndarray:
        """Probabilities of being right."""
        table = (_table(features) - np.asarray(self.means)) / np.asarray(self.scales)
        return _sigmoid(table @ np.asarray(self.weights) + self.offset)


def fit_temperature(scores: Sequence[float], right: Sequence[bool]) -> Platt:
    """The temperature of least log-loss."""
    values, known = _checked(scores, right)
    (slope,) = _newton(logit(values)[:, None], known)
    return Platt(max(slope, EDGE))


def fit_platt(scores: Sequence[float], right: Sequence[bool]) -> Platt:
    """Slope and offset of least log-loss."""
    values, known = _checked(scores, right)
    slope, offset = _newton(np.stack([logit(values), np.ones_like(values)], axis=1), known)
    return Platt(max(slope, EDGE), offset)


def fit_isotonic(scores: Sequence[float], right: Sequence[bool]) -> Isotonic:
    """The non-decreasing least-squares fit, by pooling adjacent violators.

    Answers of equal score are one point before anything is pooled, so the order of the answers does not matter. Each
    block of equal chance is kept by its least and greatest score, and between blocks the map is linear: at the scores
    it was fitted to, it is the least-squares fit itself.
    """
    values, known = _checked(scores, right)
    points, places = np.unique(values, return_inverse=True)
    blocks: list[tuple[float, float, float, float]] = []  # right answers, answers, least score, greatest score
    for good, count, point in zip(np.bincount(places, weights=known), np.bincount(places), points, strict=True):
        block = (float(good), float(count), float(point), float(point))
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2], block[3])
        blocks.append(block)
    knots = [(end, good / count) for good, count, least, most in blocks for end in dict.fromkeys((least, most))]
    return Isotonic(tuple(end for end, _ in knots), tuple(chance for _, chance in knots))


def fit_logistic(features: Sequence[Features], right: Sequence[bool]) -> Logistic:
    """Weights of least log-loss; a feature that never changes weighs nothing."""
    table, known = _table(features), np.asarray(right, dtype=float)
    if len(table) != len(known) or not len(known):
        raise SaccadeError(f"{len(table)} answers but {len(known)} marks; give one each, and at least 1")
    means, scales = table.mean(axis=0), table.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    *weights, offset = _newton(np.column_stack([(table - means) / scales, np.ones(len(table))]), known)
    return Logistic(tuple(weights), offset, tuple(means.tolist()), tuple(scales.tolist()))


def logit(scores: np.ndarray) -> np.ndarray:
    """Log-odds."""
    kept = np.clip(np.asarray(scores, dtype=float), EDGE, 1 - EDGE)
    return np.log(kept / (1 - kept))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def _table(features: Sequence[Features]) -> np.ndarray:
    return np.asarray([astuple(one) for one in features], dtype=float).reshape(len(features), -1)


def _checked(scores: Sequence[float], right: Sequence[bool]) -> tuple[np.ndarray, np.ndarray]:
    if len(scores) != len(right) or not len(scores):
        raise SaccadeError(f"{len(scores)} scores but {len(right)} marks; give one each, and at least 1")
    values = np.asarray(scores, dtype=float)
    if not ((values >= 0) & (values <= 1)).all():
        raise SaccadeError(f"scores lie between 0 and 1, got {values.min():g} to {values.max():g}")
    return values, np.asarray(right, dtype=float)


def _newton(table: np.ndarray, right: np.ndarray, steps: int = 100) -> list[float]:
    """Logistic regression with a small ridge, by Newton's method with halved steps where a full one overshoots."""
    weights = np.zeros(table.shape[1])

    def loss(weights: np.ndarray) -> float:
        logits = table @ weights
        return float(np.logaddexp(0, logits).sum() - right @ logits + RIDGE * weights @ weights / 2)

    now = loss(weights)
    for _ in range(steps):
        chances = _sigmoid(table @ weights)
        slope = table.T @ (chances - right) + RIDGE * weights
        bend = (table * (chances * (1 - chances))[:, None]).T @ table + RIDGE * np.eye(len(weights))
        step = np.linalg.solve(bend, slope)
        while (then := loss(weights - step)) > now and np.abs(step).max() > 1e-12:
            step = step / 2
        if now - then < 1e-10:
            break
        weights, now = weights - step, then
    return weights.tolist()
