"""Training a small FoveaTer to read the digit beside the red ring of a cluttered scene, and what it has to beat.

learned   attention chooses the next fixation; the first is random in training, and the middle afterwards
random    fixations by chance, in training too
centre    one look at the middle with as many tokens as the others read on average
resize    one look at cells of one size, as many again

A seed's models start alike, as one that learned from cells of one size, since few random looks meet the ring. Then each
is trained for its own way of looking, as long as every other, by cross-entropy of the mean of the votes after every
fixation. The map is that of a frozen tower, quarter by quarter. A batch puts the quarter with the ring among three
without one, of any scenes: each quarter was read by itself, so that is a scene too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from research.clutter import CLASSES, SIDE, clutter
from research.fixations.model import Foveater
from research.fixations.spec import FoveaterSpec
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.layouts.cells import BudgetRule, Rule, UniformRule, centre
from saccade.specs.parts import TowerSpec
from saccade.tasks.scenes import Split
from saccade.training.loop import Report, Schedule, run

Way = Literal["learned", "random", "centre", "resize"]
WAYS: tuple[Way, ...] = ("learned", "random", "centre", "resize")
GRID = Grid(32, 32)
"""Patches of a scene, of which each quarter is a view of the tower by itself."""
CHUNK = 8
"""Scenes that go through the tower together."""
MEAN = STD = 0.5
FURTHER = 1000
"""What is added to a seed, so that a way does not see again what its start has seen."""


@dataclass(frozen=True, kw_only=True)
class FixationsRecipe:
    """Every one of ``seeds`` trains one model a way; ``scenes``, ``calibration`` and ``test`` are how many of a split.
    ``start`` is the schedule of what they share, ``schedule`` that of each way.

    A fixation reads ``tokens`` cells of sides from ``root`` down, and ways are compared at ``budget`` tokens a scene,
    a square number.
    """

    seeds: tuple[int, ...] = (0, 1)
    scenes: int
    calibration: int
    test: int
    start: Schedule
    schedule: Schedule
    source: int = 128
    tokens: int = 34
    root: int = 8
    budget: int = 64
    fixations: int = 3
    width: int = 96
    depth: int = 2
    heads: int = 4
    mlp: int = 384
    sigma: float = 2.0

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SaccadeError(f"a recipe of fixations needs different seeds, got {list(self.seeds)}")
        if min(self.scenes, self.calibration, self.test) < 1:
            raise SaccadeError(
                "a recipe of fixations needs 1 scene or more of every split, got "
                f"{self.scenes}, {self.calibration} and {self.test}"
            )
        if isqrt(self.budget) ** 2 != self.budget:
            raise SaccadeError(f"the budget is a square number of cells, got {self.budget}; take 64")
        for way in WAYS:
            self.spec(way)

    def spec(self, way: Way) -> FoveaterSpec:
        """The model of a way: all alike but for their cells and looks."""
        side = isqrt(self.budget)
        rules: dict[Way, Rule] = {
            "centre": BudgetRule(tokens=self.budget, root=self.root),
            "resize": UniformRule(rows=side, cols=side),
        }
        looks = self.fixations if way in ("learned", "random") else 1
        return FoveaterSpec(
            source=self.source, classes=CLASSES, grid=GRID, width=self.width, depth=self.depth, heads=self.heads,
            mlp=self.mlp, fixations=looks, sigma=self.sigma,
            rule=rules.get(way, BudgetRule(tokens=self.tokens, root=self.root)),
        )  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class SceneMaps:
    """What a frozen tower makes of scenes, quarter by quarter, the digit of each, and the quarter that shows it."""

    quarters: Float[Tensor, "scenes 4 patches width"]
    digits: Int[Tensor, " scenes"]
    shown: Int[Tensor, " scenes"]

    def maps(self) -> Float[Tensor, "scenes patches width"]:
        """All scenes as one map each, in single precision."""
        return whole(self.quarters.float())

    def part(self, rows: Int[Tensor, " rows"]) -> "SceneMaps":
        """These alone."""
        return SceneMaps(self.quarters[rows], self.digits[rows], self.shown[rows])


def whole(quarters: Float[Tensor, "scenes 4 patches width"]) -> Float[Tensor, "scenes patches_in_all width"]:
    """Four quarters laid side by side, patches in row order."""
    half = GRID.rows // 2
    tiles = quarters.unflatten(2, (half, half)).unflatten(1, (2, 2))  # scenes 2 2 rows cols width
    return tiles.transpose(2, 3).flatten(1, 4)


@torch.inference_mode()
def seen(
    tower: nn.Module, split: Split, count: int, *, stored: Path | None = None, report: Report | None = None
) -> SceneMaps:
    """The first ``count`` scenes of a split; with ``stored``, kept in that file and read from it the next time."""
    if stored is not None and stored.exists():
        kept = load_file(stored)
        return SceneMaps(kept["quarters"], kept["digits"], kept["shown"])
    quarters, digits, shown = [], [], []
    for start in range(0, count, CHUNK):
        scenes = [clutter(split, number) for number in range(start, min(start + CHUNK, count))]
        quarters.append(
            tower(torch.cat([views(np.array(scene.image)) for scene in scenes])).half().unflatten(0, (-1, 4))
        )
        digits += [scene.digit for scene in scenes]
        shown += [scene.quarter for scene in scenes]
        if report is not None:
            report(min(start + CHUNK, count), {})
    made = SceneMaps(torch.cat(quarters), torch.tensor(digits), torch.tensor(shown))
    if stored is not None:
        save_file({"quarters": made.quarters, "digits": made.digits, "shown": made.shown}, stored)
    return made


def scenes_of(
    tower: nn.Module, recipe: FixationsRecipe, folder: Path, tell: Callable[[str, int], Report]
) -> tuple[SceneMaps, SceneMaps, SceneMaps]:
    """The scenes to learn from, to calibrate on and to ask, kept in ``folder``."""
    counts: dict[Split, int] = {"train": recipe.scenes, "calibration": recipe.calibration, "test": recipe.test}
    learned, held, asked = (
        seen(tower, split, count, stored=folder / f"scenes-{split}.safetensors", report=tell(f"{split} scenes", count))
        for split, count in counts.items()
    )
    return learned, held, asked


def map_cost(tower: TowerSpec) -> Cost:
    """The map of a scene: its quarters through the tower."""
    return tower.cost(Grid(GRID.rows // 2, GRID.cols // 2)).times(4)


def views(pixels: np.ndarray) -> Float[Tensor, "4 3 height width"]:
    """A scene's quarters in row order, as the tower wants them."""
    half = SIDE // 2
    x = (torch.from_numpy(pixels).float() / 255 - MEAN) / STD
    return x.unflatten(0, (2, half)).unflatten(2, (2, half)).permute(0, 2, 4, 1, 3).flatten(0, 1)


def paths(way: Way, scenes: int, fixations: int, seed: int, *, training: bool) -> Int[Tensor, "scenes given"]:
    """The fixations that a way is given rather than chooses; equal arguments make equal paths."""
    draw = torch.Generator().manual_seed(seed)
    if way == "random" or (way == "learned" and training):
        return torch.randint(GRID.tokens, (scenes, fixations if way == "random" else 1), generator=draw)
    return torch.full((scenes, 1), centre(GRID))


@final
class FixationsJob:
    """Trains ``model`` in one way of looking."""

    def __init__(self, model: Foveater, data: SceneMaps, *, way: Way, batch: int, seed: int) -> None:
        self.model, self.data, self.batch, self.seed = model, data, batch, seed
        self.way: Way = way

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """The whole model."""
        return {"model": self.model}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy after every fixation."""
        maps, digits = self.drawn(step)
        looks = self.model.spec.fixations
        path = paths(self.way, len(maps), looks, self._seed(step), training=True)
        logits = self.model(maps, path, looks)
        return {"digit": F.cross_entropy(logits.flatten(0, 1), digits.repeat_interleave(looks))}

    def drawn(self, step: int) -> tuple[Float[Tensor, "batch patches width"], Int[Tensor, " batch"]]:
        """The maps of a step: of each scene the quarter with the ring, among quarters without one."""
        draw, data = torch.Generator().manual_seed(self._seed(step)), self.data
        scenes = torch.randint(len(data.digits), (self.batch, 4), generator=draw)
        other = (data.shown[scenes] + torch.randint(1, 4, (self.batch, 4), generator=draw)) % 4
        place = torch.randint(4, (self.batch,), generator=draw)
        row = torch.arange(self.batch)
        other[row, place] = data.shown[scenes[row, place]]
        return whole(data.quarters[scenes, other].float()), data.digits[scenes[row, place]]

    def _seed(self, step: int) -> int:
        return 1_000_003 * self.seed + step


def train_fixations(
    recipe: FixationsRecipe, data: SceneMaps, folder: Path, tell: Callable[[str, int], Report]
) -> dict[tuple[Way, int], Foveater]:
    """A model for every way and seed; resumes from what lies in ``folder``."""
    made = {}
    for seed in recipe.seeds:
        torch.manual_seed(seed)
        start = Foveater(recipe.spec("resize"))
        _train(start, "resize", f"start-{seed}", seed, recipe.start, data, folder, tell)
        for way in WAYS:
            made[way, seed] = Foveater(recipe.spec(way))
            made[way, seed].load_state_dict(start.state_dict())
            _train(made[way, seed], way, f"{way}-{seed}", FURTHER + seed, recipe.schedule, data, folder, tell)
    return made


def _train(
    model: Foveater,
    way: Way,
    name: str,
    seed: int,
    schedule: Schedule,
    data: SceneMaps,
    folder: Path,
    tell: Callable[[str, int], Report],
) -> None:
    job = FixationsJob(model, data, way=way, batch=schedule.batch, seed=seed)
    report = tell(name, schedule.steps)
    run(job, schedule, checkpoint=folder / f"fixations-{name}.pt", every=50, report=report)
