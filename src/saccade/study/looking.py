"""Policies at the exam: every question's looks, on any model, and the row that they make."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import cast

import numpy as np
import torch

from saccade.core.backend import Backend
from saccade.core.errors import SaccadeError
from saccade.core.ledger import Ledger
from saccade.core.request import shown
from saccade.core.size import Size
from saccade.core.trace import Look
from saccade.core.view import Layout
from saccade.evaluation.results import BASELINES, Flops, Milliseconds, Row
from saccade.evaluation.shown import Seen
from saccade.models.composed import Composed
from saccade.models.flops import Counter
from saccade.models.hosted import Hosted
from saccade.policies.base import Policy, Result, Sample
from saccade.policies.scheduler import Scheduler
from saccade.study.rows import Asked, scored
from saccade.study.sheets import Progress
from saccade.tasks.exam import Exam, Picture, is_right
from saccade.views.sight import extent

SINGLE = ("once", *BASELINES)
"""Policies that look once."""
LEAST = 8
"""Tokens that every answer may take; more where the exam's own are longer."""
GIVE_UP = 16
"""Questions in a row that a server may leave unanswered before the comparison ends."""


@dataclass(frozen=True, eq=False)
class Looked:
    """One policy over the exam: its results over the questions in order, and whether each was ``right``.

    ``reader`` is what rows call the first model of the ``bench``, and ``policy`` what they call the policy.
    """

    reader: str
    policy: str
    bench: Mapping[str, Backend]
    results: tuple[Result, ...]
    right: np.ndarray

    @property
    def model(self) -> Backend:
        """The model that looked."""
        return next(iter(self.bench.values()))

    @property
    def stands(self) -> bool:
        """Whether this is all of a model's own row: one look at the whole picture, of a model that is not ours."""
        return self.policy == "once" and not isinstance(self.model, Composed)

    @cached_property
    def answered(self) -> tuple[Result, ...]:
        """The results of questions that got an answer: what looking costs is known of these."""
        return tuple(one for one in self.results if one.error is None)

    @property
    def visual_tokens(self) -> float:
        """Mean over these questions of what all their looks read; see ``Look.taken``."""
        return float(np.mean([one.trace.taken for one in self.answered]))

    @property
    def looks(self) -> float:
        """Mean number of requests."""
        return float(np.mean([len(one.trace.looks) for one in self.answered]))

    @cached_property
    def fault(self) -> str | None:
        """What to know of questions that got no answer, None where all did."""
        errors = [one.error for one in self.results if one.error is not None]
        if not errors:
            return None
        return (
            f"{self.reader}, {self.policy}: {len(errors)} of {len(self.results)} questions got no answer and count as "
            f"wrong; the first: {errors[0]}"
        )


def samples(exam: Exam) -> list[tuple[Sample, Picture, int]]:
    """Every question, with its picture and its place there. An answer may be as long as the exam's longest."""
    everything = [(picture, place, question) for picture in exam for place, question in enumerate(picture.questions)]
    # No tokenizer makes more tokens of a text than it has bytes.
    longest = max((len(text.encode()) for _, _, question in everything for text in question.answers), default=0)
    return [
        (Sample(picture, question.text, picture.name, max_tokens=max(LEAST, longest)), picture, place)
        for picture, place, question in everything
    ]


def look(
    exam: Exam, bench: Mapping[str, Backend], name: str, policy: Policy, progress: Progress | None = None
) -> Looked:
    """One policy over the whole exam, on the first model of the bench.

    A question that a server does not answer counts as wrong, and the others go on. Raises SaccadeError where it answers
    none of ``GIVE_UP`` in a row, and, at the first answer, where it counts no tokens.
    """
    everything = samples(exam)
    reader = next(iter(bench))
    done, silent = 0, 0

    def told(_: int, result: Result) -> None:
        nonlocal done, silent
        done, silent = done + 1, 0 if result.error is None else silent + 1
        if silent == min(GIVE_UP, len(everything)):
            raise SaccadeError(f"{reader} left {silent} questions in a row without an answer; the last: {result.error}")
        if any(each.visual_tokens is None and each.tokens is None for each in result.trace.looks):
            raise SaccadeError(
                f"{reader} answers, and says nothing of how many tokens it read (usage.prompt_tokens is missing or "
                "does not add up), so that accuracy cannot be set against them; take a server that counts"
            )
        if progress is not None:
            progress(f"{reader}, {name}", done, len(everything))

    remote = any(model.remote for model in bench.values())
    results = Scheduler(bench, keep_errors=remote).run(policy, [sample for sample, _, _ in everything], told)
    right = [
        result.error is None and is_right(result.outcome.answer.text, picture.questions[place].answers)
        for result, (_, picture, place) in zip(results, everything, strict=True)
    ]
    return Looked(reader, name, dict(bench), tuple(results), np.asarray(right, dtype=bool))


def further(looked: Looked, below: Sequence[Looked], exam: Exam) -> list[int]:
    """What each question took beside the looks of the levels ``below``, since nothing is asked twice."""
    models = {model.name: model for one in (looked, *below) for model in one.bench.values()}
    taken = []
    for number, (_, picture, _) in enumerate(samples(exam)):

        def asked(each: Look, size: Size = picture.size) -> Hashable:
            return each.model, models[each.model].same(size, each.request)

        known = {asked(each) for one in below for each in one.results[number].trace.looks}
        mine = looked.results[number].trace.looks
        taken.append(sum(each.taken for each in mine if asked(each) not in known))
    return taken


def row(
    looked: Looked, exam: Exam, reference: np.ndarray, asked: Sequence[Asked], resolvable: float | None, trained: str
) -> Row:
    """A policy's row, as those of readers. What a server computes, nobody knows; of models that are not put together
    here FLOPs are predicted alone.
    """
    marks = scored(looked.right, reference, asked, resolvable=resolvable)
    traces = [one.trace for one in looked.answered]
    everything = zip(samples(exam), looked.results, strict=True)
    answered = [(picture.size, one) for (_, picture, _), one in everything if one.error is None]
    params, weights = _weights(looked.model)
    held = max((each.predicted.bytes or 0 for trace in traces for each in trace.looks), default=0)
    return Row(
        reader=looked.reader,
        policy=looked.policy,
        budget=None,
        seed=0,
        visual_tokens=looked.visual_tokens,
        slots=_mean([_slots(looked, size, one) for size, one in answered]),
        detail=marks.detail,
        gist=marks.gist,
        own=marks.own,
        kinds=marks.kinds,
        flops=Flops(_mean([trace.flops for trace in traces]), _counted(looked, answered)),
        ms=Milliseconds(*(float(value) for value in np.percentile([trace.ms for trace in traces], (50, 95)))),
        bytes=None if weights is None else weights + held,
        params=params,
        fidelity="faithful" if isinstance(looked.model, Composed) or looked.policy not in SINGLE else "hosted",
        trained=trained,
        difference=marks.difference,
    )


def seen(looked: Looked, picture: Picture, place: int, result: Result) -> Seen:
    """What the report shows of a policy at one question: the picture as it was seen whole, and every closer look."""
    layout, ledger = _whole(looked, picture, result)
    question, outcome = picture.questions[place], result.outcome
    crops = [extent(sight, picture.size) for each in result.trace.looks for sight in shown(each.request) if sight.box]
    return Seen(
        reader=looked.reader if looked.stands else f"{looked.reader} · {looked.policy}",
        answer=outcome.answer.text,
        right=is_right(outcome.answer.text, question.answers),
        layout=layout,
        ledger=ledger,
        visual_tokens=result.trace.taken,
        slots=_slots(looked, picture.size, result),
        path=tuple(dict.fromkeys(crops)),
    )


def _whole(looked: Looked, picture: Picture, result: Result) -> tuple[Layout, Ledger]:
    """The picture as it was seen whole, and the places of its tokens where those are known."""
    if isinstance(looked.model, Composed):
        with torch.inference_mode():
            (encoded,) = looked.model.reader.encode([picture.image()])
        return encoded.layout, encoded.ledger
    views = result.trace.looks[0].views if result.trace.looks else ()
    nothing = Ledger(picture.size, np.zeros((0, 4)), np.zeros(0, dtype=int), (), ())
    return Layout(picture.size, views), nothing


def _weights(model: Backend) -> tuple[int | None, int | None]:
    """How many weights, and their bytes."""
    match model:
        case Composed(reader=module) | Hosted(model=module):
            weights = list(module.parameters())
            return sum(w.numel() for w in weights), sum(w.numel() * w.element_size() for w in weights)
        case _:
            return None, None


def _made(looked: Looked, each: Look) -> Composed | None:
    """The model of a look, where it is one of ours."""
    model = next(model for model in looked.bench.values() if model.name == each.model)
    return model if isinstance(model, Composed) else None


def _slots(looked: Looked, size: Size, result: Result) -> int | None:
    """Positions that pictures took of all looks' prompts; None where nobody knows."""
    taken = 0
    for each in result.trace.looks:
        model = _made(looked, each)
        if model is None or each.tokens is None:
            return None
        taken += each.tokens - sum(model.reads(size, each.request)[1])
    return taken


def _counted(looked: Looked, answered: Sequence[tuple[Size, Result]]) -> float | None:
    """Mean FLOPs of a question's looks as torch counts them, None where a model is not ours.

    Each look is counted as if it was alone, as it is predicted; looks that share a picture or a batch take less.
    """
    counter = cache(Counter)
    total = 0
    for size, one in answered:
        for each in one.trace.looks:
            model = _made(looked, each)
            if model is None:
                return None
            reader, (pictures, texts) = model.seeing(each.request), model.reads(size, each.request)
            layouts = [reader.spec.views.layout(one) for one in pictures]
            whole = sum(sum(reader.spec.tokens(layout)) for layout in layouts)
            total += counter(reader).look(layouts, texts, whole - (each.visual_tokens or 0))
    return total / len(answered)


def _mean(values: Sequence[int | None]) -> float | None:
    return None if None in values else float(np.mean(cast(Sequence[int], values)))
