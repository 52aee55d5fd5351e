"""How much text a visual token carries: readers of whole pages, from many tokens a page to few.

see   the tower that ships goes on, on pages, from dense labels: a patch is told its letter, its word, and the number of
      its line and of its word in it
read  one language model learns to write down any line of a page, through every connector in turn; its layers start as
      those that ship, its table anew, with an id a word

The tower is frozen after its stage and its features are kept, so that all connectors see the same.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors import build_connector
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.language.hub import Decoder
from saccade.models.base import Reader
from saccade.models.embedded import LANGUAGE as SHIPPED
from saccade.models.embedded import TOWER, WIDTH, embedded, family
from saccade.specs.compress import CompressSpec
from saccade.specs.decoder import DecoderSpec
from saccade.specs.mlp import MlpSpec
from saccade.specs.pool import PoolSpec
from saccade.specs.reader import ConnectorSpec, ReaderSpec
from saccade.specs.resize import PadSpec
from saccade.tasks.pages import HEIGHT, LETTERS, LINES, SIDE, VOWELS, WORDS, Page, lexicon
from saccade.towers.stem import StemTower
from saccade.train.answers import AnswerJob, Route
from saccade.train.features import Bank, fill
from saccade.train.loop import Report, Schedule, run
from saccade.train.vocabulary import pages_tokenizer
from saccade.views.sample import normalise

LETTER: Mapping[str, int] = {letter: number for number, letter in enumerate(sorted(LETTERS + VOWELS), start=1)}
WORD: Mapping[str, int] = {word: number for number, word in enumerate(lexicon(), start=1)}
MOST_WORDS = 6
"""Words of a line that are told apart by their number, at most."""
HEADS: Mapping[str, int] = {"letter": 1 + len(LETTER), "word": 1 + WORDS, "line": 1 + LINES, "place": 1 + MOST_WORDS}
"""What a patch is told, and how many classes there are; 0 is no print."""
TURNS = ("compress-16", "compress-4", "compress-16", "compress-1", "compress-16", "pool-4", "compress-4", "resize-4")
"""Who takes the steps of the second stage: what has most tokens oftener, since the language model learns from it."""
IDS = 912
"""Rows of the language model's table: one for every id, and a few over."""
LANGUAGE = DecoderSpec(config=json.dumps({**json.loads(SHIPPED.config), "vocab_size": IDS}))
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
    """The readers that are compared, by name: DeepSeek's compression to ever fewer tokens, and at 4 tokens what has to
    be beaten, an average and a smaller page.
    """
    narrow: dict[str, ConnectorSpec] = {
        f"compress-{tokens}": CompressSpec(width_in=WIDTH, width_out=WIDTH, channels=channels, depth=2, heads=4)
        for tokens, channels in {16: (160, 192), 4: (128, 160, 192), 1: (128, 160, 192, 192)}.items()
    }
    plain: dict[str, ConnectorSpec] = {
        "pool-4": PoolSpec(width_in=WIDTH, width_out=WIDTH, rows=2, cols=2),
        "resize-4": MlpSpec(width_in=WIDTH, width_out=WIDTH),
    }
    whole = replace(family()["llava"], language=LANGUAGE)
    made = {name: replace(whole, connector=connector) for name, connector in (narrow | plain).items()}
    views = whole.views
    assert isinstance(views, PadSpec)
    few = 2 * TOWER.patch
    return made | {"resize-4": replace(made["resize-4"], views=replace(views, size=Size(few, few)))}


def labels(page: Page, grid: Grid) -> dict[str, np.ndarray]:
    """Classes of every patch, by the letter that covers most of it."""
    patch = SIDE // grid.rows
    found = {name: np.zeros((grid.rows, grid.cols), np.int64) for name in HEADS}
    most = np.zeros((grid.rows, grid.cols))
    for box, told in _letters(page):
        for row in range(max(0, int(box.top) // patch), min(grid.rows, -(-int(box.bottom) // patch))):
            for col in range(max(0, int(box.left) // patch), min(grid.cols, -(-int(box.right) // patch))):
                tall = min(box.bottom, (row + 1) * patch) - max(box.top, row * patch)
                wide = min(box.right, (col + 1) * patch) - max(box.left, col * patch)
                if tall * wide > most[row, col]:
                    most[row, col] = tall * wide
                    for name, one in told.items():
                        found[name][row, col] = one
    return found


def _letters(page: Page) -> Iterator[tuple[Box, dict[str, int]]]:
    """Every letter's box and classes."""
    for number, line in enumerate(page.lines, start=1):
        words, place = line.text.split(), 0
        for character, box in zip(line.text, line.characters, strict=True):
            if character == " ":
                place += 1
                continue
            nth = min(place + 1, MOST_WORDS)
            yield box, {"letter": LETTER[character], "word": WORD[words[place]], "line": number, "place": nth}


@final
class PagesJob:
    """Trains ``tower`` and its read-outs on pages. Page numbers never repeat within a run."""

    def __init__(self, tower: StemTower, *, batch: int) -> None:
        self.tower, self.batch = tower, batch
        self.heads = nn.ModuleDict({name: nn.Linear(tower.spec.width, classes) for name, classes in HEADS.items()})

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
    """Features of pages; what is too small to be read is asked all the same."""
    pages = [Page("train", FIRST + index) for index in range(count)]
    found = fill(tower, path, pages_tokenizer(), pages, report=report)
    every = [replace(seen, asked=tuple(replace(one, height=HEIGHT) for one in seen.asked)) for seen in found.pictures]
    return replace(found, pictures=tuple(every))


def train_compression(
    recipe: CompressionRecipe, folder: Path, tell: Callable[[str, int], Report]
) -> dict[tuple[str, int], Reader]:
    """A reader for every path and seed; goes on from what lies in ``folder``."""
    made: dict[tuple[str, int], Reader] = {}
    for seed in recipe.seeds:
        torch.manual_seed(seed)
        tower, language = _started()
        name = f"see-{seed}"
        see = PagesJob(tower, batch=recipe.see.batch)
        run(see, recipe.see, checkpoint=folder / f"{name}.pt", report=tell(name, recipe.see.steps))
        for weight in tower.parameters():
            weight.requires_grad_(False)
        connectors = {name: build_connector(path.connector) for name, path in paths().items()}
        banks: dict[object, Bank] = {}
        for path in paths().values():
            if path.views not in banks:
                banks[path.views] = bank(tower, path, recipe.pages, tell(f"features-{seed}", recipe.pages))
        routes = {name: Route(path, connectors[name], banks[path.views]) for name, path in paths().items()}
        parts = {"language": language, **{f"connector.{name}": one for name, one in connectors.items()}}
        job = AnswerJob(language, [routes[name] for name in TURNS], parts, batch=recipe.read.batch, seed=seed)
        run(job, recipe.read, checkpoint=folder / f"read-{seed}.pt", report=tell(f"read-{seed}", recipe.read.steps))
        for name, path in paths().items():
            reader = Reader(path, pages_tokenizer())
            reader.tower, reader.connector, reader.language = tower, connectors[name], language
            made[name, seed] = reader.eval()
    return made


def _started() -> tuple[StemTower, Decoder]:
    """The tower that ships, and a language model with a new table and the layers that ship."""
    shipped, language = embedded("llava"), Decoder(LANGUAGE)
    assert isinstance(shipped.tower, StemTower)
    fresh = language.state_dict()
    known = {key: weight for key, weight in shipped.language.state_dict().items() if weight.shape == fresh[key].shape}
    language.load_state_dict(fresh | known)
    return deepcopy(shipped.tower), language
