"""Looking again, compared: every policy on every model, ladders fitted, and each policy against what it has to beat."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isqrt, sqrt

import numpy as np

from saccade.core.backend import Backend
from saccade.core.caps import Cap
from saccade.core.keep import Keep
from saccade.evaluation.results import Row
from saccade.policies.base import Policy
from saccade.policies.certify import Certificate, Refusal
from saccade.policies.ladder import Ladder
from saccade.policies.once import Once
from saccade.policies.scheduler import Scheduler
from saccade.study.cascade import Expected, Labelled, certified, cheapest
from saccade.study.looking import SINGLE, Looked, further, look
from saccade.study.policies import Against, Cascade, Proof, Verdict
from saccade.study.reliability import reliability
from saccade.study.rows import Asked, scored
from saccade.study.sheets import Progress
from saccade.tasks.exam import Exam

RISK = 0.05
"""The share of wrong answers that the certified ladder promises to stay below."""
LADDER, CERTIFIED = "ladder", "ladder-certified"
SHARES = (0.5, 0.25)
"""Lengths of the smaller pictures that a model which is not ours is shown, in shares of the picture's; where it can, it
reads as few of the whole picture's tokens as well.
"""
KEEPS = Cap.KEEP | Cap.POSITIONS
ROOM = 1.05
"""Since models round lengths, a smaller picture is allowed a little more than the tokens that it should take."""

Marked = tuple[Row, np.ndarray]
"""A row, and whether each question was right."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A ladder fitted to a model, with what it is judged by later."""

    ladder: Ladder
    certified: Ladder
    expected: Expected
    proofs: tuple[Certificate | Refusal, ...]
    labels: int


@dataclass(frozen=True, eq=False)
class Again:
    """What looking again came to: a policy each, what the ladders among them were fitted to, and the ``singles``: one
    look, and smaller pictures, of the models that sat no exam as readers do.
    """

    looked: tuple[Looked, ...]
    singles: tuple[Looked, ...]
    cascades: tuple[Cascade, ...]
    ladders: dict[str, Ladder]


def look_again(
    exam: Exam,
    calibration: Exam | None,
    models: Mapping[str, Backend],
    beside: Mapping[str, Backend],
    policies: Mapping[str, Policy],
    progress: Progress | None = None,
    alone: Collection[str] = (),
    seed: int = 0,
) -> Again:
    """Every policy on every model, ``beside`` those that ladders may name as well.

    Ladders are fitted to ``calibration`` first, and their certified twin runs too; without it a ladder runs as it is.
    The models ``alone`` have no sheets, so that they look once, at smaller pictures, and at some tokens (by chance from
    ``seed``, or evenly) here. Raises SaccadeError, before anything runs, where a model cannot do what a policy takes.
    """
    for name, model in models.items():
        for policy in policies.values():
            Scheduler({name: model, **beside}).check(policy)
    looked: list[Looked] = []
    singles: list[Looked] = []
    cascades: list[Cascade] = []
    ladders: dict[str, Ladder] = {}
    twice = {title: policy for title, policy in policies.items() if title != "once"}  # every model has looked once
    for name, model in models.items():
        bench, mine = {name: model, **beside}, list[Looked]()
        whole = look(exam, bench, "once", Once(), progress) if name in alone else None
        for title, policy in twice.items():
            if title == LADDER and isinstance(policy, Ladder) and calibration is not None:
                climbed, found, ladders[name] = _climbed(exam, calibration, bench, policy, progress)
                mine += climbed
                cascades.append(found)
            else:
                mine.append(look(exam, bench, title, policy, progress))
        if whole is not None:
            singles += [whole, *_plainer(exam, bench, whole, mine, seed, progress)]
        looked += mine
    return Again(tuple(looked), tuple(singles), tuple(cascades), ladders)


def _climbed(
    exam: Exam, calibration: Exam, bench: Mapping[str, Backend], ladder: Ladder, progress: Progress | None
) -> tuple[list[Looked], Cascade, Ladder]:
    """A ladder fitted to ``calibration``, and its certified twin, on the exam."""
    fitted = fit(calibration, bench, ladder, progress)
    cheap = look(exam, bench, LADDER, fitted.ladder, progress)
    safe = look(exam, bench, CERTIFIED, fitted.certified, progress)
    lowest = ladder.levels[0]
    first = look(exam, _led(bench, lowest.model), "the first level", lowest.policy, progress)
    return [cheap, safe], cascade(cheap, safe, first, fitted, calibration), fitted.ladder


def _plainer(
    exam: Exam,
    bench: Mapping[str, Backend],
    whole: Looked,
    policies: Sequence[Looked],
    seed: int,
    progress: Progress | None,
) -> list[Looked]:
    """What ``policies`` have to beat: smaller pictures, and fewer tokens of the whole one where that can be."""
    shares = shorter([one.visual_tokens for one in policies], whole.visual_tokens)
    plainer = [("resize", Once(share=share)) for share in shares]
    if whole.model.caps & KEEPS == KEEPS:
        kept = [Keep(rule, share**2, seed) for rule in ("random", "uniform") for share in SHARES]
        plainer += [(keep.rule, Once(keep=keep)) for keep in kept]
    return [look(exam, bench, title, policy, progress) for title, policy in plainer]


def shorter(tokens: Sequence[float], whole: float) -> list[float]:
    """Lengths of smaller pictures, longest first: the standing ones, and those at which no fewer tokens than each
    policy took may be expected, where ``whole`` pictures take more: tokens are as the square of the length.
    """
    equal = [round(sqrt(ROOM * taken / whole), 3) for taken in tokens if 0 < taken < whole]
    return sorted({*SHARES, *(share for share in equal if 0 < share < 1)}, reverse=True)


def fit(exam: Exam, bench: Mapping[str, Backend], ladder: Ladder, progress: Progress | None = None) -> Fitted:
    """Calibrate a ladder on an exam that is not the one it will be compared on."""
    labelled: list[Labelled] = []
    below: list[Looked] = []
    for place, level in enumerate(ladder.levels, 1):
        found = look(exam, _led(bench, level.model), f"calibrating level {place}", level.policy, progress)
        took = further(found, below, exam)
        labelled.append(Labelled.of(found.results, found.right.tolist(), took, below[-1].results if below else None))
        below.append(found)
    cheap, expected = cheapest(ladder, labelled)
    safe, proofs = certified(ladder, labelled, risk=RISK)
    return Fitted(cheap, safe, expected, proofs, len(labelled[0].right))


def _led(bench: Mapping[str, Backend], name: str) -> dict[str, Backend]:
    """The bench with the model of that name in front; as it is for ""."""
    return {name: bench[name], **bench} if name else dict(bench)


def trained(looked: Looked) -> str:
    """One sentence on where a policy's row comes from, and what to know of it."""
    if looked.model.remote:
        said = f"as it answers at {looked.reader}"
        if any(each.visual_tokens is None for one in looked.results for each in one.trace.looks):
            said += "; the server does not tell the tokens of pictures apart, so whole prompts are counted"
    elif looked.policy in SINGLE:
        said = f"as loaded from {looked.reader}"
    else:
        said = "not trained to look again; its settings were chosen on the calibration split"
    return said if looked.fault is None else f"{said}. {looked.fault}"


def verdict(looked: Looked, asked: Sequence[Asked], rows: Sequence[Marked]) -> Verdict:
    """A policy against the single looks of ``rows``, of which the first reads all tokens."""
    tokens = looked.visual_tokens
    resized = [one for one in rows if one[0].policy == "resize" and one[0].visual_tokens >= tokens]
    least = min((row.visual_tokens for row, _ in resized), default=None)
    # A picture cannot be larger than the reader takes: then all of it, once, is what looking again has to beat.
    equal = [one for one in resized if one[0].visual_tokens == least] or [rows[0]]
    fewer = [one for one in rows if not one[0].baseline and one[0].visual_tokens <= tokens + 0.5]
    return Verdict(
        reader=looked.reader,
        policy=looked.policy,
        visual_tokens=tokens,
        looks=looked.looks,
        resize=_against(looked, asked, equal),
        best=_against(looked, asked, fewer),
    )


def _against(looked: Looked, asked: Sequence[Asked], candidates: Sequence[Marked]) -> Against | None:
    """The difference to whichever of the candidates has most right."""
    if not candidates:
        return None
    best, right = max(candidates, key=lambda one: int(one[1].sum()))
    found = scored(looked.right, right, asked).difference
    return Against(best.reader, best.policy, best.visual_tokens, found.detail, found.gist, found.own)


def twin(visual_tokens: float, full: int) -> int:
    """The smallest square number of tokens that is no fewer, at most ``full``: what a smaller picture may take."""
    side = isqrt(max(1, ceil(visual_tokens)) - 1) + 1
    return min(side * side, full)


def cascade(looked: Looked, safe: Looked, first: Looked, fitted: Fitted, calibration: Exam) -> Cascade:
    """How a fitted ladder did: ``looked`` the cheapest, ``safe`` the certified one, ``first`` its first level alone."""
    level = fitted.ladder.levels[0]
    answered = np.asarray([one.error is None and not one.outcome.abstains for one in safe.results])
    ended = np.asarray([one.outcome.level for one in looked.results])
    said = [one.outcome for one in first.results]
    return Cascade(
        model=looked.reader,
        calibration=calibration.name,
        labels=fitted.labels,
        expected=fitted.expected,
        reached=tuple(float((ended >= place).mean()) for place in range(1, len(fitted.ladder.levels) + 1)),
        raw=reliability([one.confidence or 0.0 for one in said], first.right.tolist()),
        calibrated=reliability([level.sure(one, None) or 0.0 for one in said], first.right.tolist()),
        proofs=tuple(
            Proof(place, one if isinstance(one, Certificate) else None, one if isinstance(one, Refusal) else None)
            for place, one in enumerate(fitted.proofs, 1)
        ),
        promised=RISK,
        coverage=float(answered.mean()),
        risk=float(1 - safe.right[answered].mean()) if answered.any() else None,
    )
