"""Ladders in a comparison: fitted to questions that are not compared on, and judged on those that are."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from saccade.core.backend import Backend
from saccade.core.size import Size
from saccade.core.trace import Look
from saccade.evaluation.answered import Answered
from saccade.evaluation.candidates import Candidate
from saccade.evaluation.cascade import ExpectedLadder, Labelled, certified, cheapest
from saccade.evaluation.policies import Cascade, LevelCertificate
from saccade.evaluation.runner import PosedQuestion, Runner
from saccade.evaluation.statistics.reliability import reliability
from saccade.policies.calibration.certify import Certificate, Refusal
from saccade.policies.ladder import Ladder

RISK = 0.05
"""The share of wrong answers that the certified ladder promises to stay below."""
LADDER, CERTIFIED = "ladder", "ladder-certified"
RIGHT = 0.5
"""The score from which on an answer counts as right, where a metric gives parts of a point."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A ladder fitted to a model, with what it is judged by later."""

    ladder: Ladder
    certified: Ladder
    expected: ExpectedLadder
    proofs: tuple[Certificate | Refusal, ...]
    labels: int


def fit(runner: Runner, model: str, bench: Mapping[str, Backend], ladder: Ladder) -> Fitted:
    """Calibrate a ladder on the runner's questions, which are not those that it will be compared on."""
    labelled: list[Labelled] = []
    below: list[list[Answered]] = []
    for place in range(1, len(ladder.levels) + 1):
        candidate = level_candidate(model, bench, ladder, place)
        (answers,) = runner.run([candidate])
        took = further(answers, below, runner.posed, candidate.bench)
        before = [one.result for one in below[-1]] if below else None
        labelled.append(Labelled.of([one.result for one in answers], right(answers).tolist(), took, before))
        below.append(answers)
    cheap, expected = cheapest(ladder, labelled)
    safe, proofs = certified(ladder, labelled, risk=RISK)
    return Fitted(cheap, safe, expected, proofs, len(labelled[0].right))


def level_candidate(model: str, bench: Mapping[str, Backend], ladder: Ladder, place: int) -> Candidate:
    """One level of a ladder, counted from 1, on its own."""
    level = ladder.levels[place - 1]
    title = f"{LADDER}, level {place}"
    return Candidate(model=model, title=title, policy=level.policy, bench=_led(bench, level.model), detailed=True)


def further(
    answers: Sequence[Answered],
    below: Sequence[Sequence[Answered]],
    posed: Sequence[PosedQuestion],
    bench: Mapping[str, Backend],
) -> list[int]:
    """Visual tokens of each question beside the looks of the levels ``below``, since nothing is asked twice."""
    models = {model.name: model for model in bench.values()}

    def same(look: Look, size: Size) -> Hashable:
        return look.model, models[look.model].same(size, look.request)

    taken = []
    for number, one in enumerate(posed):
        size = one.picture.size
        known = {same(look, size) for level in below for look in level[number].result.trace.looks}
        taken.append(sum(look.taken for look in answers[number].result.trace.looks if same(look, size) not in known))
    return taken


def right(answers: Sequence[Answered]) -> np.ndarray:
    """Whether each answer counts as right."""
    return np.asarray([one.error is None and one.score >= RIGHT for one in answers], dtype=bool)


def cascade(
    model: str,
    cheap: Sequence[Answered],
    safe: Sequence[Answered],
    first: Sequence[Answered],
    fitted: Fitted,
    calibration: str,
) -> Cascade:
    """How a fitted ladder did: ``cheap`` the cheapest, ``safe`` the certified one, ``first`` its first level alone."""
    level = fitted.ladder.levels[0]
    answered = np.asarray([one.error is None and not one.result.outcome.abstains for one in safe])
    ended = np.asarray([one.result.outcome.level for one in cheap])
    said = [one.result.outcome for one in first]
    known = right(first).tolist()
    return Cascade(
        model=model,
        calibration=calibration,
        labels=fitted.labels,
        expected=fitted.expected,
        reached=tuple(float((ended >= place).mean()) for place in range(1, len(fitted.ladder.levels) + 1)),
        raw=reliability([one.confidence or 0.0 for one in said], known),
        calibrated=reliability([level.sure(one, None) or 0.0 for one in said], known),
        proofs=tuple(
            LevelCertificate(
                place, one if isinstance(one, Certificate) else None, one if isinstance(one, Refusal) else None
            )
            for place, one in enumerate(fitted.proofs, 1)
        ),
        promised=RISK,
        coverage=float(answered.mean()),
        risk=float(1 - right(safe)[answered].mean()) if answered.any() else None,
    )


def _led(bench: Mapping[str, Backend], name: str) -> dict[str, Backend]:
    """The bench with the model of that name in front; as it is for ""."""
    return {name: bench[name], **bench} if name else dict(bench)
