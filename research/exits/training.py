"""Training a tower with exits to read the digit beside the red ring, on pieces of cluttered scenes.

exits    every head learns, and early heads also from what the last one says
whole    the same tower, of which the last head alone learns
resize   the same again, on smaller pictures

A piece shows the red ring and its digit somewhere, and what else of the scene lies around: nothing, or several digits
and rings. The stem is that of the shipped tower and does not learn, so it runs once a piece. Layers begin as that
tower's as far as it has any, and the positions of its middle are those of a piece.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from research.clutter import CLASSES, clutter
from research.clutter import SIDE as SCENE
from research.exits.model import ExitClassifier
from research.exits.spec import ExitsSpec
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.towers.vit import StemTowerSpec
from saccade.tasks.scenes import SPLITS, Split
from saccade.towers.stem import StemTower
from saccade.training.loop import Report, Schedule, run

Way = Literal["exits", "whole", "resize"]
WAYS: tuple[Way, ...] = ("exits", "whole", "resize")
CHUNK = 64
"""Pieces that go through the stem together."""
MEAN = STD = 0.5


@dataclass(frozen=True, kw_only=True)
class ExitsRecipe:
    """Every one of ``seeds`` trains one model a way; ``scenes``, ``calibration`` and ``test`` are how many of a split,
    of which training cuts ``cuts`` pieces each, the others one.

    A piece has ``side`` pixels, and ``small`` for the way of smaller pictures. ``distil`` weighs what early heads learn
    from the last beside cross-entropy; ``rescaled`` as the model says it. Heads stand at ``places``, of which that at
    ``budget`` costs what exiting is compared at.
    """

    seeds: tuple[int, ...] = (0, 1)
    scenes: int
    calibration: int
    test: int
    cuts: int = 4
    schedule: Schedule
    side: int = 64
    small: int = 48
    width: int = 128
    depth: int = 6
    heads: int = 4
    mlp: int = 512
    places: tuple[int, ...] = (1, 2, 3, 4, 6)
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    distil: float = 0.5
    rescaled: bool = True
    budget: int = 2

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SaccadeError(f"a recipe of exits needs different seeds, got {list(self.seeds)}")
        if min(self.scenes, self.calibration, self.test, self.cuts) < 1:
            raise SaccadeError(
                "a recipe of exits needs 1 scene or more of every split and 1 cut or more, got "
                f"{self.scenes}, {self.calibration}, {self.test} and {self.cuts}"
            )
        if len(self.weights) != len(self.places) or min(self.weights) <= 0 or self.distil < 0:
            raise SaccadeError(
                f"{len(self.places)} exits need as many weights above 0, and distil is 0 or more, got "
                f"{list(self.weights)} and {self.distil}"
            )
        if self.small >= self.side or self.small % self.spec.tower.patch:
            raise SaccadeError(f"smaller pictures have a multiple of 8 px below {self.side}, got {self.small}; take 48")
        if self.spec.cost(self.grid("resize")).flops < self.spec.upto(self.grid("exits"), 0).flops:
            raise SaccadeError(
                f"pictures of {self.small} px cost less than the first exit of {self.side} px, nothing compares; "
                "take larger ones"
            )
        if self.budget not in self.places[:-1]:
            raise SaccadeError(f"the budget is that of an exit before the last, {list(self.places)}, got {self.budget}")

    @property
    def spec(self) -> ExitsSpec:
        """The model of every way; only its training differs."""
        tower = StemTowerSpec(width=self.width, depth=self.depth, heads=self.heads, mlp=self.mlp, side=self.side)
        return ExitsSpec(tower=tower, places=self.places, classes=CLASSES)

    def pixels(self, way: Way) -> int:
        """A side of the picture that a way sees."""
        return self.small if way == "resize" else self.side

    def grid(self, way: Way) -> Grid:
        """Patches of that picture."""
        side = self.pixels(way) // self.spec.tower.patch
        return Grid(side, side)


@final
@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of scenes as they were drawn, and the digit of each."""

    drawn: UInt8[Tensor, "pieces rows cols 3"]
    digits: Int[Tensor, " pieces"]

    def pixels(self, side: int) -> Float[Tensor, "pieces 3 {side} {side}"]:
        """As the tower wants them, made smaller where ``side`` is."""
        x = (self.drawn.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
        return x if side == x.shape[2] else F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)

    def part(self, rows: Int[Tensor, " rows"]) -> "Pieces":
        """These alone."""
        return Pieces(self.drawn[rows], self.digits[rows])


def cut(split: Split, number: int, cuts: int, side: int) -> tuple[UInt8[np.ndarray, "cuts rows cols 3"], int]:
    """Pieces of one scene, in each the ring and its digit somewhere, and the digit; equal arguments, equal pieces."""
    scene = clutter(split, number)
    box, pixels = scene.evidence, np.asarray(scene.image)
    if max(box.width, box.height) > side:
        raise SaccadeError(f"a piece of {side} px is too small for what is asked, {box}; take 64")
    rng = np.random.default_rng([SPLITS.index(split), number, 6])
    made = []
    for _ in range(cuts):
        left, top = (
            int(rng.integers(max(0, end - side), min(start, SCENE - side) + 1))
            for start, end in ((int(box.left), int(box.right)), (int(box.top), int(box.bottom)))
        )
        made.append(pixels[top : top + side, left : left + side])
    return np.stack(made), scene.digit


def pieces(recipe: ExitsRecipe, split: Split, *, stored: Path | None = None, report: Report | None = None) -> Pieces:
    """All pieces of a split; with ``stored``, kept in that file and read from it the next time."""
    if stored is not None and stored.exists():
        kept = load_file(stored)
        return Pieces(kept["drawn"], kept["digits"])
    count = {"train": recipe.scenes, "calibration": recipe.calibration, "test": recipe.test}[split]
    cuts = recipe.cuts if split == "train" else 1
    drawn, digits = [], []
    for number in range(count):
        some, digit = cut(split, number, cuts, recipe.side)
        drawn.append(torch.from_numpy(some))
        digits += [digit] * cuts
        if report is not None:
            report(number + 1, {})
    made = Pieces(torch.cat(drawn), torch.tensor(digits))
    if stored is not None:
        save_file({"drawn": made.drawn, "digits": made.digits}, stored)
    return made


def pieces_of(recipe: ExitsRecipe, folder: Path, tell: Callable[[str, int], Report]) -> tuple[Pieces, Pieces, Pieces]:
    """Pieces to learn from, to calibrate on and to ask, kept in ``folder``."""
    counts: dict[Split, int] = {"train": recipe.scenes, "calibration": recipe.calibration, "test": recipe.test}
    learned, held, asked = (
        pieces(recipe, split, stored=folder / f"pieces-{split}.safetensors", report=tell(f"{split} pieces", count))
        for split, count in counts.items()
    )
    return learned, held, asked


def begun(spec: ExitsSpec, tower: StemTower, seed: int) -> ExitClassifier:
    """A model that begins as ``tower``, of the same width; heads and further layers are by chance."""
    torch.manual_seed(seed)
    model = ExitClassifier(spec)
    if (tower.spec.width, tower.spec.heads, tower.spec.mlp) != (spec.tower.width, spec.tower.heads, spec.tower.mlp):
        raise SaccadeError(
            f"the model begins as a tower of width {tower.spec.width}, {tower.spec.heads} heads and mlp "
            f"{tower.spec.mlp}, got {spec.tower.width}, {spec.tower.heads} and {spec.tower.mlp}"
        )
    side, whole = spec.tower.side // spec.tower.patch, tower.spec.side // tower.spec.patch
    if side > whole:
        raise SaccadeError(f"the tower has positions for {tower.spec.side} px, a piece has {spec.tower.side}")
    first = (whole - side) // 2
    model.stem.load_state_dict(tower.stem.state_dict())
    model.stem.requires_grad_(False)
    model.layers.positions.data.copy_(tower.positions[first : first + side, first : first + side])
    for ours, theirs in zip(model.layers.blocks, tower.blocks, strict=False):
        ours.load_state_dict(theirs.state_dict())
    return model


@torch.inference_mode()
def mapped(model: ExitClassifier, data: Pieces, side: int) -> Float[Tensor, "pieces channels rows cols"]:
    """What the stem makes of all pieces, in half precision."""
    batches = torch.arange(len(data.digits)).split(CHUNK)
    return torch.cat([model.stem(data.part(rows).pixels(side)).half().contiguous() for rows in batches])


@final
class ExitsJob:
    """Trains what stands behind the stem of ``model`` in one way, on the stem's ``maps`` and their ``digits``."""

    def __init__(
        self,
        model: ExitClassifier,
        maps: Float[Tensor, "pieces channels rows cols"],
        digits: Int[Tensor, " pieces"],
        recipe: ExitsRecipe,
        *,
        way: Way,
        seed: int,
    ) -> None:
        self.model, self.maps, self.digits, self.recipe, self.seed = model, maps, digits, recipe, seed
        self.way: Way = way

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """Everything behind the stem."""
        return {"layers": self.model.layers}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Of ``exits`` the mean over weighted heads, and what early ones learn from the last; else the last head's."""
        rows = self.drawn(step)
        maps, digits = self.maps[rows].float(), self.digits[rows]
        logits = self.model.layers(maps, rescaled=self.way == "exits" and self.recipe.rescaled)
        if self.way != "exits":
            return {"digit": F.cross_entropy(logits[:, -1], digits) + 0.0 * logits[:, :-1].sum()}
        return exits_loss(logits, digits, self.recipe.weights, self.recipe.distil)

    def drawn(self, step: int) -> Int[Tensor, " batch"]:
        """The pieces of a step."""
        draw = torch.Generator().manual_seed(1_000_003 * self.seed + step)
        return torch.randint(len(self.digits), (self.recipe.schedule.batch,), generator=draw)


def exits_loss(
    logits: Float[Tensor, "batch exits classes"],
    digits: Int[Tensor, " batch"],
    weights: tuple[float, ...],
    distil: float,
) -> dict[str, Tensor]:
    """Cross-entropy of every exit, and with ``distil`` how far early shares are from the last; means by ``weights``.

    The last exit teaches and does not learn from being taught from.
    """
    share = logits.new_tensor(weights) / sum(weights)
    exits = logits.shape[1]
    truth = F.cross_entropy(logits.flatten(0, 1), digits.repeat_interleave(exits), reduction="none")
    terms = {"digit": (truth.unflatten(0, (-1, exits)).mean(dim=0) * share).sum()}
    if distil:
        last = logits[:, -1:].detach().softmax(dim=2)
        apart = (last * (last.clamp_min(1e-30).log() - logits[:, :-1].log_softmax(dim=2))).sum(dim=2).mean(dim=0)
        terms["taught"] = distil * (apart * share[:-1]).sum()
    return terms


def train_exits(
    recipe: ExitsRecipe, tower: StemTower, data: Pieces, folder: Path, tell: Callable[[str, int], Report]
) -> dict[tuple[Way, int], ExitClassifier]:
    """A model for every way and seed; resumes from what lies in ``folder``."""
    made: dict[tuple[Way, int], ExitClassifier] = {}
    maps = dict[int, Tensor]()
    for seed in recipe.seeds:
        for way in WAYS:
            model, side = begun(recipe.spec, tower, seed), recipe.pixels(way)
            if side not in maps:
                maps[side] = mapped(model, data, side)
            job = ExitsJob(model, maps[side], data.digits, recipe, way=way, seed=seed)
            name, schedule = f"{way}-{seed}", recipe.schedule
            run(job, schedule, checkpoint=folder / f"exits-{name}.pt", every=50, report=tell(name, schedule.steps))
            made[way, seed] = model.eval()
    return made
