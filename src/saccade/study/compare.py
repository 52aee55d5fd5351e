"""Compare: readers × policies × budgets on one exam, with the baselines that every method has to beat."""

import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch

from saccade.core.errors import SaccadeError
from saccade.core.recipe import digest, to_dict
from saccade.core.version import __version__
from saccade.models.composed import Composed
from saccade.policies.base import Policy
from saccade.policies.catalogue import TYPES
from saccade.policies.ladder import Ladder
from saccade.specs.reader import PARTS, ReaderSpec
from saccade.study.policies import Again, Policies, look_again, samples, seen, twin, verdict
from saccade.study.policies import row as policy_row
from saccade.study.results import Environment, ExamFacts, Results
from saccade.study.rows import Asked, questions, row
from saccade.study.sheets import Entrant, Progress, Sheet, sit
from saccade.study.shown import Shown
from saccade.tasks.exam import Exam

SHOWN = 4
"""Pictures that the report shows."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison leaves: its ``results``, pictures ``shown``, what is said of ``policies`` where some looked
    again, and the ``ladders`` that were fitted, by model.
    """

    results: Results
    shown: tuple[Shown, ...]
    policies: Policies | None
    ladders: Mapping[str, Ladder]


def compare(
    exam: Exam,
    entrants: Mapping[str, Entrant],
    *,
    reference: str,
    budgets: Sequence[int] = (64, 16, 4),
    seed: int = 0,
    resolvable: float | None = None,
    policies: Mapping[str, Policy] | None = None,
    looking: Mapping[str, Composed] | None = None,
    beside: Mapping[str, Composed] | None = None,
    calibration: Exam | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Every entrant on every question; rows for each, and the baselines at each budget.

    ``reference`` names the full-token reader that differences are taken to. ``resolvable`` is the height of print, in
    pixels of its view, from which on it counts as resolvable. ``policies`` run on every model of ``looking``, with the
    models ``beside`` at hand, and a smaller picture with as many tokens as each took in the mean joins the baselines;
    ladders are fitted to ``calibration``.
    """
    if reference not in entrants:
        raise SaccadeError(f"the reference reader {reference!r} takes no part; known: {', '.join(entrants)}")
    if any(budget < 1 for budget in budgets):
        raise SaccadeError(f"a budget is at least 1 visual token, got {min(budgets)}")
    started = time.perf_counter()
    asked = questions(exam, entrants[reference].reader.spec)
    showing = _picks(asked)
    again = look_again(exam, calibration, looking or {}, beside or {}, policies or {}, progress)
    whole = entrants[reference].reader.plan(next(iter(exam)).size, "").visual_tokens
    twins = {twin(one.visual_tokens, whole) for one in again.looked} - {*budgets, whole}
    sheets = sit(entrants, exam, budgets, seed, showing, progress, sorted(twins, reverse=True))
    base = next(sheet for sheet in sheets if (sheet.name, sheet.policy) == (reference, "once"))
    marked = [(row(sheet, base, asked, resolvable), np.asarray(sheet.right[: len(asked)])) for sheet in sheets]
    looked = [policy_row(one, np.asarray(base.right[: len(asked)]), asked, resolvable) for one in again.looked]
    results = Results(
        exam=ExamFacts(exam.name, len(exam), len(asked), resolvable),
        reference=reference,
        recipe=digest(_recipe(exam, entrants, reference, budgets, seed, policies or {})),
        environment=environment(),
        rows=(*(one for one, _ in marked), *looked),
        seconds=time.perf_counter() - started,
    )
    judged = Policies(
        exam=exam.name,
        verdicts=tuple(verdict(one, asked, marked) for one in again.looked),
        cascades=again.cascades,
    )
    shown = _shown(exam, showing, sheets, again)
    return Comparison(results, tuple(shown), judged if again.looked else None, again.ladders)


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
                *(seen(one, pictures[name], index, one.results[places[name, index]]) for one in again.looked),
            ),
        )
        for name, index in showing.items()
    ]


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
