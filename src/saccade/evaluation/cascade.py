"""Fitting a ladder to labelled answers: how sure each level really is, and from where on its answer may stand.

Every level answers every question once; all settings are then tried on what it said, and nothing is run again.

A certificate holds for thresholds on a score that does not itself hang on the labels. Where one is wanted, certainties
are therefore only ever stretched (by a temperature, or Platt's line), which leaves their order as it is; where none is,
all that an answer's features tell may be weighed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, product

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.policies.base import Result
from saccade.policies.calibration.calibrate import (
    Logistic,
    UncalibratedScores,
    fit_isotonic,
    fit_logistic,
    fit_platt,
    fit_temperature,
)
from saccade.policies.calibration.certify import Certificate, Refusal, certify
from saccade.policies.calibration.confidence import Features
from saccade.policies.ladder import Ladder, Level, Scorer

TRIALS = 4096
"""Settings that are tried at most with each choice of scorers: 64 thresholds a level where there are three levels."""
NEVER = 2.0
"""A threshold that no answer reaches."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """What one level said to every question: how ``sure`` (0 where nothing tells), whether ``right``, and what of a
    budget it ``took`` in visual tokens, beside what the levels below had; ``features`` of its answers, None where the
    model does not tell all of them.
    """

    sure: np.ndarray
    right: np.ndarray
    took: np.ndarray
    features: tuple[Features, ...] | None = None

    @classmethod
    def of(
        cls,
        results: Sequence[Result],
        right: Sequence[bool],
        took: Sequence[int],
        before: Sequence[Result] | None = None,
    ) -> "Labelled":
        """From a policy's results; ``before`` are those of the level below."""
        sure = [0.0 if one.outcome.confidence is None else one.outcome.confidence for one in results]
        earlier = [None] * len(results) if before is None else [one.outcome.answer for one in before]
        found = [Features.of(one.outcome.answer, other) for one, other in zip(results, earlier, strict=True)]
        known = tuple(one for one in found if one is not None)
        features = known if len(known) == len(found) else None
        return cls(np.asarray(sure), np.asarray(right, dtype=bool), np.asarray(took, dtype=float), features)

    def part(self, chosen: np.ndarray) -> "Labelled":
        """What was said to some of the questions."""
        kept = None if self.features is None else tuple(compress(self.features, chosen))
        return Labelled(self.sure[chosen], self.right[chosen], self.took[chosen], kept)

    def scored(self, scorer: Scorer) -> np.ndarray:
        """How sure the level is of each, as ``scorer`` tells."""
        if not isinstance(scorer, Logistic):
            return scorer(self.sure)
        if self.features is None:
            raise SaccadeError("a logistic scorer weighs features, and these answers have none; fit another scorer")
        return scorer(self.features)


@dataclass(frozen=True, slots=True)
class ExpectedLadder:
    """What a ladder came to on the answers that it was fitted to."""

    accuracy: float
    visual_tokens: float
    reached: tuple[float, ...]


def calibrated(labelled: Labelled, *, ordered: bool = False) -> Scorer:
    """Whichever of the raw score, a temperature, Platt's line, isotonic steps and a logistic regression on all features
    has the least log-loss on the half that it was not fitted to, the halves taking turns; fitted to all in the end.
    ``ordered`` are the first three alone, which keep answers in the order of their certainty.
    """
    halves = [np.arange(len(labelled.right)) % 2 == turn for turn in (0, 1)]
    able = {**ORDERED} if ordered else {**ORDERED, **OTHERS}
    if labelled.features is None:
        able.pop("logistic", None)

    def loss(name: str) -> float:
        total = 0.0
        for half in halves:
            fitted = able[name](labelled.part(~half))
            chances = np.clip(labelled.part(half).scored(fitted), 1e-3, 1 - 1e-3)
            total -= float(np.where(labelled.right[half], np.log(chances), np.log1p(-chances)).sum())
        return total

    best = min(able, key=loss)
    return able[best](labelled)


Fit = Callable[[Labelled], Scorer]
ORDERED: Mapping[str, Fit] = {
    "raw": lambda labelled: UncalibratedScores(),
    "temperature": lambda labelled: fit_temperature(labelled.sure.tolist(), labelled.right.tolist()),
    "platt": lambda labelled: fit_platt(labelled.sure.tolist(), labelled.right.tolist()),
}
"""Ways to calibrate that leave the order of answers as it is, by name."""
OTHERS: Mapping[str, Fit] = {
    "isotonic": lambda labelled: fit_isotonic(labelled.sure.tolist(), labelled.right.tolist()),
    "logistic": lambda labelled: fit_logistic(labelled.features or (), labelled.right.tolist()),
}
"""Ways that look at more, or level differences."""


def cheapest(ladder: Ladder, labelled: Sequence[Labelled], slack: float = 0.0) -> tuple[Ladder, ExpectedLadder]:
    """The scorers and thresholds that take fewest visual tokens and still answer at least as well as the last level
    alone, less ``slack``. Levels that nothing speaks for are asked all the same, and never stand.

    Below the last level, features compete with the calibrated certainty: the one of less log-loss need not be the one
    that tells right from wrong where it matters.
    """
    _check(ladder, labelled)
    wanted = float(labelled[-1].right.mean()) - slack
    able = [[calibrated(one), *_weighed(one)] for one in labelled[:-1]]
    ways = [_thresholds(ladder, labelled, (*below, calibrated(labelled[-1])), wanted) for below in product(*able)]
    return min(ways, key=lambda way: way[1].visual_tokens)


def _weighed(labelled: Labelled) -> list[Scorer]:
    """What weighs the features, where there are any."""
    return [] if labelled.features is None else [OTHERS["logistic"](labelled)]


def _thresholds(
    ladder: Ladder, labelled: Sequence[Labelled], scorers: Sequence[Scorer], wanted: float
) -> tuple[Ladder, ExpectedLadder]:
    """The thresholds that take fewest visual tokens with these scorers, at an accuracy of at least ``wanted``."""
    sure = [one.scored(scorer) for scorer, one in zip(scorers, labelled, strict=True)]
    steps = max(2, int(TRIALS ** (1 / max(1, len(labelled) - 1))))
    steps = min(steps, len(labelled[0].right))
    grids = [[*np.unique(np.quantile(values, np.linspace(0, 1, steps))), NEVER] for values in sure[:-1]]
    best: tuple[float, tuple[float, ...], ExpectedLadder] | None = None
    for thresholds in product(*grids):
        found = expected(sure, labelled, (*thresholds, 0.0))
        if found.accuracy >= wanted - 1e-12 and (best is None or found.visual_tokens < best[0]):
            best = found.visual_tokens, (*map(float, thresholds), 0.0), found
    assert best is not None, "where no level ever stands but the last, its accuracy is met"
    return _with(ladder, best[1], scorers), best[2]


def certified(
    ladder: Ladder, labelled: Sequence[Labelled], *, risk: float = 0.05, doubt: float = 0.05
) -> tuple[Ladder, tuple[Certificate | Refusal, ...]]:
    """The ladder that abstains rather than being wrong more often than ``risk`` in what it answers.

    Each level is certified on the questions that reach it, the ``doubt`` shared among them; one that cannot be is
    asked, and never stands.
    """
    _check(ladder, labelled)
    scorers = [calibrated(one, ordered=True) for one in labelled]
    reaching = np.ones(len(labelled[0].right), dtype=bool)
    thresholds: list[float] = []
    proofs: list[Certificate | Refusal] = []
    for scorer, one in zip(scorers, labelled, strict=True):
        sure = one.scored(scorer)
        proof = certify(
            sure[reaching].tolist(), one.right[reaching].tolist(), risk=risk, doubt=doubt / len(ladder.levels)
        )
        proofs.append(proof)
        thresholds.append(proof.threshold if isinstance(proof, Certificate) else NEVER)
        reaching &= sure < thresholds[-1]
    return replace(_with(ladder, tuple(thresholds), scorers), abstains=True), tuple(proofs)


def expected(sure: Sequence[np.ndarray], labelled: Sequence[Labelled], thresholds: Sequence[float]) -> ExpectedLadder:
    """What these thresholds come to, the last level's answer standing in any case."""
    count = len(labelled[0].right)
    waiting, right, took = np.ones(count, dtype=bool), 0, 0.0
    reached: list[float] = []
    for place, (values, one, threshold) in enumerate(zip(sure, labelled, thresholds, strict=True)):
        reached.append(float(waiting.mean()))
        took += float(one.took[waiting].sum())
        stands = waiting & ((values >= threshold) | (place == len(labelled) - 1))
        right += int(one.right[stands].sum())
        waiting = waiting & ~stands
    return ExpectedLadder(right / count, took / count, tuple(reached))


def _with(ladder: Ladder, thresholds: Sequence[float], scorers: Sequence[Scorer]) -> Ladder:
    levels: tuple[Level, ...] = tuple(
        replace(level, threshold=threshold, scorer=scorer)
        for level, threshold, scorer in zip(ladder.levels, thresholds, scorers, strict=True)
    )
    return replace(ladder, levels=levels)


def _check(ladder: Ladder, labelled: Sequence[Labelled]) -> None:
    if len(labelled) != len(ladder.levels):
        raise SaccadeError(f"{len(ladder.levels)} levels but the answers of {len(labelled)}; give one each")
    counts = {len(one.right) for one in labelled}
    if len(counts) > 1 or counts == {0}:
        raise SaccadeError(f"every level answers the same questions, at least 1; got {sorted(counts)}")
