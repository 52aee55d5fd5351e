"""Rows: what the answers on a sheet add up to.

Intervals resample pictures, and pictures under each training seed where there are several.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.plan import Plan
from saccade.evaluation.intervals import clustered, paired
from saccade.evaluation.results import Change, Changes, Flops, Milliseconds, Row, Score
from saccade.specs.reader import ReaderSpec
from saccade.study.sheets import Sheet
from saccade.tasks.exam import Exam, Question, Scale

BYTES = 4
"""Of one number in float32, in which everything here runs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the name of its picture, and the height of its print on the reference reader's view."""

    picture: str
    question: Question
    height: float


@dataclass(frozen=True, slots=True)
class Scored:
    """What answers add up to on each scale and kind of question, and how they differ from the full-token reader's."""

    detail: Score | None
    gist: Score | None
    own: Score | None
    kinds: dict[str, Score]
    difference: Changes


def scored(
    right: np.ndarray,
    reference: np.ndarray | None,
    asked: Sequence[Asked],
    seeds: Sequence[int] = (0,),
    resolvable: float | None = None,
) -> Scored:
    """Marks of ``asked`` under each seed in turn; differences to ``reference`` where that has the same questions."""
    everything = list(asked) * len(seeds)
    names = [f"{seed} {one.picture}" for seed in seeds for one in asked]
    scales = np.asarray([one.question.scale for one in everything])

    def score(chosen: np.ndarray) -> Score | None:
        if not chosen.any():
            return None
        values = right[chosen]
        ends = clustered(values, [name for name, take in zip(names, chosen, strict=True) if take]).ends
        return Score(len(values), int(values.sum()), float(values.mean()), ends)

    def change(scale: Scale) -> Change | None:
        chosen = scales == scale
        if reference is None or not chosen.any() or len(reference) != len(right):
            return None
        found = paired(right[chosen], reference[chosen], [n for n, take in zip(names, chosen, strict=True) if take])
        return Change(found.mean, found.ends)

    kinds = {kind: score(chosen) for kind, chosen in _kinds(everything, resolvable).items()}
    return Scored(
        detail=score(scales == "detail"),
        gist=score(scales == "gist"),
        own=score(scales == "own"),
        kinds={kind: found for kind, found in kinds.items() if found is not None},
        difference=Changes(change("detail"), change("gist"), change("own")),
    )


def row(sheet: Sheet, base: Sheet, asked: Sequence[Asked], resolvable: float | None) -> Row:
    """One sheet's row. Differences are to ``base``, the full-token reader's sheet, over the seeds that both have."""
    right = np.asarray(sheet.right)
    reference = None if sheet is base else np.asarray(base.right)[: len(right)]
    seeds = list(sheet.entrant.seeds)
    marks = scored(right, reference, asked, seeds, resolvable)
    plans = sheet.plans
    spec = sheet.entrant.reader.spec
    read = [(p, *_read(p, gone)) for p, gone in plans]
    predicted = [p.flops - p.language.flops + spec.spoken.cost(length, keys).flops for p, length, keys in read]
    cache = max(spec.spoken.kv_bytes(length, BYTES, keys) for _, length, keys in read)
    params = sum(weight.numel() for weight in sheet.entrant.reader.parameters())
    return Row(
        reader=sheet.name,
        policy=sheet.policy,
        budget=sheet.budget,
        seed=seeds[0] if len(seeds) == 1 else tuple(seeds),
        visual_tokens=float(np.mean([p.visual_tokens - gone for p, gone in plans])),
        slots=float(np.mean([p.slots - p.length + length for p, length, _ in read])),
        detail=marks.detail,
        gist=marks.gist,
        own=marks.own,
        kinds=marks.kinds,
        flops=Flops(float(np.mean(predicted)), float(np.mean(sheet.counted))),
        ms=Milliseconds(*(float(value) for value in np.percentile(sheet.ms, (50, 95)))),
        bytes=params * BYTES + cache,
        params=params,
        fidelity=sheet.entrant.fidelity,
        trained=sheet.entrant.trained,
        difference=marks.difference,
    )


def _read(plan: Plan, gone: int) -> tuple[int, int]:
    """Positions and keys behind cross-attention that are left when ``gone`` visual tokens are not read."""
    return (plan.length, plan.cross_keys - gone) if plan.cross_keys else (plan.length - gone, 0)


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


def questions(exam: Exam, reference: ReaderSpec | None) -> list[Asked]:
    """Every question in order; print measured on the reference reader's largest whole view, or on the picture where
    nobody knows that.
    """
    asked = []
    for picture in exam:
        views = () if reference is None else reference.views.layout(picture.size).views
        scale = max((min(view.scale) for view in views if view.role == "whole"), default=1.0)
        asked += [Asked(picture.name, question, question.glyph * scale) for question in picture.questions]
    if not asked:
        raise SaccadeError(f"the exam {exam.name} asks nothing; give at least one question")
    return asked
