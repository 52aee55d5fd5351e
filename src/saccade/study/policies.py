"""Policies at the exam: what looking again costs and brings, beside one look and a smaller picture at equal tokens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isqrt
from typing import cast

import numpy as np
import torch

from saccade.core.request import Ask, Watch, shown
from saccade.core.trace import Look
from saccade.models.composed import Composed
from saccade.policies.base import Policy, Result, Sample
from saccade.policies.certify import Certificate, Refusal
from saccade.policies.ladder import Ladder
from saccade.policies.scheduler import Scheduler
from saccade.study.cascade import Expected, Labelled, certified, cheapest
from saccade.study.codec import parsed, written
from saccade.study.reliability import Reliability, reliability
from saccade.study.results import Change, Flops, Milliseconds, Row
from saccade.study.rows import BYTES, Asked, scored
from saccade.study.shown import Seen
from saccade.tasks.exam import Exam, Picture, is_right
from saccade.views.sight import extent

SCHEMA = "saccade.policies/1"
RISK = 0.05
"""The share of wrong answers that the certified ladder promises to stay below."""
LADDER, CERTIFIED = "ladder", "ladder-certified"

Progress = Callable[[str, int, int], None]
Marked = tuple[Row, np.ndarray]
"""A row, and whether each question was right."""


@dataclass(frozen=True, eq=False)
class Looked:
    """One policy on one model: its results over the exam's questions in order, and whether each was right."""

    name: str
    model: Composed
    policy: Policy
    results: tuple[Result, ...]
    right: np.ndarray

    @property
    def visual_tokens(self) -> float:
        """Mean over the questions of what all their looks read."""
        return float(np.mean([one.trace.visual_tokens for one in self.results]))


@dataclass(frozen=True, slots=True)
class Against:
    """The paired difference to another row on the same questions: ``reader`` under ``policy``."""

    reader: str
    policy: str
    visual_tokens: float
    detail: Change | None
    gist: Change | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's row set against ``resize`` at equal mean tokens (the smaller picture of the reference or of the
    reader that was trained for it, whichever answers more) and the ``best`` single look with no more tokens; None where
    there is none. ``looks`` are the mean number of requests.
    """

    reader: str
    policy: str
    visual_tokens: float
    looks: float
    resize: Against | None
    best: Against | None


@dataclass(frozen=True, slots=True)
class Proof:
    """A level's certificate, or why there is none."""

    level: int
    certificate: Certificate | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Cascade:
    """A ladder as it was fitted on the ``calibration`` questions and found on the exam's: ``expected`` there; here the
    ``reached`` shares of levels, the first level's ``reliability`` raw and calibrated, and of the certified one the
    share that it answered (``coverage``) and how much of that was wrong (``risk``).
    """

    model: str
    calibration: str
    labels: int
    expected: Expected
    reached: tuple[float, ...]
    raw: Reliability
    calibrated: Reliability
    proofs: tuple[Proof, ...]
    promised: float
    coverage: float
    risk: float | None


@dataclass(frozen=True, slots=True)
class Policies:
    """What a comparison says of policies, beside their rows."""

    exam: str
    verdicts: tuple[Verdict, ...]
    cascades: tuple[Cascade, ...]

    def to_json(self) -> str:
        """Text that ``from_json`` reads back equal."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "Policies":
        """Read strictly. Raises SaccadeError for any other text."""
        return cast(Policies, parsed(cls, text, SCHEMA, "record of policies"))


@dataclass(frozen=True, eq=False)
class Fitted:
    """A ladder fitted to a model, with what it is judged by later."""

    ladder: Ladder
    certified: Ladder
    expected: Expected
    proofs: tuple[Certificate | Refusal, ...]
    labels: int


def samples(exam: Exam) -> list[tuple[Sample, Picture, int]]:
    """Every question, with its picture and its place there."""
    return [
        (Sample(picture, question.text, picture.name), picture, place)
        for picture in exam
        for place, question in enumerate(picture.questions)
    ]


def look(
    exam: Exam, bench: Mapping[str, Composed], name: str, policy: Policy, progress: Progress | None = None
) -> Looked:
    """One policy over the whole exam, on the first model of the bench."""
    everything = samples(exam)
    title = f"{next(iter(bench))}, {name}"
    done = 0

    def told(_: int, __: Result) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(title, done, len(everything))

    results = Scheduler(bench).run(policy, [sample for sample, _, _ in everything], told)
    right = [
        is_right(result.outcome.answer.text, picture.questions[place].answers)
        for result, (_, picture, place) in zip(results, everything, strict=True)
    ]
    return Looked(name, next(iter(bench.values())), policy, tuple(results), np.asarray(right, dtype=bool))


def fit(exam: Exam, bench: Mapping[str, Composed], ladder: Ladder, progress: Progress | None = None) -> Fitted:
    """Calibrate a ladder on an exam that is not the one it will be compared on."""
    labelled = []
    for place, level in enumerate(ladder.levels, 1):
        found = look(exam, _led(bench, level.model), f"calibrating level {place}", level.policy, progress)
        labelled.append(Labelled.of(found.results, found.right.tolist()))
    cheap, expected = cheapest(ladder, labelled)
    safe, proofs = certified(ladder, labelled, risk=RISK)
    return Fitted(cheap, safe, expected, proofs, len(labelled[0].right))


def _led(bench: Mapping[str, Composed], name: str) -> dict[str, Composed]:
    """The bench with the model of that name in front; as it is for ""."""
    return {name: bench[name], **bench} if name else dict(bench)


def row(looked: Looked, reference: np.ndarray, asked: Sequence[Asked], resolvable: float | None) -> Row:
    """A policy's row, as those of readers; FLOPs are predicted, and counted by nobody, since looks differ."""
    marks = scored(looked.right, reference, asked, resolvable=resolvable)
    traces = [one.trace for one in looked.results]
    reader = looked.model.reader
    params = sum(weight.numel() for weight in reader.parameters())
    held = max(each.predicted.bytes or 0 for trace in traces for each in trace.looks)
    return Row(
        reader=looked.model.name,
        policy=looked.name,
        budget=None,
        seed=0,
        visual_tokens=looked.visual_tokens,
        slots=float(np.mean([sum(_slots(looked.model, each) for each in trace.looks) for trace in traces])),
        detail=marks.detail,
        gist=marks.gist,
        own=marks.own,
        kinds=marks.kinds,
        flops=Flops(float(np.mean([trace.flops or 0 for trace in traces]))),
        ms=Milliseconds(*(float(value) for value in np.percentile([trace.ms for trace in traces], (50, 95)))),
        bytes=params * BYTES + held,
        params=params,
        fidelity="faithful",
        trained="not trained to look again; its settings were chosen on the calibration split",
        difference=marks.difference,
    )


def _slots(model: Composed, each: Look) -> int:
    """Positions that pictures took of a look's prompts."""
    questions = each.request.questions if isinstance(each.request, Watch) else (cast(Ask, each.request).question,)
    return (each.tokens or 0) - sum(map(model.reader.positions, questions))


def verdict(looked: Looked, asked: Sequence[Asked], rows: Sequence[Marked]) -> Verdict:
    """A policy against the single looks of ``rows``."""
    tokens = looked.visual_tokens
    resized = [one for one in rows if one[0].policy == "resize" and one[0].visual_tokens >= tokens]
    least = min((row.visual_tokens for row, _ in resized), default=None)
    # A picture cannot be larger than the reader takes: then all of it, once, is what looking again has to beat.
    equal = [one for one in resized if one[0].visual_tokens == least] or [rows[0]]
    fewer = [one for one in rows if not one[0].baseline and one[0].visual_tokens <= tokens + 0.5]
    return Verdict(
        reader=looked.model.name,
        policy=looked.name,
        visual_tokens=tokens,
        looks=float(np.mean([len(one.trace.looks) for one in looked.results])),
        resize=_against(looked, asked, equal),
        best=_against(looked, asked, fewer),
    )


def _against(looked: Looked, asked: Sequence[Asked], candidates: Sequence[Marked]) -> Against | None:
    """The difference to whichever of the candidates has most right."""
    if not candidates:
        return None
    best, right = max(candidates, key=lambda one: int(one[1].sum()))
    found = scored(looked.right, right, asked)
    return Against(best.reader, best.policy, best.visual_tokens, found.difference.detail, found.difference.gist)


def twin(visual_tokens: float, full: int) -> int:
    """The smallest square number of tokens that is no fewer, at most ``full``: what a smaller picture may take."""
    side = isqrt(max(1, ceil(visual_tokens)) - 1) + 1
    return min(side * side, full)


def seen(looked: Looked, picture: Picture, place: int, result: Result) -> Seen:
    """What the report shows of a policy at one question: the picture as it was seen whole, and every closer look."""
    reader, image = looked.model.reader, picture.image()
    with torch.inference_mode():
        (encoded,) = reader.encode([image])
    question, outcome = picture.questions[place], result.outcome
    crops = [extent(sight, picture.size) for each in result.trace.looks for sight in shown(each.request) if sight.box]
    return Seen(
        reader=f"{looked.model.name} · {looked.name}",
        answer=outcome.answer.text,
        right=is_right(outcome.answer.text, question.answers),
        layout=encoded.layout,
        ledger=encoded.ledger,
        visual_tokens=result.trace.visual_tokens,
        slots=sum(_slots(looked.model, each) for each in result.trace.looks),
        path=tuple(dict.fromkeys(crops)),
    )


def cascade(looked: Looked, safe: Looked, first: Looked, fitted: Fitted, calibration: Exam) -> Cascade:
    """How a fitted ladder did: ``looked`` the cheapest, ``safe`` the certified one, ``first`` its first level alone."""
    level = fitted.ladder.levels[0]
    answered = np.asarray([not one.outcome.abstains for one in safe.results])
    ended = np.asarray([one.outcome.level for one in looked.results])
    said = [one.outcome for one in first.results]
    return Cascade(
        model=looked.model.name,
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


@dataclass(frozen=True, eq=False)
class Again:
    """What looking again came to: a policy each, and what the ladders among them were fitted to."""

    looked: tuple[Looked, ...]
    cascades: tuple[Cascade, ...]
    ladders: dict[str, Ladder]


def look_again(
    exam: Exam,
    calibration: Exam | None,
    models: Mapping[str, Composed],
    beside: Mapping[str, Composed],
    policies: Mapping[str, Policy],
    progress: Progress | None = None,
) -> Again:
    """Every policy on every model, ``beside`` those that ladders may name as well.

    Ladders are fitted to ``calibration`` first, and their certified twin runs too; without it a ladder runs as it is.
    Raises SaccadeError, before anything runs, where a model cannot do what a policy takes.
    """
    for name, model in models.items():
        for policy in policies.values():
            Scheduler({name: model, **beside}).check(policy)
    looked: list[Looked] = []
    cascades: list[Cascade] = []
    ladders: dict[str, Ladder] = {}
    for name, model in models.items():
        bench = {name: model, **beside}
        for title, policy in policies.items():
            if title != LADDER or not isinstance(policy, Ladder) or calibration is None:
                looked.append(look(exam, bench, title, policy, progress))
                continue
            fitted = fit(calibration, bench, policy, progress)
            cheap = look(exam, bench, title, fitted.ladder, progress)
            safe = look(exam, bench, CERTIFIED, fitted.certified, progress)
            lowest = policy.levels[0]
            first = look(exam, _led(bench, lowest.model), "the first level", lowest.policy, progress)
            looked += [cheap, safe]
            cascades.append(cascade(cheap, safe, first, fitted, calibration))
            ladders[name] = fitted.ladder
    return Again(tuple(looked), tuple(cascades), ladders)
