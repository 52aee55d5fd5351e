"""Compare: readers × policies × budgets on one exam, with the baselines that every method has to beat."""

import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import torch

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.core.plan import Plan
from saccade.core.recipe import digest, to_dict
from saccade.core.version import __version__
from saccade.models.base import Encoded, Reader
from saccade.specs.reader import PARTS, ReaderSpec
from saccade.study.baselines import Framed, keep_random, keep_uniform, smaller
from saccade.study.flops import Counter
from saccade.study.intervals import clustered, paired
from saccade.study.results import (
    Change,
    Changes,
    Environment,
    ExamFacts,
    Fidelity,
    Flops,
    Milliseconds,
    Results,
    Row,
    Score,
)
from saccade.study.shown import Seen, Shown
from saccade.tasks.exam import Exam, Picture, Question, Scale, is_right

PICTURES_AT_ONCE = 10
SHOWN = 4
"""Pictures that the report shows."""
BYTES = 4
"""Of one number in float32, in which everything here runs."""

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


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the name of its picture, and the height of its print on the reference reader's view."""

    picture: str
    question: Question
    height: float


def compare(
    exam: Exam,
    entrants: Mapping[str, Entrant],
    *,
    reference: str,
    budgets: Sequence[int] = (64, 16, 4),
    seed: int = 0,
    resolvable: float | None = None,
    progress: Progress | None = None,
) -> tuple[Results, list[Shown]]:
    """Every entrant on every question; rows for each, and the baselines at each budget.

    ``reference`` names the full-token reader that differences are taken to. ``resolvable`` is the height
    of print, in pixels of its view, from which on it counts as resolvable.
    """
    if reference not in entrants:
        raise SaccadeError(f"the reference reader {reference!r} takes no part; known: {', '.join(entrants)}")
    if any(budget < 1 for budget in budgets):
        raise SaccadeError(f"a budget is at least 1 visual token, got {min(budgets)}")
    started = time.perf_counter()
    asked = _questions(exam, entrants[reference].reader.spec)
    showing = _picks(asked)
    sheets = [
        sheet
        for name, entrant in entrants.items()
        for sheet in _sit(name, entrant, exam, budgets, seed, showing, progress)
    ]
    base = next(sheet for sheet in sheets if (sheet.name, sheet.policy) == (reference, "once"))
    results = Results(
        exam=ExamFacts(exam.name, len(exam), len(asked), resolvable),
        reference=reference,
        recipe=digest(_recipe(exam, entrants, reference, budgets, seed)),
        environment=environment(),
        rows=tuple(_row(sheet, base, asked, resolvable) for sheet in sheets),
        seconds=time.perf_counter() - started,
    )
    return results, _shown(exam, showing, sheets)


def _sit(
    name: str,
    entrant: Entrant,
    exam: Exam,
    budgets: Sequence[int],
    seed: int,
    showing: Mapping[str, int],
    progress: Progress | None,
) -> list[Sheet]:
    """One entrant through the exam: alone, and where it serves as a baseline under every budget as well."""
    once = Sheet(name, "once", None, entrant)
    dropped = (
        [Sheet(name, policy, b, entrant) for policy in ("random", "uniform") for b in budgets]
        if entrant.baseline
        else []
    )
    framed = entrant.baseline and isinstance(entrant.reader.spec.views, Framed)
    resized = [Sheet(name, "resize", b, entrant) for b in budgets] if framed else []
    lesser = {sheet.budget: smaller(entrant.reader, sheet.budget) for sheet in resized if sheet.budget is not None}
    counters = {None: Counter(entrant.reader), **{budget: Counter(reader) for budget, reader in lesser.items()}}
    rng = np.random.default_rng(seed)
    for done, batch in _batches(exam, PICTURES_AT_ONCE):
        encoded, took = _encode(entrant.reader, batch)
        _take(once, entrant.reader, batch, encoded, None, took, counters[None], showing)
        for sheet in dropped:
            budget = sheet.budget or 1
            keep = keep_random(encoded, budget, rng) if sheet.policy == "random" else keep_uniform(encoded, budget)
            _take(sheet, entrant.reader, batch, encoded, keep, took, counters[None], showing)
        for sheet in resized:
            reader = lesser[sheet.budget or 1]
            small, quick = _encode(reader, batch)
            _take(sheet, reader, batch, small, None, quick, counters[sheet.budget], showing)
        if progress is not None:
            progress(name, done, len(exam))
    return [once, *resized, *dropped]


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
            _note(sheet, picture, encoded[number], None if keep is None else keep[number], said, showing[picture.name])


def _note(
    sheet: Sheet,
    picture: Picture,
    encoded: Encoded,
    keep: torch.Tensor | None,
    said: Sequence[Answer],
    index: int,
) -> None:
    """What the report shows of this reader and picture."""
    question, answer = picture.questions[index], said[index]
    ledger = encoded.ledger if keep is None else encoded.ledger.keep(keep.tolist())
    gone = len(encoded.tokens) - len(ledger)
    plan = sheet.plans[-1][0]
    title = sheet.name if sheet.policy == "once" else f"{sheet.name} · {sheet.policy} {sheet.budget}"
    right = is_right(answer.text, question.answers)
    sheet.seen[picture.name] = Seen(title, answer.text, right, encoded.layout, ledger, len(ledger), plan.slots - gone)


def _row(sheet: Sheet, base: Sheet, asked: Sequence[Asked], resolvable: float | None) -> Row:
    right, reference = np.asarray(sheet.right), np.asarray(base.right)
    names = [one.picture for one in asked]
    scales = np.asarray([one.question.scale for one in asked])

    def score(chosen: np.ndarray) -> Score | None:
        if not chosen.any():
            return None
        values = right[chosen]
        ends = clustered(values, [name for name, take in zip(names, chosen, strict=True) if take]).ends
        return Score(len(values), int(values.sum()), float(values.mean()), ends)

    def change(scale: Scale) -> Change | None:
        chosen = scales == scale
        if sheet is base or not chosen.any():
            return None
        found = paired(right[chosen], reference[chosen], [n for n, take in zip(names, chosen, strict=True) if take])
        return Change(found.mean, found.ends)

    plans = sheet.plans
    spec = sheet.entrant.reader.spec
    kinds = {kind: score(chosen) for kind, chosen in _kinds(asked, resolvable).items()}
    predicted = [p.flops - p.language.flops + spec.language.cost(p.length - gone).flops for p, gone in plans]
    cache = max(spec.language.cache_bytes(p.length - gone, BYTES) for p, gone in plans)
    params = sum(weight.numel() for weight in sheet.entrant.reader.parameters())
    return Row(
        reader=sheet.name,
        policy=sheet.policy,
        budget=sheet.budget,
        seed=sheet.entrant.seed,
        visual_tokens=float(np.mean([p.visual_tokens - gone for p, gone in plans])),
        slots=float(np.mean([p.slots - gone for p, gone in plans])),
        detail=score(scales == "detail"),
        gist=score(scales == "gist"),
        own=score(scales == "own"),
        kinds={kind: found for kind, found in kinds.items() if found is not None},
        flops=Flops(float(np.mean(predicted)), float(np.mean(sheet.counted))),
        ms=Milliseconds(*(float(value) for value in np.percentile(sheet.ms, (50, 95)))),
        bytes=params * BYTES + cache,
        params=params,
        fidelity=sheet.entrant.fidelity,
        trained=sheet.entrant.trained,
        difference=Changes(change("detail"), change("gist"), change("own")),
    )


def _kinds(asked: Sequence[Asked], resolvable: float | None) -> dict[str, np.ndarray]:
    """Questions of each kind; those of print also by whether the reference reader's view resolves it."""
    kinds = np.asarray([one.question.kind for one in asked])
    heights = np.asarray([one.height for one in asked])
    found: dict[str, np.ndarray] = {}
    for kind in dict.fromkeys(kinds.tolist()):
        found[kind] = kinds == kind
        if resolvable is not None and bool((heights[kinds == kind] > 0).any()):
            found[f"{kind} (resolvable)"] = (kinds == kind) & (heights >= resolvable)
            found[f"{kind} (small print)"] = (kinds == kind) & (heights < resolvable)
    return found


def _questions(exam: Exam, reference: ReaderSpec) -> list[Asked]:
    """Every question in order; print measured on the reference reader's largest whole view."""
    asked = []
    for picture in exam:
        scale = max(min(view.scale) for view in reference.views.layout(picture.size).views if view.role == "whole")
        asked += [Asked(picture.name, question, question.glyph * scale) for question in picture.questions]
    if not asked:
        raise SaccadeError(f"the exam {exam.name} asks nothing; give at least one question")
    return asked


def _picks(asked: Sequence[Asked]) -> dict[str, int]:
    """Pictures for the report, and which question of each: print from large to small, the rest as it comes."""
    numbered: dict[str, list[Asked]] = {}
    for one in asked:
        numbered.setdefault(one.picture, []).append(one)
    candidates = [
        (one.height, name, index)
        for name, ones in numbered.items()
        for index, one in enumerate(ones)
        if one.question.scale != "gist" and index == 0
    ]
    candidates.sort(key=lambda found: -found[0])
    step = max(1, len(candidates) / SHOWN)
    chosen = [candidates[int(place * step)] for place in range(min(SHOWN, len(candidates)))]
    return {name: index for _, name, index in chosen}


def _shown(exam: Exam, showing: Mapping[str, int], sheets: Sequence[Sheet]) -> list[Shown]:
    pictures = {picture.name: picture for picture in exam if picture.name in showing}
    return [
        Shown(
            name,
            pictures[name].image(),
            pictures[name].questions[index],
            tuple(sheet.seen[name] for sheet in sheets if name in sheet.seen and not _twin(sheet)),
        )
        for name, index in showing.items()
    ]


def _twin(sheet: Sheet) -> bool:
    """Baseline rows that would crowd the pictures: all but the middle budget's."""
    return sheet.policy != "once" and sheet.budget != 16


def _batches(exam: Exam, size: int) -> Iterator[tuple[int, list[Picture]]]:
    batch: list[Picture] = []
    for number, picture in enumerate(exam, start=1):
        batch.append(picture)
        if len(batch) == size or number == len(exam):
            yield number, batch
            batch = []


def _recipe(
    exam: Exam, entrants: Mapping[str, Entrant], reference: str, budgets: Sequence[int], seed: int
) -> dict[str, object]:
    return {
        "exam": exam.name,
        "readers": {
            name: to_dict(entrant.reader.spec, {**PARTS, "reader": ReaderSpec}) for name, entrant in entrants.items()
        },
        "reference": reference,
        "budgets": list(budgets),
        "seed": seed,
    }


def environment() -> Environment:
    """What this runs on."""
    return Environment(
        python=sys.version.split()[0],
        torch=torch.__version__,
        transformers=version("transformers"),
        saccade=__version__,
        threads=torch.get_num_threads(),
        machine=platform.machine(),
    )
