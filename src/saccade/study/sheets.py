"""Sitting an exam: one reader's answers under each policy, with what each cost."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.core.plan import Plan
from saccade.models.base import Reader
from saccade.models.encoded import Encoded
from saccade.study.baselines import Framed, keep_random, keep_uniform, smaller
from saccade.study.flops import Counter
from saccade.study.results import Fidelity
from saccade.study.shown import Seen
from saccade.tasks.exam import Exam, Picture, is_right

PICTURES_AT_ONCE = 10

Progress = Callable[[str, int, int], None]
"""Called with what is running, how many pictures are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A reader that takes part: ``trained`` says in one sentence how it was, ``baseline`` whether the
    resize, random and uniform rows are made from it.
    """

    reader: Reader
    fidelity: Fidelity
    trained: str
    baseline: bool = False
    seed: int = 0
    others: tuple[tuple[int, Reader], ...] = ()

    @property
    def seeds(self) -> dict[int, Reader]:
        """Readers by training seed, this one's first."""
        return {self.seed: self.reader, **dict(self.others)}


@dataclass(slots=True)
class Sheet:
    """One row's answers as they come in: whether right, and what each took."""

    name: str
    policy: str
    budget: int | None
    entrant: Entrant
    right: list[bool] = field(default_factory=list)
    plans: list[tuple[Plan, int]] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)


def sit(
    name: str,
    entrant: Entrant,
    exam: Exam,
    budgets: Sequence[int],
    seed: int,
    showing: Mapping[str, int],
    progress: Progress | None,
) -> list[Sheet]:
    """One entrant through the exam, every seed of it: alone, and as a baseline under every budget as well."""
    once = Sheet(name, "once", None, entrant)
    budgets = _fewer(name, entrant, exam, budgets) if entrant.baseline else []
    dropped = [Sheet(name, policy, budget, entrant) for policy in ("random", "uniform") for budget in budgets]
    framed = isinstance(entrant.reader.spec.views, Framed)
    resized = [Sheet(name, "resize", budget, entrant) for budget in budgets] if framed else []
    for number, (trained, reader) in enumerate(entrant.seeds.items()):
        title = name if not entrant.others else f"{name}, seed {trained}"
        pictures = showing if number == 0 else {}
        _sit_once(title, reader, exam, (once, *resized, *dropped), seed, pictures, progress)
    return [once, *resized, *dropped]


def _sit_once(
    title: str,
    reader: Reader,
    exam: Exam,
    sheets: Sequence[Sheet],
    seed: int,
    showing: Mapping[str, int],
    progress: Progress | None,
) -> None:
    """One reader through the exam, its answers onto all sheets; what only drops tokens shares the encoding."""
    lesser = {
        sheet.budget: smaller(reader, sheet.budget) for sheet in sheets if sheet.policy == "resize" and sheet.budget
    }
    counters = {None: Counter(reader), **{budget: Counter(small) for budget, small in lesser.items()}}
    rng = np.random.default_rng(seed)
    for done, batch in _batches(exam, PICTURES_AT_ONCE):
        encoded, took = _encode(reader, batch)
        for sheet in sheets:
            if sheet.policy == "resize" and sheet.budget is not None:
                small, quick = _encode(lesser[sheet.budget], batch)
                _take(sheet, lesser[sheet.budget], batch, small, None, quick, counters[sheet.budget], showing)
                continue
            keep = _keep(sheet, encoded, rng)
            _take(sheet, reader, batch, encoded, keep, took, counters[None], showing)
        if progress is not None:
            progress(title, done, len(exam))


def _keep(sheet: Sheet, encoded: Sequence[Encoded], rng: np.random.Generator) -> list[torch.Tensor] | None:
    """The tokens that a sheet's policy reads, None for all."""
    if sheet.budget is None:
        return None
    return keep_random(encoded, sheet.budget, rng) if sheet.policy == "random" else keep_uniform(encoded, sheet.budget)


def _fewer(name: str, entrant: Entrant, exam: Exam, budgets: Sequence[int]) -> list[int]:
    """The budgets that take something away from this reader."""
    whole = entrant.reader.plan(next(iter(exam)).size, "").visual_tokens
    fewer = [budget for budget in budgets if budget < whole]
    if not fewer:
        asked = ", ".join(map(str, budgets)) or "none"
        raise SaccadeError(
            f"baselines need budgets below the {whole} visual tokens of {name}, got {asked}; try {max(1, whole // 4)}"
        )
    return fewer


def _encode(reader: Reader, batch: Sequence[Picture]) -> tuple[list[Encoded], float]:
    start = time.perf_counter()
    with torch.inference_mode():
        encoded = reader.encode([picture.image() for picture in batch])
    return encoded, time.perf_counter() - start


def _take(
    sheet: Sheet,
    reader: Reader,
    batch: Sequence[Picture],
    encoded: Sequence[Encoded],
    keep: Sequence[torch.Tensor] | None,
    encoding: float,
    counter: Counter,
    showing: Mapping[str, int],
) -> None:
    """Answers of one batch onto a sheet. Time is the batch's share a question, its encoding included."""
    start = time.perf_counter()
    answers = reader.ask(encoded, [[q.text for q in picture.questions] for picture in batch], keep=keep)
    took = encoding + time.perf_counter() - start
    sheet.ms.append(1000 * took / sum(len(picture.questions) for picture in batch))
    for number, (picture, said) in enumerate(zip(batch, answers, strict=True)):
        gone = 0 if keep is None else len(encoded[number].tokens) - len(keep[number])
        for question, answer in zip(picture.questions, said, strict=True):
            plan = reader.plan(picture.size, question.text)
            sheet.right.append(is_right(answer.text, question.answers))
            sheet.plans.append((plan, gone))
            sheet.counted.append(counter.question(plan.layout, plan.length - plan.slots, gone))
        if picture.name in showing:
            kept = None if keep is None else keep[number]
            watched = reader.watched(picture.image())
            _note(sheet, picture, encoded[number], kept, said, showing[picture.name], watched)


def _note(
    sheet: Sheet,
    picture: Picture,
    encoded: Encoded,
    keep: torch.Tensor | None,
    said: Sequence[Answer],
    index: int,
    watched: np.ndarray | None,
) -> None:
    """What the report shows of this reader and picture."""
    question, answer = picture.questions[index], said[index]
    ledger = encoded.ledger if keep is None else encoded.ledger.keep(keep.tolist())
    gone = len(encoded.tokens) - len(ledger)
    plan = sheet.plans[-1][0]
    slots = plan.slots - (0 if plan.cross_keys else gone)
    title = sheet.name if sheet.policy == "once" else f"{sheet.name} · {sheet.policy} {sheet.budget}"
    right = is_right(answer.text, question.answers)
    sheet.seen[picture.name] = Seen(title, answer.text, right, encoded.layout, ledger, len(ledger), slots, watched)


def _batches(exam: Exam, size: int) -> Iterator[tuple[int, list[Picture]]]:
    batch: list[Picture] = []
    for number, picture in enumerate(exam, start=1):
        batch.append(picture)
        if len(batch) == size or number == len(exam):
            yield number, batch
            batch = []
