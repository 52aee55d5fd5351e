"""Running the embedded family's recipe: one workshop, in which each stage trains its parts.

See ``training/stages.py``.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from saccade.backends.embedded.family import LANGUAGE, MATCHER, SIDE, TOWER, embedded, family, pack
from saccade.backends.embedded.manifest import cards
from saccade.connectors import build_connector
from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import StageProgress as StageProgress
from saccade.core.records.recipe import digest, to_dict
from saccade.core.size import Size
from saccade.fusion.cross import Cross
from saccade.language.hub import Decoder
from saccade.runtime.matcher import Matcher
from saccade.runtime.reader import Reader
from saccade.specs.layouts.resize import PadSpec
from saccade.specs.parts import TowerSpec, ViewsSpec
from saccade.specs.reader import PARTS, ReaderSpec
from saccade.specs.towers.regions import RegionTowerSpec
from saccade.tasks.scenes import Scene
from saccade.towers.regions import RegionTower
from saccade.towers.stem import StemTower
from saccade.training.answers import AnswerJob, ReaderInTraining
from saccade.training.compute import Compute
from saccade.training.features import Bank, fill
from saccade.training.foveated import FovealJob
from saccade.training.loop import Schedule, TrainingJob, run
from saccade.training.match import MatchJob
from saccade.training.stages import FROZEN, SINGLE, STAGES, THIN, FamilyRecipe, notes
from saccade.training.vision import VisionJob
from saccade.training.vocabulary import exam_tokenizer

FIRST = 1_000_000
"""Number of the first picture that connectors learn from: none that the tower was trained on."""
FIRST_READER = "shuffle-64"
"""Whose connector the language model learns to read with."""
SHARPNESS = 1.7
"""Start of the weights that scale normalised queries and keys: attention begins neither flat nor saturated."""


class TrainingRun:
    """One run of a recipe in a folder: what is trained already is read from there."""

    def __init__(
        self, recipe: FamilyRecipe, folder: Path, tell: "StageProgress", compute: Compute | None = None
    ) -> None:
        self.recipe, self.folder, self.tell = recipe, folder, tell
        self.compute = compute or Compute()
        self.tokenizer: PreTrainedTokenizerBase = exam_tokenizer()
        self.paths = family()
        torch.manual_seed(recipe.seed)
        self.tower, self.language = self._shared()
        self.connectors = {name: build_connector(path.connector) for name, path in self.paths.items()}
        self.crosses = {name: Cross(path.cross) for name, path in self.paths.items() if path.cross is not None}
        self.banks: dict[tuple[ViewsSpec, TowerSpec], Bank] = {}
        for shared in (self.tower, self.language):  # what a stage trains, it moves itself
            shared.to(self.compute.device)

    def _shared(self) -> tuple[nn.Module, Decoder]:
        """Tower and language model, new or as they ship."""
        if self.recipe.start == "shipped":
            shipped = embedded("llava")
            _freeze(shipped)
            assert isinstance(shipped.language, Decoder)
            return shipped.tower, shipped.language
        tower, language = StemTower(TOWER), Decoder(LANGUAGE)
        for name, weight in language.named_parameters():
            if "q_norm" in name or "k_norm" in name:
                nn.init.constant_(weight, SHARPNESS)
        return tower, language

    def shares(self) -> str:
        """What is frozen when, and how many of the weights in play learn."""
        lines = []
        for stage, frozen in FROZEN.items():
            whole = self._in_play(stage)
            total = _weights(*whole.values())
            trained = _weights(*(module for part, module in whole.items() if part not in frozen))
            lines.append(
                f"{stage}: frozen {', '.join(frozen)}; trains {trained:,} of {total:,} weights ({trained / total:.1%})"
            )
        return "\n".join(lines)

    def _in_play(self, stage: str) -> dict[str, nn.Module]:
        """A stage's reader, or the full-token one; BLIP-2's first stage has a matcher and no language model."""
        if stage == "match":
            with torch.device("meta"):
                return {"tower": self.tower, "matcher": Matcher(MATCHER)}
        name = next((name for name in STAGES if STAGES[name] == stage), "llava")
        whole = {"tower": self.tower, "connector": self.connectors[name], "language": self.language}
        return whole | ({"gated blocks": self.crosses[name]} if name in self.crosses else {})

    def see(self) -> None:
        """The vision stage."""
        assert isinstance(self.tower, StemTower)
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
        routes = [
            ReaderInTraining(path, connector, self.bank(path))
            for path in (_framed(self.paths["llava"], s) for s in sides)
        ]
        parts = {"connector": connector, "language": language}
        job = AnswerJob(language, routes, parts, batch=self.recipe.thin.batch, seed=self.recipe.seed + 2, thin=True)
        self._run("thin", job, self.recipe.thin)
        return connector, language

    def train(self, name: str) -> Reader:
        """One reader by its own stages; the whole of it."""
        if name == THIN:
            return self.reader(name, *self.thin())
        own = {"flamingo": self.flamingo, "blip2": self.blip2, "look": self.look, "alone": self.alone}
        own.get(STAGES.get(name, ""), self.align)(name)
        return self.reader(name, self.connectors[name], self.language)

    def flamingo(self, name: str) -> None:
        """Latents and gated blocks, with episodes or without; both start from the same weights."""
        torch.manual_seed(self.recipe.seed + 4)
        self.connectors[name] = build_connector(self.paths[name].connector)
        self.crosses[name] = Cross(self.crosses[name].spec)
        parts = {"connector": self.connectors[name], "cross": self.crosses[name]}
        path, schedule = self.paths[name], self.recipe.flamingo
        silent = self.tokenizer(silence(path.template), add_special_tokens=False)["input_ids"]
        job = AnswerJob(
            self.language, [self.route(name)], parts, batch=schedule.batch, seed=self.recipe.seed + 4,
            episodes=name != SINGLE, silent=silent,
        )  # fmt: skip
        self._run(name, job, schedule)

    def blip2(self, name: str) -> None:
        """Both stages of a Q-Former; what the first one learned of words is left behind."""
        torch.manual_seed(self.recipe.seed + 5)
        path = self.paths[name]
        matcher = Matcher(MATCHER)
        bank = self.bank(path)
        first = MatchJob(
            matcher, bank, self.tokenizer, batch=self.recipe.match.batch, first=FIRST, seed=self.recipe.seed + 5
        )
        self._run("match", first, self.recipe.match)
        learned = matcher.qformer.state_dict()
        torch.manual_seed(self.recipe.seed + 6)
        connector = build_connector(path.connector)
        own = connector.state_dict()
        connector.load_state_dict({key: learned.get(key, weight) for key, weight in own.items()})
        self.connectors[name] = connector
        second = AnswerJob(
            self.language, [self.route(name)], {"connector": connector}, batch=self.recipe.blip2.batch,
            seed=self.recipe.seed + 6,
        )  # fmt: skip
        self._run(name, second, self.recipe.blip2)

    def alone(self, name: str) -> None:
        """A connector from nothing before the frozen language model."""
        torch.manual_seed(self.recipe.seed + 7)
        self.connectors[name] = connector = build_connector(self.paths[name].connector)
        job = AnswerJob(
            self.language, [self.route(name)], {"connector": connector}, batch=self.recipe.alone.batch,
            seed=self.recipe.seed + 7,
        )  # fmt: skip
        self._run(f"alone-{name}", job, self.recipe.alone)

    def look(self, name: str) -> None:
        """A foveal connector: where to look, and to answer from there."""
        torch.manual_seed(self.recipe.seed + 8)
        self.connectors[name] = build_connector(self.paths[name].connector)
        job = FovealJob(self.language, self.route(name), batch=self.recipe.look.batch, seed=self.recipe.seed + 8)
        self._run(name, job, self.recipe.look)

    def route(self, name: str) -> ReaderInTraining:
        """A reader in training."""
        path = self.paths[name]
        return ReaderInTraining(path, self.connectors[name], self.bank(path), self.crosses.get(name))

    def bank(self, path: ReaderSpec) -> Bank:
        """Features of the training pictures as a path looks at them; computed once a run."""
        key = (path.views, path.tower)
        if key not in self.banks:
            framed = isinstance(path.views, PadSpec) and path.views.size.width <= SIDE and path.tower == TOWER
            count = self.recipe.framed if framed else self.recipe.sliced
            parts = [to_dict(part, PARTS) for part in key]
            named = digest(parts[0] if path.tower == TOWER else parts)[:12]
            stored = self.folder / f"features-{named}-{count}.safetensors"
            tell = self.tell("features", count)
            scenes = [Scene("train", FIRST + index) for index in range(count)]
            tower = self.seeing(path)
            self.banks[key] = fill(tower, path, self.tokenizer, scenes, report=tell, stored=stored)
        return self.banks[key]

    def seeing(self, path: ReaderSpec) -> nn.Module:
        """The shared tower as a path uses it: by itself, or on the regions of a picture."""
        if not isinstance(path.tower, RegionTowerSpec):
            return self.tower
        tower = RegionTower(path.tower)
        assert isinstance(self.tower, StemTower)
        tower.inner = self.tower
        return tower

    def reader(self, name: str, connector: nn.Module, language: Decoder) -> Reader:
        """A whole reader from trained parts."""
        made = Reader(self.paths["llava" if name == THIN else name], self.tokenizer)
        made.tower, made.connector, made.language = self.seeing(made.spec), connector, language
        made.cross = self.crosses.get(name)
        return made.eval()

    def _run(self, stage: str, job: TrainingJob, schedule: Schedule) -> None:
        checkpoint, report = self.folder / f"{stage}.pt", self.tell(stage, schedule.steps)
        run(job, schedule, compute=self.compute, checkpoint=checkpoint, report=report)


def train_family(
    recipe: FamilyRecipe,
    data: Mapping[str, object],
    folder: Path,
    into: Path,
    tell: StageProgress,
    announce: Callable[[str], object],
    compute: Compute | None = None,
) -> None:
    """All stages; the trained family, with the recipe's ``data``, is written into ``into`` at the end.

    They run as ``compute`` says, on the CPU in float32 by default. It is no part of the recipe: a run that was stopped
    resumes on another device too.
    """
    shop = TrainingRun(recipe, folder, tell, compute)
    announce(shop.shares())
    if recipe.start == "nothing":
        shop.see()
        shop.speak()
        shop.mix()
    made = {name: shop.train(name) for name in recipe.readers}
    told = notes(recipe)
    if recipe.start == "shipped":
        kept = {name: card for name, card in cards().items() if name not in made}
        told = {name: (card.fidelity, card.trained, card.seed) for name, card in kept.items()} | told
        made = {name: embedded(name) for name in kept} | made
    pack(into, {name: made[name] for name in (*shop.paths, THIN) if name in made}, shop.tokenizer, told, data)


def silence(template: str) -> str:
    """What stands behind a picture in ``template`` when no question is spelt out."""
    return template.split("<image>")[1].replace("{question}", "")


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
