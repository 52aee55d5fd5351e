"""The ladder: cheap looks first, dearer ones only where those are not sure enough (a cascade).

Law     level ℓ is paid for by the questions that reach it: cost = c₁ + p₁ c₂ + p₁ p₂ c₃ …
Loses   what a cheap level is wrongly sure of; how much that may be is what thresholds are calibrated or certified for.
Source  the survey's cascade, FrugalGPT (arXiv:2305.05176) and VisionThink (arXiv:2507.13348) for the idea; the survey's
        fixed thresholds of 0.9 and 0.7 are one setting (``survey``), with no guarantee.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from saccade.core.answer import Answer
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run
from saccade.policies.calibration.calibrate import Isotonic, Logistic, Platt, UncalibratedScores
from saccade.policies.calibration.confidence import Features
from saccade.policies.single_look import SingleLook

Scorer = UncalibratedScores | Platt | Isotonic | Logistic
"""How sure a level is, from what it said."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One rung: a ``policy`` on a ``model`` ("" for the one that the ladder is run with), whose answer stands where it
    is at least as sure as ``threshold``, as its ``scorer`` tells.
    """

    policy: Policy
    model: str = ""
    threshold: float = 0.9
    scorer: Scorer = field(default_factory=UncalibratedScores)

    def __post_init__(self) -> None:
        check_fields(self)

    def sure(self, outcome: Outcome, before: Answer | None) -> float | None:
        """How sure it is, calibrated; None where nothing tells."""
        if isinstance(self.scorer, Logistic):
            features = Features.of(outcome.answer, before)
            return None if features is None else float(self.scorer([features])[0])
        if outcome.confidence is None:
            return None
        return float(self.scorer(np.asarray([outcome.confidence]))[0])


@dataclass(frozen=True, kw_only=True)
class Ladder(Policy):
    """``levels`` from cheap to dear. The last one's answer stands in any case, unless the ladder ``abstains`` where it
    is not sure enough either.
    """

    levels: tuple[Level, ...]
    abstains: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.levels:
            raise SaccadeError("a ladder has at least 1 level, got 0")

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        caps: dict[str, Cap] = {}
        for level in self.levels:
            for name, taken in level.policy.requires.items():
                caps[name or level.model] = caps.get(name or level.model, Cap(0)) | taken
        return caps

    def run(self, asked: PolicyInput) -> Run:
        """See ``Policy``."""
        found: Outcome | None = None
        sure: float | None = None
        for number, level in enumerate(self.levels, 1):
            before = None if found is None else found.answer
            try:
                found = yield from level.policy.run(asked.on(level.model) if level.model else asked)
                found = replace(found, level=number)
            except BudgetSpent:
                if found is None:
                    raise
                break
            sure = level.sure(found, before)
            if sure is not None and sure >= level.threshold:
                return replace(found, confidence=sure)
        assert found is not None
        return replace(found, confidence=sure, abstains=self.abstains)


def survey(*policies: Policy, thresholds: tuple[float, ...] = (0.9, 0.7)) -> Ladder:
    """The survey's cascade: what the model says of its own certainty against fixed thresholds."""
    if len(policies) - 1 > len(thresholds):
        raise SaccadeError(f"{len(policies)} levels take {len(policies) - 1} thresholds, got {len(thresholds)}")
    last = len(policies) - 1
    return Ladder(
        levels=tuple(
            Level(policy=policy, threshold=0.0 if number == last else thresholds[number])
            for number, policy in enumerate(policies)
        )
    )


def sides(*lengths: int | None, thresholds: tuple[float, ...] = (), agree: bool = False) -> Ladder:
    """One model shown a growing picture: its longer side in pixels, None for all of it. Thresholds as in ``survey``."""
    policies = [SingleLook(side=side, agree=agree) for side in lengths]
    return survey(*policies, thresholds=thresholds or (0.9,) * (len(lengths) - 1))
