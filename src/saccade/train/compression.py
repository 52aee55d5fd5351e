"""How much text a visual token carries: readers of whole pages, from many tokens a page to few.

see   the tower that ships goes on, on pages, from dense labels: which character a patch shows, and its neighbours
read  one language model learns to write down what stands on a page, through every connector in turn

The tower is frozen after its stage and its features are kept, so that all connectors see the same.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors import build_connector
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.language.hub import Decoder
from saccade.models.base import Reader
from saccade.models.embedded import TOWER, WIDTH, embedded, family
from saccade.specs.compress import CompressSpec
from saccade.specs.mlp import MlpSpec
from saccade.specs.pool import PoolSpec
from saccade.specs.reader import ConnectorSpec, ReaderSpec
from saccade.specs.resize import PadSpec
from saccade.tasks.pages import LETTERS, SIDE, VOWELS, Page
from saccade.towers.stem import StemTower
from saccade.train.answers import AnswerJob, Route
from saccade.train.features import Bank, fill
from saccade.train.loop import Report, Schedule, run
from saccade.views.sample import normalise

CHARACTERS = {character: index + 1 for index, character in enumerate(sorted(LETTERS + VOWELS))}
"""Classes of a patch; 0 is no character."""
HEADS = ("here", "before", "after")
"""What a patch is told: its own character, and those left and right of it."""
FIRST = 100_000
"""Number of the first page that is read from: none that the tower went on with."""


@dataclass(frozen=True, kw_only=True)
class CompressionRecipe:
    """``pages`` are kept for reading; every one of ``seeds`` trains its own tower, connectors and language model."""

    seeds: tuple[int, ...] = (0,)
    see: Schedule
    read: Schedule
    pages: int

    def __post_init__(self) -> None:
        if self.pages < 1 or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SaccadeError(
                f"a recipe of pages needs 1 page or more and different seeds, got {self.pages} and {list(self.seeds)}"
            )


def paths() -> dict[str, ReaderSpec]:
    """The readers that are compared, by name: DeepSeek's compression to ever fewer tokens, and at 16 tokens what has to
    be beaten, an average and a smaller page.
    """
    narrow: dict[str, ConnectorSpec] = {
        f"compress-{tokens}": CompressSpec(width_in=WIDTH, width_out=WIDTH, channels=channels, depth=2, heads=4)
        for tokens, channels in {64: (192,), 16: (160, 192), 4: (128, 160, 192)}.items()
    }
    plain: dict[str, ConnectorSpec] = {
        "pool-16": PoolSpec(width_in=WIDTH, width_out=WIDTH, rows=4, cols=4),
        "resize-16": MlpSpec(width_in=WIDTH, width_out=WIDTH),
    }
    whole = family()["llava"]
    made = {name: replace(whole, connector=connector) for name, connector in (narrow | plain).items()}
    views = whole.views
    assert isinstance(views, PadSpec)
    few = 4 * TOWER.patch
    return made | {"resize-16": replace(made["resize-16"], views=replace(views, size=Size(few, few)))}


def labels(page: Page, grid: Grid) -> dict[str, np.ndarray]:
    """Classes of every patch: the character that covers most of it, and what stands before and after that one."""
    patch = SIDE // grid.rows
    found = {name: np.zeros((grid.rows, grid.cols), np.int64) for name in HEADS}
    most = np.zeros((grid.rows, grid.cols))
    for line in page.lines:
        for place, (character, box) in enumerate(zip(line.text, line.characters, strict=True)):
            if character == " ":
                continue
            around = (character, line.text[place - 1 : place], line.text[place + 1 : place + 2])
            for row in range(max(0, int(box.top) // patch), min(grid.rows, -(-int(box.bottom) // patch))):
                for col in range(max(0, int(box.left) // patch), min(grid.cols, -(-int(box.right) // patch))):
                    tall = min(box.bottom, (row + 1) * patch) - max(box.top, row * patch)
                    wide = min(box.right, (col + 1) * patch) - max(box.left, col * patch)
                    if tall * wide > most[row, col]:
                        most[row, col] = tall * wide
                        for name, one in zip(HEADS, around, strict=True):
                            found[name][row, col] = CHARACTERS.get(one, 0)
    return found


@final
class PagesJob:
    """Trains ``tower`` and its read-outs on pages. Page numbers never repeat within a run."""

    def __init__(self, tower: StemTower, *, batch: int) -> None:
        self.tower, self.batch = tower, batch
        self.heads = nn.ModuleDict({name: nn.Linear(tower.spec.width, 1 + len(CHARACTERS)) for name in HEADS})

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """The tower, and read-outs that are thrown away afterwards."""
        return {"tower": self.tower, "heads": self.heads}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy of every head over all patches."""
        pages = [Page("train", index) for index in range(step * self.batch, (step + 1) * self.batch)]
        grid = Grid(SIDE // self.tower.spec.patch, SIDE // self.tower.spec.patch)
        told = [labels(page, grid) for page in pages]
        half = (0.5, 0.5, 0.5)
        patches = self.tower(normalise([np.asarray(page.image()) for page in pages], half, half))
        return {
            name: F.cross_entropy(
                head(patches).flatten(0, 1), torch.from_numpy(np.stack([one[name] for one in told])).flatten()
            )
            for name, head in self.heads.items()
        }


def bank(tower: nn.Module, path: ReaderSpec, count: int, report: Report) -> Bank:
    """Features of pages, each with the one question; what is too small to be read is asked all the same."""
    pages = [Page("train", FIRST + index) for index in range(count)]
    found = fill(tower, path, embedded("llava").tokenizer, pages, report=report)
    every = [replace(seen, asked=tuple(replace(one, height=inf) for one in seen.asked)) for seen in found.pictures]
    return replace(found, pictures=tuple(every))


def train_compression(
    recipe: CompressionRecipe, folder: Path, tell: Callable[[str, int], Report]
) -> dict[tuple[str, int], Reader]:
    """A reader for every path and seed; goes on from what lies in ``folder``."""
    made: dict[tuple[str, int], Reader] = {}
    for seed in recipe.seeds:
        torch.manual_seed(seed)
        shipped = embedded("llava")
        tower, language = deepcopy(shipped.tower), deepcopy(shipped.language)
        assert isinstance(tower, StemTower)
        assert isinstance(language, Decoder)
        name = f"see-{seed}"
        run(PagesJob(tower, batch=recipe.see.batch), recipe.see, checkpoint=folder / f"{name}.pt",
            report=tell(name, recipe.see.steps))  # fmt: skip
        for weight in tower.parameters():
            weight.requires_grad_(False)
        connectors = {name: build_connector(path.connector) for name, path in paths().items()}
        banks: dict[object, Bank] = {}
        for path in paths().values():
            if path.views not in banks:
                banks[path.views] = bank(tower, path, recipe.pages, tell(f"features-{seed}", recipe.pages))
        routes = [Route(path, connectors[name], banks[path.views]) for name, path in paths().items()]
        parts = {"language": language, **{f"connector.{name}": one for name, one in connectors.items()}}
        job = AnswerJob(language, routes, parts, batch=recipe.read.batch, seed=seed)
        run(job, recipe.read, checkpoint=folder / f"read-{seed}.pt", report=tell(f"read-{seed}", recipe.read.steps))
        for name, path in paths().items():
            reader = Reader(path, shipped.tokenizer)
            reader.tower, reader.connector, reader.language = tower, connectors[name], language
            made[name, seed] = reader.eval()
    return made
