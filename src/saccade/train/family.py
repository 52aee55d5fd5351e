"""The embedded family's recipe: a vision stage, a language stage, then each connector aligned by itself.

vision    the tower learns from dense labels; its read-outs are thrown away
language  the tower is frozen, its features cached; the language model learns to answer through the
          pixel-shuffle connector, which keeps everything at a quarter of the tokens
mix       every connector joins in turn, so that the language model reads grids, pooled tokens and queries alike
align     tower and language model are frozen; each connector goes on alone, all on the same budget
thin      the baseline trained for dropping: a copy of the full-token reader goes on, its language model
          too, on smaller pictures and random parts of its tokens

Every stage has its own checkpoint in the run's folder; a run that was stopped goes on where it was.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from saccade.connectors import build_connector
from saccade.core.errors import SaccadeError, unknown
from saccade.core.recipe import digest, to_dict
from saccade.core.size import Size
from saccade.language.hub import Decoder
from saccade.models.base import Reader
from saccade.models.embedded import LANGUAGE, SIDE, TOWER, family, pack
from saccade.specs.reader import PARTS, ReaderSpec, ViewsSpec
from saccade.specs.resize import PadSpec
from saccade.towers.stem import StemTower
from saccade.train.answers import AnswerJob, Route
from saccade.train.features import Bank, fill
from saccade.train.loop import Report, Schedule, run
from saccade.train.vision import VisionJob
from saccade.train.vocabulary import exam_tokenizer

FIRST = 1_000_000
"""Number of the first picture that connectors learn from: none that the tower was trained on."""
THIN = "llava-thin"
FIRST_READER = "shuffle-64"
"""Whose connector the language model learns to read with."""
SHARPNESS = 1.7
"""Start of the weights that scale normalised queries and keys: attention begins neither flat nor saturated."""
FROZEN: Mapping[str, tuple[str, ...]] = {
    "vision": ("connector", "language"),
    "language": ("tower",),
    "mix": ("tower",),
    "align": ("tower", "language"),
    "thin": ("tower",),
}
"""What is frozen when."""


@dataclass(frozen=True, kw_only=True)
class FamilyRecipe:
    """Schedules of the stages, and how many pictures' features are kept for framed, sliced and tiled readers.

    ``turns`` lists the readers of the mix stage in the order in which they take its steps.
    """

    seed: int = 0
    vision: Schedule
    language: Schedule
    mix: Schedule
    align: Schedule
    thin: Schedule
    framed: int
    sliced: int
    turns: tuple[str, ...]
    readers: tuple[str, ...] = field(default_factory=lambda: (*family(), THIN))

    def __post_init__(self) -> None:
        for name in (*self.turns, *self.readers):
            if name not in family() and name != THIN:
                raise unknown("embedded reader", name, (*family(), THIN))
        if min(self.framed, self.sliced) < 1:
            raise SaccadeError(f"features of at least 1 picture are needed, got {self.framed} and {self.sliced}")


class Workshop:
    """One run of a recipe in a folder: what is trained already is read from there."""

    def __init__(self, recipe: FamilyRecipe, folder: Path, tell: "Tell") -> None:
        self.recipe, self.folder, self.tell = recipe, folder, tell
        self.tokenizer: PreTrainedTokenizerBase = exam_tokenizer()
        self.paths = family()
        torch.manual_seed(recipe.seed)
        self.tower = StemTower(TOWER)
        self.language = Decoder(LANGUAGE)
        for name, weight in self.language.named_parameters():
            if "q_norm" in name or "k_norm" in name:
                nn.init.constant_(weight, SHARPNESS)
        self.connectors = {name: build_connector(path.connector) for name, path in self.paths.items()}
        self.banks: dict[ViewsSpec, Bank] = {}

    def shares(self) -> str:
        """What is frozen when, and the trained share of the full-token reader's weights."""
        whole = {"tower": self.tower, "connector": self.connectors["llava"], "language": self.language}
        total = _weights(*whole.values())
        lines = []
        for stage, frozen in FROZEN.items():
            trained = _weights(*(module for part, module in whole.items() if part not in frozen))
            lines.append(
                f"{stage}: frozen {', '.join(frozen)}; trains {trained:,} of {total:,} weights ({trained / total:.1%})"
            )
        return "\n".join(lines)

    def see(self) -> None:
        """The vision stage."""
        job = VisionJob(self.tower, self.recipe.vision, self.recipe.seed)
        self._run("vision", job, self.recipe.vision)
        _freeze(self.tower)

    def speak(self) -> None:
        """The language stage."""
        parts = {"language": self.language, f"connector.{FIRST_READER}": self.connectors[FIRST_READER]}
        routes = [self.route(FIRST_READER)]
        job = AnswerJob(self.language, routes, parts, batch=self.recipe.language.batch, seed=self.recipe.seed)
        self._run("language", job, self.recipe.language)

    def mix(self) -> None:
        """The mix stage; the language model is frozen after it."""
        turns = self.recipe.turns
        own = {f"connector.{name}": self.connectors[name] for name in dict.fromkeys(turns)}
        routes = [self.route(name) for name in turns]
        parts = {"language": self.language, **own}
        job = AnswerJob(self.language, routes, parts, batch=self.recipe.mix.batch, seed=self.recipe.seed + 3)
        self._run("mix", job, self.recipe.mix)
        _freeze(self.language)

    def align(self, name: str) -> None:
        """One connector's own stage."""
        parts = {"connector": self.connectors[name]}
        routes = [self.route(name)]
        job = AnswerJob(self.language, routes, parts, batch=self.recipe.align.batch, seed=self.recipe.seed + 1)
        self._run(f"align-{name}", job, self.recipe.align)

    def thin(self) -> tuple[nn.Module, Decoder]:
        """The baseline trained for it: the full-token reader's connector and a copy of the language model."""
        connector, language = deepcopy(self.connectors["llava"]), deepcopy(self.language)
        for weight in (*connector.parameters(), *language.parameters()):
            weight.requires_grad_(True)
        sides = (SIDE, SIDE, SIDE, SIDE // 2, SIDE // 4, SIDE // 8)
        routes = [Route(path, connector, self.bank(path)) for path in (_framed(self.paths["llava"], s) for s in sides)]
        parts = {"connector": connector, "language": language}
        job = AnswerJob(language, routes, parts, batch=self.recipe.thin.batch, seed=self.recipe.seed + 2, thin=True)
        self._run("thin", job, self.recipe.thin)
        return connector, language

    def route(self, name: str) -> Route:
        """A reader in training."""
        path = self.paths[name]
        return Route(path, self.connectors[name], self.bank(path))

    def bank(self, path: ReaderSpec) -> Bank:
        """Features of the training pictures as a path looks at them; computed once a run."""
        if path.views not in self.banks:
            count = self.recipe.framed if isinstance(path.views, PadSpec) else self.recipe.sliced
            stored = self.folder / f"features-{digest(to_dict(path.views, PARTS))[:12]}-{count}.safetensors"
            tell = self.tell("features", count)
            self.banks[path.views] = fill(
                self.tower, path, self.tokenizer, split="train", first=FIRST, count=count, report=tell, stored=stored
            )
        return self.banks[path.views]

    def reader(self, name: str, connector: nn.Module, language: Decoder) -> Reader:
        """A whole reader from trained parts."""
        made = Reader(self.paths["llava" if name == THIN else name], self.tokenizer)
        made.tower, made.connector, made.language = self.tower, connector, language
        return made.eval()

    def _run(self, stage: str, job: AnswerJob | VisionJob, schedule: Schedule) -> None:
        run(job, schedule, checkpoint=self.folder / f"{stage}.pt", report=self.tell(stage, schedule.steps))


class Tell:
    """Makes the report of a stage: called with its name and its number of steps."""

    def __call__(self, stage: str, steps: int) -> Report:
        """A report that says nothing."""
        del stage, steps
        return _silent


def _silent(step: int, terms: Mapping[str, float]) -> None:
    del step, terms


def train_family(
    recipe: FamilyRecipe,
    data: Mapping[str, object],
    folder: Path,
    into: Path,
    tell: Tell,
    announce: Callable[[str], object],
) -> None:
    """All stages; the trained family, with the recipe's ``data``, is written into ``into`` at the end."""
    shop = Workshop(recipe, folder, tell)
    announce(shop.shares())
    shop.see()
    shop.speak()
    shop.mix()
    readers: dict[str, Reader] = {}
    for name in recipe.readers:
        if name != THIN:
            shop.align(name)
            readers[name] = shop.reader(name, shop.connectors[name], shop.language)
    if THIN in recipe.readers:
        readers[THIN] = shop.reader(THIN, *shop.thin())
    pack(into, readers, shop.tokenizer, notes(recipe), data)


def notes(recipe: FamilyRecipe) -> dict[str, tuple[str, str, int]]:
    """Fidelity, how it was trained, and seed, for each reader's card."""
    align = recipe.align
    own = f"connector aligned on the frozen tower and language model, {align.steps} steps of {align.batch} pictures"
    thin = (
        f"connector and language model trained on, {recipe.thin.steps} steps of {recipe.thin.batch} pictures, "
        "with smaller pictures and random token dropout"
    )
    return {name: ("faithful", thin if name == THIN else own, recipe.seed) for name in recipe.readers}


def _weights(*modules: nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


def _framed(path: ReaderSpec, side: int) -> ReaderSpec:
    views = path.views
    if not isinstance(views, PadSpec):
        raise SaccadeError(f"smaller pictures need a framed reader, this one has {type(views).__name__}")
    return replace(path, views=replace(views, size=Size(side, side)))


def _freeze(module: nn.Module) -> None:
    for weight in module.parameters():
        weight.requires_grad_(False)
