"""What choosing where to look gains: fixations by attention against fixations by chance, one look at the middle, and
cells of one size, all on equal tokens.

A way that looks several times stops when it is sure. How sure is read off the calibration split, for every budget of
mean tokens and every model by itself; the test split is only asked.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.table import Table
from torch import Tensor

from research.clutter import VERSION
from research.fixations.model import Foveater
from research.fixations.training import WAYS, FixationsRecipe, SceneMaps, Way, paths
from saccade.core.records.codec import parsed, written
from saccade.core.records.files import write_whole
from saccade.evaluation.results import Change, Score
from saccade.evaluation.statistics.intervals import clustered, paired
from saccade.report import formatting as words
from saccade.report.charts import lines
from saccade.report.markdown import pipes
from saccade.report.tables import titled

SCHEMA = "saccade.fixations/1"
HEADS = ("looks by", "tokens a look", "tokens", "looks", "right", "MFLOPs a look", "MFLOPs")
AT_ONCE = 64
"""Scenes in a batch."""
ROUNDS = 5
"""How often times are taken, of which the best counts."""
STEPS = 7
"""Budgets of the curve, from one look to all."""
NEVER = 2.0
"""A threshold that nobody reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixationPoint:
    """One way at a ``budget`` of mean tokens: means over scenes and seeds of tokens, looks and FLOPs of the looks."""

    budget: int
    thresholds: tuple[float, ...]
    tokens: float
    looks: float
    flops: float
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class FixationRow:
    """One ``way`` of looking; ``tokens`` and ``flops`` are those of a single look."""

    way: str
    tokens: int
    flops: int
    points: tuple[FixationPoint, ...]

    def at(self, budget: int) -> FixationPoint:
        """The point of a budget."""
        return next(point for point in self.points if point.budget == budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSavings:
    """Shares that stopping at the budget saves over looking to the end: of FLOPs, and of time on one thread."""

    batch: int
    flops: float
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FixationStudy:
    """All rows; ``gains`` are what choosing adds to each other way at ``budget`` tokens, on the same scenes and seeds.

    ``map_flops`` is what the map of a scene costs before anyone looks.
    """

    task: str
    trained: int
    calibrated: int
    tested: int
    seeds: tuple[int, ...]
    budget: int
    map_flops: int
    rows: tuple[FixationRow, ...]
    gains: dict[str, Change]
    saved: StopSavings

    def to_json(self) -> str:
        """As stored, under ``SCHEMA``."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "FixationStudy":
        """What ``to_json`` wrote. Raises SaccadeError for another schema."""
        return parsed(cls, text, SCHEMA, "study of fixations")

    def save(self, path: Path) -> None:
        """Written whole or not at all."""
        write_whole(path, self.to_json())


def study(
    models: Mapping[tuple[Way, int], Foveater],
    recipe: FixationsRecipe,
    held: SceneMaps,
    asked: SceneMaps,
    map_flops: int,
) -> FixationStudy:
    """Every model on the scenes that are ``asked``, with thresholds from those that were ``held`` back."""
    names = [f"{seed}-{scene}" for seed in recipe.seeds for scene in range(len(asked.digits))]
    rows, right = [], dict[Way, np.ndarray]()
    for way in WAYS:
        spec = recipe.spec(way)
        before = [shares(models[way, seed], way, held, seed).amax(dim=2).numpy() for seed in recipe.seeds]
        found = [shares(models[way, seed], way, asked, seed) for seed in recipe.seeds]
        points = []
        for budget in _budgets(recipe, way):
            limits = [threshold(sure, len(spec.cells()), budget) for sure in before]
            stops, hits = _stopped(found, limits, asked)
            if budget == recipe.budget:
                right[way] = hits
            points.append(
                FixationPoint(
                    budget=budget,
                    thresholds=tuple(limits),
                    tokens=len(spec.cells()) * float(stops.mean()),
                    looks=float(stops.mean()),
                    flops=spec.glance().flops * float(stops.mean()),
                    score=Score(len(hits), int(hits.sum()), float(hits.mean()), clustered(hits, names).ends),
                )
            )
        rows.append(FixationRow(way=way, tokens=len(spec.cells()), flops=spec.glance().flops, points=tuple(points)))
    gains = {way: paired(right["learned"], right[way], names) for way in WAYS if way != "learned"}
    limit = rows[0].at(recipe.budget).thresholds[0]
    return FixationStudy(
        task=VERSION, trained=recipe.scenes, calibrated=len(held.digits), tested=len(asked.digits), seeds=recipe.seeds,
        budget=recipe.budget, map_flops=map_flops, rows=tuple(rows),
        gains={way: Change(gain.mean, gain.ends) for way, gain in gains.items()},
        saved=_saved(models["learned", recipe.seeds[0]], asked, limit),
    )  # fmt: skip


def _budgets(recipe: FixationsRecipe, way: Way) -> list[int]:
    """Mean tokens at which a way is asked: evenly from one look to all, and the budget that all are compared at."""
    spec = recipe.spec(way)
    if spec.fixations == 1:
        return [recipe.budget]
    ends = np.linspace(recipe.tokens, recipe.tokens * spec.fixations, STEPS)
    return sorted({*(round(one) for one in ends), recipe.budget})


@torch.inference_mode()
def shares(model: Foveater, way: Way, asked: SceneMaps, seed: int) -> Float[Tensor, "scenes looks classes"]:
    """Of every class after each look, if nobody stops: what a picture has when it does is among them."""
    looks = model.spec.fixations
    path = paths(way, len(asked.digits), looks, seed, training=False)
    batches = torch.arange(len(asked.digits)).split(AT_ONCE)
    return torch.cat([model(asked.part(rows).maps(), path[rows], looks) for rows in batches]).softmax(dim=2)


def threshold(sure: np.ndarray, tokens: int, budget: int) -> float:
    """The share from which a look is the last, so that scenes with these best shares (one a look, each of so many
    ``tokens``) read at most ``budget`` tokens on average, as near to it as may be.
    """
    limits = np.append(np.unique(sure[:, :-1]), NEVER)
    fits = [float(limit) for limit in limits if tokens * _stops(sure, limit).mean() <= budget]
    return max(fits, default=0.0)


def _stops(sure: np.ndarray, limit: float) -> np.ndarray:
    """Looks of each scene: to the first that is sure, or to the last."""
    enough = sure >= limit
    enough[:, -1] = True
    return enough.argmax(axis=1) + 1


def _stopped(found: Sequence[Tensor], limits: Sequence[float], asked: SceneMaps) -> tuple[np.ndarray, np.ndarray]:
    """Looks of every scene, seed by seed, and whether it is right then."""
    stops, hits = [], []
    for each, limit in zip(found, limits, strict=True):
        stops.append(_stops(each.amax(dim=2).numpy(), limit))
        said = each.argmax(dim=2).numpy()[np.arange(len(each)), stops[-1] - 1]
        hits.append(said == asked.digits.numpy())
    return np.concatenate(stops), np.concatenate(hits)


def _saved(model: Foveater, asked: SceneMaps, limit: float) -> StopSavings:
    """Stopping against looking to the end, on one thread, in turns; the maps are there already.

    The processor's time, which on an idle machine is the wall clock's, and on a busy one still tells what was done.
    """
    batches = [asked.part(rows).maps() for rows in torch.arange(len(asked.digits)).split(AT_ONCE)]
    taken: dict[float, list[float]] = {limit: [], NEVER: []}
    flops: dict[float, int] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(ROUNDS + 1):
            for one, times in taken.items():
                start = time.process_time()
                found = [model.look(maps, threshold=one) for maps in batches]
                times.append(time.process_time() - start)
                flops[one] = sum(int(part.flops.sum()) for part in found)
    finally:
        torch.set_num_threads(threads)
    best = {one: min(times[1:]) for one, times in taken.items()}
    return StopSavings(batch=AT_ONCE, flops=1 - flops[limit] / flops[NEVER], time=1 - best[limit] / best[NEVER])


def fixations_table(found: FixationStudy) -> Table:
    """One row a way at the budget; accuracy in % with half of the 95 % interval."""
    seeds = ", ".join(map(str, found.seeds))
    made = titled(
        f"{found.task}: {found.trained:,} scenes learned, {found.tested:,} asked, training seeds {seeds}",
        "\n".join(verdicts(found)),
    )
    for place, name in enumerate(HEADS):
        made.add_column(name, justify="right" if place else "left", no_wrap=place > 0)
    for row in found.rows:
        made.add_row(*_cells(found, row))
    return made


def fixations_markdown(found: FixationStudy) -> str:
    """The same in Markdown, what is gained and saved below it."""
    table = pipes(HEADS, (_cells(found, row) for row in found.rows), right=range(1, len(HEADS)))
    return "\n".join([table, "", *(f"- {line}" for line in verdicts(found)), ""])


def _cells(found: FixationStudy, row: FixationRow) -> list[str]:
    point = row.at(found.budget)
    return [
        row.way,
        str(row.tokens),
        words.tokens(point.tokens),
        words.tokens(point.looks),
        words.score(point.score),
        words.mega(row.flops),
        words.mega(point.flops),
    ]


def verdicts(found: FixationStudy) -> list[str]:
    """What choosing adds, and what stopping saves."""
    told = []
    for way, gain in found.gains.items():
        low, high = (0.0, 0.0) if gain.ci95 is None else gain.ci95
        beyond = "beyond" if low > 0 or high < 0 else "not beyond"
        told.append(
            f"learned over {way}: {words.signed(gain.mean)} points (95 %: {words.ends(gain)}), {beyond} the interval"
        )
    saved, full = found.saved, max(found.rows[0].points, key=lambda point: point.budget)
    point = found.rows[0].at(found.budget)
    told.append(
        f"stopping saves {words.percent(saved.flops)} % of the looks' FLOPs and {words.percent(saved.time)} % of their "
        f"time, batches of {saved.batch} on one thread: {words.percent(point.score.accuracy)} % right instead of "
        f"{words.percent(full.score.accuracy)} %"
    )
    told.append(f"the map costs {words.mega(found.map_flops)} MFLOPs before the first look, whatever follows")
    return told


def fixations_curve(found: FixationStudy) -> str:
    """An SVG of accuracy against mean tokens as the threshold moves."""
    budgets = sorted({point.budget for row in found.rows for point in row.points})
    scores = {row.way: {str(point.budget): point.score for point in row.points} for row in found.rows}
    panel = lines.LinePanel("Digit beside the red ring", "mean tokens a scene", tuple(map(str, budgets)), scores)
    return lines.drawing([panel])
