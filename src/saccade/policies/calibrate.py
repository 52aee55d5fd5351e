"""From how sure an answer sounds to how often such answers are right.

Three maps of one score, and one of all features. Each is fitted to answers that are known to be right or wrong, and is
plain data afterwards. Scores are probabilities; 0 and 1 are taken for the nearest that have a finite logit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.policies.confidence import Features

EDGE = 1e-6
RIDGE = 1e-3
"""Keeps coefficients finite where right and wrong are told apart without exception."""


class Calibrator(ABC):
    """Scores to probabilities of being right."""

    @abstractmethod
    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities, as many as scores."""


@dataclass(frozen=True, slots=True)
class Raw(Calibrator):
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
    """Steps that never fall, with straight lines between their middles: ``scores`` and the ``chances`` there."""

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
    """The rising steps of least squares, found by pooling neighbours that fall."""
    values, known = _checked(scores, right)
    order = np.argsort(values, kind="stable")
    blocks: list[list[float]] = []  # sum of right, count, sum of scores
    for score, mark in zip(values[order], known[order], strict=True):
        blocks.append([float(mark), 1.0, float(score)])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    return Isotonic(
        tuple(total / count for _, count, total in blocks), tuple(good / count for good, count, _ in blocks)
    )


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
