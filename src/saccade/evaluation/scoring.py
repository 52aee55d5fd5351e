"""Rows: what the answers of candidates add up to.

Intervals resample pictures, and pictures under each training seed where there are several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from saccade.core.backend import Backend
from saccade.evaluation.answered import Answered
from saccade.evaluation.candidates import ONCE, Candidate
from saccade.evaluation.results import BASELINES, Change, Changes, Fidelity, Flops, Milliseconds, Row, Score
from saccade.evaluation.runner import PosedQuestion
from saccade.evaluation.statistics.intervals import clustered, paired
from saccade.tasks.exam import Scale

Resolved = Mapping[tuple[str, int], float]
"""Height of the text of each question in pixels of the reference model's view, by picture and place."""


@dataclass(frozen=True, eq=False)
class Entry:
    """The answers that make one row: of one candidate for each training seed, each in the order of the questions."""

    candidates: tuple[Candidate, ...]
    answers: tuple[tuple[Answered, ...], ...]

    @property
    def candidate(self) -> Candidate:
        """Of the first training seed."""
        return self.candidates[0]

    @property
    def everything(self) -> list[Answered]:
        """All answers, seed by seed."""
        return [one for answers in self.answers for one in answers]

    @property
    def answered(self) -> list[Answered]:
        """Those that are answers: costs are known of these."""
        return [one for one in self.everything if one.error is None]

    @property
    def scores(self) -> np.ndarray:
        """Scores of all answers, seed by seed."""
        return np.asarray([one.score for one in self.everything], dtype=float)

    @property
    def first(self) -> np.ndarray:
        """Scores under the first training seed."""
        return np.asarray([one.score for one in self.answers[0]], dtype=float)

    @property
    def seeds(self) -> list[int]:
        """Training seeds."""
        return [one.seed for one in self.candidates]

    @property
    def visual_tokens(self) -> float:
        """Mean over the answered questions of what all their looks read."""
        return float(np.mean([one.visual_tokens for one in self.answered]))

    @property
    def looks(self) -> float:
        """Mean number of looks."""
        return float(np.mean([one.looks for one in self.answered]))

    @property
    def baseline(self) -> bool:
        """Whether it is one of the rows that every method has to beat."""
        return self.candidate.title in BASELINES

    @property
    def fault(self) -> str | None:
        """What to know of questions that got no answer, None where all did."""
        failed = [one for one in self.everything if one.error is not None]
        if not failed:
            return None
        return (
            f"{self.candidate.model}, {self.candidate.title}: {len(failed)} of {len(self.everything)} questions got no "
            f"answer and count as wrong; the first: {failed[0].error}"
        )


@dataclass(frozen=True, slots=True)
class Scored:
    """What scores add up to on each scale and kind of question, and how they differ from the reference's."""

    detail: Score | None
    gist: Score | None
    own: Score | None
    kinds: dict[str, Score]
    difference: Changes


def scored(
    scores: np.ndarray,
    reference: np.ndarray | None,
    asked: Sequence[PosedQuestion],
    seeds: Sequence[int] = (0,),
    heights: Resolved | None = None,
    resolvable: float | None = None,
) -> Scored:
    """Scores of ``asked`` under each seed in turn; differences to ``reference`` where that has the same questions.

    ``resolvable`` is the height from which on text counts as resolvable, in the pixels of ``heights``.
    """
    everything = list(asked) * len(seeds)
    names = [f"{seed} {one.picture.name}" for seed in seeds for one in asked]
    scales = np.asarray([one.question.scale for one in everything])

    def score(chosen: np.ndarray) -> Score | None:
        if not chosen.any():
            return None
        values = scores[chosen]
        ends = clustered(values, [name for name, take in zip(names, chosen, strict=True) if take]).ends
        total = float(values.sum())
        return Score(len(values), int(total) if total.is_integer() else total, float(values.mean()), ends)

    def change(scale: Scale) -> Change | None:
        chosen = scales == scale
        if reference is None or not chosen.any() or len(reference) != len(scores):
            return None
        found = paired(scores[chosen], reference[chosen], [n for n, take in zip(names, chosen, strict=True) if take])
        return Change(found.mean, found.ends)

    kinds = {kind: score(chosen) for kind, chosen in _kinds(everything, heights, resolvable).items()}
    return Scored(
        detail=score(scales == "detail"),
        gist=score(scales == "gist"),
        own=score(scales == "own"),
        kinds={kind: found for kind, found in kinds.items() if found is not None},
        difference=Changes(change("detail"), change("gist"), change("own")),
    )


def row(
    entry: Entry, reference: Entry | None, asked: Sequence[PosedQuestion], heights: Resolved, resolvable: float | None
) -> Row:
    """An entry's row. Differences are to ``reference`` over the seeds that both have, None for the reference itself."""
    scores, seeds = entry.scores, entry.seeds
    base = None if reference is None or reference is entry else reference.scores[: len(scores)]
    marks = scored(scores, base, asked, seeds, heights, resolvable)
    costs, model = entry.answered, entry.candidate.backend
    weights = model.weights
    held = max((one.bytes or 0 for one in costs), default=0)
    return Row(
        reader=entry.candidate.model,
        policy=entry.candidate.title,
        budget=entry.candidate.budget,
        seed=seeds[0] if len(seeds) == 1 else tuple(seeds),
        visual_tokens=entry.visual_tokens,
        tokens=_mean([one.tokens for one in costs]),
        slots=_mean([one.slots for one in costs]),
        detail=marks.detail,
        gist=marks.gist,
        own=marks.own,
        kinds=marks.kinds,
        flops=Flops(_mean([one.predicted for one in costs]), _mean([one.counted for one in costs])),
        ms=Milliseconds(*(float(value) for value in np.percentile([one.ms for one in costs], (50, 95)))),
        bytes=None if weights is None else weights.bytes + held,
        params=None if weights is None else weights.params,
        fidelity=_fidelity(entry, model),
        trained=_provenance(entry, model),
        difference=marks.difference,
        device=model.device,
        dtype=model.dtype,
    )


def heights_of(asked: Sequence[PosedQuestion], model: Backend | None) -> Resolved:
    """Heights of the text that questions are about, in pixels of the model's largest whole view; in the picture's own
    where nobody knows how it is viewed.
    """
    scales: dict[str, float] = {}
    for one in asked:
        if one.picture.name not in scales:
            views = () if model is None or not one.question.glyph else model.views(one.picture.size)
            scales[one.picture.name] = max((min(view.scale) for view in views if view.role == "whole"), default=1.0)
    return {one.key: one.question.glyph * scales[one.picture.name] for one in asked}


def _fidelity(entry: Entry, model: Backend) -> Fidelity:
    """A policy is from its paper, whatever it runs on; a single look is as near as its model."""
    known = cast(Fidelity, model.fidelity)
    single = entry.candidate.title == ONCE or entry.baseline
    return known if single else "faithful"


def _provenance(entry: Entry, model: Backend) -> str:
    """One sentence on where a row comes from, and what to know of it."""
    if model.remote:
        told = f"as it answers at {entry.candidate.model}"
        if any(one.slots is None and one.tokens == one.visual_tokens for one in entry.answered):
            told += "; the server does not tell the tokens of images apart, so whole prompts are counted"
    elif entry.candidate.title == ONCE or entry.baseline:
        told = model.provenance
    else:
        told = "not trained for several looks; its settings were chosen on the calibration split"
    return told if entry.fault is None else f"{told}. {entry.fault}"


def _kinds(asked: Sequence[PosedQuestion], heights: Resolved | None, resolvable: float | None) -> dict[str, np.ndarray]:
    """Questions of each kind; those about text also by whether the reference model's view resolves it."""
    kinds = np.asarray([one.question.kind for one in asked])
    high = np.asarray([0.0 if heights is None else heights[one.key] for one in asked])
    found: dict[str, np.ndarray] = {}
    for kind in dict.fromkeys(kinds.tolist()):
        found[kind] = kinds == kind
        if resolvable is not None and bool((high[kinds == kind] > 0).any()):
            found[f"{kind} (resolvable)"] = (kinds == kind) & (high >= resolvable)
            found[f"{kind} (small print)"] = (kinds == kind) & (high < resolvable)
    return found


def _mean(values: Sequence[int | None]) -> float | None:
    return None if not values or None in values else float(np.mean(cast(Sequence[int], values)))
