"""What leaving early gains: exits by sureness against each exit alone, the whole tower, and smaller pictures.

All at equal mean FLOPs. Thresholds are chosen on the calibration split, for every budget and every model by itself; the
test split is only asked.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from research.clutter import VERSION
from research.exits.model import ExitClassifier, Sureness, confidence, order
from research.exits.spec import NEVER, ExitsSpec, budgeted, left
from research.exits.training import WAYS, ExitsRecipe, Pieces, Way
from saccade.core.records.codec import parsed, written
from saccade.core.records.files import write_whole
from saccade.evaluation.results import Change, Score
from saccade.evaluation.statistics.intervals import clustered, paired

SCHEMA = "saccade.exits/1"
RULES: dict[str, Sureness] = {"confidence": confidence, "entropy": order}
"""Ways of being sure, by the name of their row."""
AT_ONCE = 64
"""Pieces in a batch."""
ROUNDS = 9
"""How often times are taken, of which the middle one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPoint:
    """One row at a ``budget`` of mean FLOPs: means over pieces and seeds of ``flops`` and ``layers``.

    ``leave`` are the shares of pieces that leave at each exit, ``thresholds`` those of every seed.
    """

    budget: int
    thresholds: tuple[tuple[float, ...], ...]
    leave: tuple[float, ...]
    layers: float
    flops: float
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRow:
    """One ``way`` of answering."""

    way: str
    points: tuple[ExitPoint, ...]

    def at(self, budget: int) -> ExitPoint:
        """The point of a budget."""
        return next(point for point in self.points if point.budget == budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitGain:
    """What ``way`` adds to ``over`` at ``budget``, on the same pieces and seeds."""

    way: str
    over: str
    budget: int
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSavings:
    """Shares that exiting at the budget saves over going all the way: of FLOPs, and of time on one thread."""

    batch: int
    flops: float
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStudy:
    """All rows. ``costs`` are the FLOPs up to each exit, after the layers of ``places``; ``budget`` is one of them."""

    task: str
    trained: int
    calibrated: int
    tested: int
    seeds: tuple[int, ...]
    places: tuple[int, ...]
    costs: tuple[int, ...]
    budget: int
    rows: tuple[ExitRow, ...]
    gains: tuple[ExitGain, ...]
    spared: ExitSavings

    def row(self, way: str) -> ExitRow:
        """The row of a way."""
        return next(row for row in self.rows if row.way == way)

    def to_json(self) -> str:
        """As stored, under ``SCHEMA``."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "ExitStudy":
        """What ``to_json`` wrote. Raises SaccadeError for another schema."""
        return parsed(cls, text, SCHEMA, "study of exits")

    def save(self, path: Path) -> None:
        """Written whole or not at all."""
        write_whole(path, self.to_json())


@dataclass(frozen=True, slots=True)
class _Taken:
    """At which exit every piece left, seed by seed, whether it is right there, and what each exit costs."""

    exits: np.ndarray
    right: np.ndarray
    flops: np.ndarray
    thresholds: tuple[tuple[float, ...], ...] = ()


def study(
    models: Mapping[tuple[Way, int], ExitClassifier], recipe: ExitsRecipe, held: Pieces, asked: Pieces
) -> ExitStudy:
    """Every model on the pieces that are ``asked``, with thresholds from those that were ``held`` back."""
    spec, names = recipe.spec, [f"{seed}-{piece}" for seed in recipe.seeds for piece in range(len(asked.digits))]
    costs = tuple(spec.upto(recipe.grid("exits"), number).flops for number in range(spec.exits))
    small, full = spec.cost(recipe.grid("resize")).flops, costs[-1]
    told = {way: [shares(models[way, seed], asked, recipe.pixels(way)) for seed in recipe.seeds] for way in WAYS}
    before = [shares(models["exits", seed], held, recipe.side) for seed in recipe.seeds]
    budgets = sorted({*costs, small})
    taken = {
        rule: {budget: _exiting(told["exits"], before, held, asked, sure, costs, budget) for budget in budgets}
        for rule, sure in RULES.items()
    }
    taken["one exit"] = {cost: _all_at(told["exits"], asked, number, cost) for number, cost in enumerate(costs)}
    taken["whole"] = {full: _all_at(told["whole"], asked, spec.exits - 1, full)}
    taken["resize"] = {small: _all_at(told["resize"], asked, spec.exits - 1, small)}
    rows = tuple(
        ExitRow(way=way, points=tuple(_point(spec, names, budget, one) for budget, one in points.items()))
        for way, points in taken.items()
    )
    budget = costs[spec.places.index(recipe.budget)]
    limits = rows[0].at(budget).thresholds[0]
    return ExitStudy(
        task=VERSION, trained=recipe.scenes * recipe.cuts, calibrated=len(held.digits), tested=len(asked.digits),
        seeds=recipe.seeds, places=spec.places, costs=costs, budget=budget, rows=rows,
        gains=tuple(_gains(taken, names, costs, small, budget)),
        spared=_spared(models["exits", recipe.seeds[0]], asked.pixels(recipe.side), limits),
    )  # fmt: skip


@torch.inference_mode()
def shares(model: ExitClassifier, asked: Pieces, side: int) -> Float[Tensor, "pieces exits classes"]:
    """Of every class at each exit, if nobody leaves: what a piece has when it does is among them."""
    batches = torch.arange(len(asked.digits)).split(AT_ONCE)
    return torch.cat([model(asked.part(rows).pixels(side)) for rows in batches]).softmax(dim=2)


def table(
    told: Float[Tensor, "pieces exits classes"], asked: Pieces, sure: Sureness = confidence
) -> tuple[np.ndarray, np.ndarray]:
    """How sure each exit is of each piece, and whether it is right."""
    right = told.argmax(dim=2) == asked.digits[:, None]
    return torch.stack([sure(told[:, number]) for number in range(told.shape[1])], dim=1).numpy(), right.numpy()


def _exiting(
    told: Sequence[Tensor],
    before: Sequence[Tensor],
    held: Pieces,
    asked: Pieces,
    sure: Sureness,
    costs: Sequence[int],
    budget: int,
) -> _Taken:
    """Each seed by thresholds of its own, from what it said ``before``."""
    limits = tuple(budgeted(*table(each, held, sure), costs, budget) for each in before)
    exits, right = [], []
    for each, limit in zip(told, limits, strict=True):
        how, hits = table(each, asked, sure)
        exits.append(left(how, limit))
        right.append(hits[np.arange(len(hits)), exits[-1]])
    return _Taken(np.concatenate(exits), np.concatenate(right), np.asarray(costs), limits)


def _all_at(told: Sequence[Tensor], asked: Pieces, number: int, cost: int) -> _Taken:
    """Everyone at one exit, which costs ``cost``."""
    right = np.concatenate([table(each, asked)[1][:, number] for each in told])
    return _Taken(np.full(len(right), number), right, np.full(number + 1, cost))


def _point(spec: ExitsSpec, names: list[str], budget: int, taken: _Taken) -> ExitPoint:
    right = taken.right
    return ExitPoint(
        budget=budget,
        thresholds=taken.thresholds,
        leave=tuple(float((taken.exits == number).mean()) for number in range(spec.exits)),
        layers=float(np.asarray(spec.places)[taken.exits].mean()),
        flops=float(taken.flops[taken.exits].mean()),
        score=Score(len(right), int(right.sum()), float(right.mean()), clustered(right, names).ends),
    )


def _gains(
    taken: Mapping[str, Mapping[int, _Taken]], names: list[str], costs: tuple[int, ...], small: int, budget: int
) -> list[ExitGain]:
    """Exiting over one exit and over smaller pictures of the same cost, then over and in the whole tower."""
    asked = [
        *(("confidence", cost, "one exit", cost) for cost in costs[1:-1]),
        ("confidence", small, "resize", small),
        ("confidence", budget, "whole", costs[-1]),
        ("one exit", costs[-1], "whole", costs[-1]),
    ]
    made = []
    for way, at, over, there in asked:
        gain = paired(taken[way][at].right, taken[over][there].right, names)
        made.append(ExitGain(way=way, over=over, budget=at, change=Change(gain.mean, gain.ends)))
    return made


def _spared(model: ExitClassifier, pixels: Float[Tensor, "pieces 3 high wide"], limits: Sequence[float]) -> ExitSavings:
    """Exiting against going all the way, on one thread, in turns.

    The processor's time, which on an idle machine is the wall clock's, and on a busy one still tells what was done.
    """
    ways = {"exits": tuple(limits), "whole": (NEVER,) * len(limits)}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    flops = dict.fromkeys(ways, 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(ROUNDS + 1):
            for way, times in taken.items():
                start = time.process_time()
                found = [model.infer(part, ways[way]) for part in pixels.split(AT_ONCE)]
                times.append(time.process_time() - start)
                flops[way] = sum(int(part.flops.sum()) for part in found)
    finally:
        torch.set_num_threads(threads)
    middle = {way: median(times[1:]) for way, times in taken.items()}
    return ExitSavings(
        batch=AT_ONCE, flops=1 - flops["exits"] / flops["whole"], time=1 - middle["exits"] / middle["whole"]
    )
