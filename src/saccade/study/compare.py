"""Compare: readers × policies × budgets on one exam, with the baselines that every method has to beat."""

import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch

from saccade.core.backend import Backend
from saccade.core.errors import SaccadeError
from saccade.core.recipe import digest, to_dict
from saccade.core.version import __version__
from saccade.evaluation.results import BASELINES, Environment, ExamFacts, Results, Row
from saccade.evaluation.shown import Shown
from saccade.models.base import Reader
from saccade.policies.base import Policy
from saccade.policies.catalogue import TYPES
from saccade.policies.ladder import Ladder
from saccade.specs.reader import PARTS, ReaderSpec
from saccade.study.again import Again, Marked, look_again, trained, twin, verdict
from saccade.study.looking import Looked, samples, seen
from saccade.study.looking import row as row_of
from saccade.study.policies import Policies
from saccade.study.rows import Asked, questions, row
from saccade.study.sheets import Entrant, Progress, Sheet, sit
from saccade.tasks.exam import Exam

SHOWN = 4
"""Pictures that the report shows."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison leaves: its ``results``, pictures ``shown``, what is said of ``policies`` where some looked
    again, the ``ladders`` that were fitted, by model, and ``faults``: what to know of questions without an answer.
    """

    results: Results
    shown: tuple[Shown, ...]
    policies: Policies | None
    ladders: Mapping[str, Ladder]
    faults: tuple[str, ...] = ()


def compare(
    exam: Exam,
    entrants: Mapping[str, Entrant],
    *,
    reference: str,
    budgets: Sequence[int] = (64, 16, 4),
    seed: int = 0,
    resolvable: float | None = None,
    policies: Mapping[str, Policy] | None = None,
    looking: Mapping[str, Backend] | None = None,
    beside: Mapping[str, Backend] | None = None,
    calibration: Exam | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Every entrant on every question; rows for each, and the baselines at each budget.

    ``reference`` names the full-token reader that differences are taken to. ``resolvable`` is the height of print, in
    pixels of its view, from which on it counts as resolvable. ``policies`` run on every model of ``looking``, with the
    models ``beside`` at hand, and a smaller picture with as many tokens as each took in the mean joins the baselines;
    ladders are fitted to ``calibration``. Models of ``looking`` that are no entrants (hosted ones, servers) look once
    and at smaller pictures as well.
    """
    looking = looking or {}
    known = entrants or looking
    if reference not in known:
        raise SaccadeError(f"the reference reader {reference!r} takes no part; known: {', '.join(known)}")
    if any(budget < 1 for budget in budgets):
        raise SaccadeError(f"a budget is at least 1 visual token, got {min(budgets)}")
    started = time.perf_counter()
    lead = entrants[reference].reader if reference in entrants else None
    asked = questions(exam, None if lead is None else lead.spec)
    showing = _picks(asked)
    alone = looking.keys() - entrants.keys()
    again = look_again(exam, calibration, looking, beside or {}, policies or {}, progress, alone, seed)
    sheets = [] if lead is None else _sat(exam, entrants, lead, budgets, seed, showing, again, progress)
    base = next((sheet for sheet in sheets if (sheet.name, sheet.policy) == (reference, "once")), None)
    right = (
        next(one.right for one in again.singles if one.reader == reference)
        if base is None
        else np.asarray(base.right[: len(asked)])
    )

    def looked(one: Looked) -> Row:
        return row_of(one, exam, right, asked, resolvable, trained(one))

    marked = [] if base is None else [(row(sheet, base, asked, resolvable), _right(sheet, asked)) for sheet in sheets]
    singles = [(looked(one), one.right) for one in again.singles]
    results = Results(
        exam=ExamFacts(exam.name, len(exam), len(asked), resolvable),
        reference=reference,
        recipe=digest(_recipe(exam, entrants, reference, budgets, seed, policies or {}, sorted(alone))),
        environment=environment(),
        rows=(*(one for one, _ in marked), *(one for one, _ in singles), *map(looked, again.looked)),
        seconds=time.perf_counter() - started,
    )
    shown = _shown(exam, showing, sheets, again)
    faults = tuple(one.fault for one in (*again.singles, *again.looked) if one.fault is not None)
    return Comparison(results, tuple(shown), _judged(exam, again, asked, marked, singles), again.ladders, faults)


def _judged(
    exam: Exam, again: Again, asked: Sequence[Asked], marked: Sequence[Marked], singles: Sequence[Marked]
) -> Policies | None:
    """Each policy against single looks: of readers at the exam, or of its own model where that was alone."""
    if not again.looked:
        return None
    own = {name: [one for one in singles if one[0].reader == name] for name in {row.reader for row, _ in singles}}
    verdicts = tuple(verdict(one, asked, own.get(one.reader) or marked) for one in again.looked)
    return Policies(exam.name, verdicts, again.cascades)


def _sat(
    exam: Exam,
    entrants: Mapping[str, Entrant],
    lead: Reader,
    budgets: Sequence[int],
    seed: int,
    showing: Mapping[str, int],
    again: Again,
    progress: Progress | None,
) -> list[Sheet]:
    """The entrants' sheets, with smaller pictures of as many tokens as policies took."""
    whole = lead.plan(next(iter(exam)).size, "").visual_tokens
    own = [one for one in again.looked if one.reader in entrants]
    twins = {twin(one.visual_tokens, whole) for one in own} - {*budgets, whole}
    return sit(entrants, exam, budgets, seed, showing, progress, sorted(twins, reverse=True))


def _right(sheet: Sheet, asked: Sequence[Asked]) -> np.ndarray:
    """Marks under the first training seed."""
    return np.asarray(sheet.right[: len(asked)])


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


def _shown(exam: Exam, showing: Mapping[str, int], sheets: Sequence[Sheet], again: Again) -> list[Shown]:
    pictures = {picture.name: picture for picture in exam if picture.name in showing}
    places = {(sample.key, place): number for number, (sample, _, place) in enumerate(samples(exam))}
    return [
        Shown(
            name,
            pictures[name].image(),
            pictures[name].questions[index],
            (
                *(sheet.seen[name] for sheet in sheets if name in sheet.seen and not _twin(sheet)),
                *(seen(one, pictures[name], index, one.results[places[name, index]]) for one in _drawn(again)),
            ),
        )
        for name, index in showing.items()
    ]


def _drawn(again: Again) -> list[Looked]:
    """Everything but the baselines."""
    return [one for one in (*again.singles, *again.looked) if one.policy not in BASELINES]


def _twin(sheet: Sheet) -> bool:
    """Baseline rows that would crowd the pictures: all but the middle budget's."""
    return sheet.policy != "once" and sheet.budget != 16


def _recipe(
    exam: Exam,
    entrants: Mapping[str, Entrant],
    reference: str,
    budgets: Sequence[int],
    seed: int,
    policies: Mapping[str, Policy],
    alone: Sequence[str],
) -> dict[str, object]:
    looking = {"policies": {name: to_dict(policy, TYPES) for name, policy in policies.items()}} if policies else {}
    return {
        "exam": exam.name,
        "readers": {
            name: to_dict(entrant.reader.spec, {**PARTS, "reader": ReaderSpec}) for name, entrant in entrants.items()
        },
        "reference": reference,
        "budgets": list(budgets),
        "seed": seed,
        **looking,
        **({"models": list(alone)} if alone else {}),
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
