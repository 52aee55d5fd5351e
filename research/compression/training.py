"""How much text a visual token carries: readers of whole pages, from many tokens a page to few.

see   the tower that ships goes on, on pages, from dense labels: a patch is told its letter, its word, and the number of
      its line and of its word in it
read  a connector, and the queries behind it, learn to write down every word of a page, each reader by itself

The tower is frozen after its stage and its features are kept, so that all connectors see the same.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from research.compression.model import PageReader
from research.compression.tasks import LETTERS, LINES, SIDE, VOWELS, WORDS, Page, lexicon
from saccade.backends.embedded.family import TOWER, WIDTH, embedded
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.specs.connectors.compress import CompressSpec
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.layouts.resize import PadSpec
from saccade.specs.parts import ConnectorSpec
from saccade.towers.stem import StemTower
from saccade.training.loop import Report, Schedule, run
from saccade.views.sample import normalise, sample

LETTER: Mapping[str, int] = {letter: number for number, letter in enumerate(sorted(LETTERS + VOWELS), start=1)}
WORD: Mapping[str, int] = {word: number for number, word in enumerate(lexicon(), start=1)}
PLACES = 6
"""Words of a line, at most."""
HEADS: Mapping[str, int] = {"letter": 1 + len(LETTER), "word": 1 + WORDS, "line": 1 + LINES, "place": 1 + PLACES}
"""What a patch is told, and how many classes there are; 0 is no print."""
SMALL = 2 * TOWER.patch
"""Pixels a side of the smaller page that has as many patches as ``pool-4`` has tokens."""
FIRST = 100_000
"""Number of the first page that is read from: none that the tower went on with."""
AT_ONCE = 32
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class CompressionRecipe:
    """``pages`` are kept for reading; every one of ``seeds`` trains its own tower and readers."""

    seeds: tuple[int, ...] = (0,)
    see: Schedule
    read: Schedule
    pages: int

    def __post_init__(self) -> None:
        if self.pages < 1 or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SaccadeError(
                f"a recipe of pages needs 1 page or more and different seeds, got {self.pages} and {list(self.seeds)}"
            )


@dataclass(frozen=True, slots=True)
class PageRoute:
    """How a page is read: at ``side`` pixels, through ``connector``."""

    side: int
    connector: ConnectorSpec

    @property
    def grid(self) -> Grid:
        """Patches of a page."""
        return Grid(self.side // TOWER.patch, self.side // TOWER.patch)

    @property
    def tokens(self) -> int:
        """Visual tokens of a page."""
        return self.connector.tokens(self.grid)


def ways() -> dict[str, PageRoute]:
    """What is compared, by name: DeepSeek's compression to ever fewer tokens, and at 4 tokens what has to be beaten, an
    average and a smaller page.
    """
    channels = {16: (160, 192), 4: (128, 160, 192), 1: (128, 160, 192, 192)}
    narrow = {
        f"compress-{tokens}": CompressSpec(width_in=WIDTH, width_out=WIDTH, channels=halved, depth=2, heads=4)
        for tokens, halved in channels.items()
    }
    return {
        **{name: PageRoute(SIDE, connector) for name, connector in narrow.items()},
        "pool-4": PageRoute(SIDE, PoolSpec(width_in=WIDTH, width_out=WIDTH, rows=2, cols=2)),
        "resize-4": PageRoute(SMALL, MlpSpec(width_in=WIDTH, width_out=WIDTH)),
    }


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
            nth = min(place + 1, PLACES)
            yield box, {"letter": LETTER[character], "word": WORD[words[place]], "line": number, "place": nth}


def told(page: Page) -> Int[np.ndarray, " places"]:
    """The word at every place of a page, 0 where there is none."""
    found = np.zeros((LINES, PLACES), np.int64)
    for row, line in enumerate(page.lines):
        for place, word in enumerate(line.text.split()[:PLACES]):
            found[row, place] = WORD[word]
    return found.ravel()


def pixels(pages: list[Page], side: int) -> Float[Tensor, "pages 3 side side"]:
    """Pages as the tower sees them."""
    view = PadSpec(size=Size(side, side)).layout(Size(SIDE, SIDE)).views[0]
    return normalise([sample(page.image(), view) for page in pages], HALF, HALF)


@final
class SeeJob:
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
        known, patches = [labels(page, grid) for page in pages], self.tower(pixels(pages, SIDE))
        wanted = {name: torch.from_numpy(np.stack([one[name] for one in known])).flatten() for name in HEADS}
        return {name: F.cross_entropy(head(patches).flatten(0, 1), wanted[name]) for name, head in self.heads.items()}


@dataclass(frozen=True, eq=False)
class PageBank:
    """Pages' features by the side at which they are seen, in half precision, and their words."""

    features: dict[int, Float[Tensor, "pages patches width"]]
    words: Int[Tensor, "pages places"]


@torch.inference_mode()
def bank(tower: nn.Module, split: str, first: int, count: int, report: Report) -> PageBank:
    """Pages of a split, from the one numbered ``first`` on."""
    sides = sorted({way.side for way in ways().values()})
    features: dict[int, list[Tensor]] = {side: [] for side in sides}
    words = []
    for start in range(0, count, AT_ONCE):
        pages = [Page(split, first + index) for index in range(start, min(start + AT_ONCE, count))]
        words += [told(page) for page in pages]
        for side in sides:
            features[side].append(tower(pixels(pages, side)).half())
        report(min(start + AT_ONCE, count), {})
    return PageBank({side: torch.cat(some) for side, some in features.items()}, torch.from_numpy(np.stack(words)))


@final
class ReadJob:
    """Trains ``reader`` to write down pages of ``known``, seen in this ``way``."""

    def __init__(self, reader: PageReader, way: PageRoute, known: PageBank, *, batch: int, seed: int) -> None:
        self.reader, self.way, self.known, self.batch, self.seed = reader, way, known, batch, seed

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """Connector and queries."""
        return {"reader": self.reader}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy of words, and of whether there is one: most places of most pages are empty."""
        draw = torch.Generator().manual_seed(1_000_003 * self.seed + step)
        index = torch.randint(len(self.known.words), (self.batch,), generator=draw)
        scores = self.reader(self.known.features[self.way.side][index].float(), self.way.grid).flatten(0, 1)
        words = self.known.words[index].flatten()
        each = F.cross_entropy(scores, words, reduction="none")
        return {"word": each[words > 0].mean(), "empty": each[words == 0].mean()}


def page_reader(way: PageRoute) -> PageReader:
    """With random weights."""
    return PageReader(way.connector, places=LINES * PLACES, classes=1 + WORDS)


def train_compression(
    recipe: CompressionRecipe, folder: Path, tell: Callable[[str, int], Report]
) -> dict[int, tuple[StemTower, dict[str, PageReader]]]:
    """A tower for every seed, and a reader for every way; resumes from what lies in ``folder``."""
    made = {}
    for seed in recipe.seeds:
        torch.manual_seed(seed)
        shipped = embedded("llava").tower
        assert isinstance(shipped, StemTower)
        tower, name = deepcopy(shipped), f"see-{seed}"
        see = SeeJob(tower, batch=recipe.see.batch)
        run(see, recipe.see, checkpoint=folder / f"{name}.pt", report=tell(name, recipe.see.steps))
        known = bank(tower.eval(), "train", FIRST, recipe.pages, tell(f"features-{seed}", recipe.pages))
        readers = {}
        for title, way in ways().items():
            torch.manual_seed(seed)
            reader, name = page_reader(way), f"read-{title}-{seed}"
            job = ReadJob(reader, way, known, batch=recipe.read.batch, seed=seed)
            run(job, recipe.read, checkpoint=folder / f"{name}.pt", report=tell(name, recipe.read.steps))
            readers[title] = reader.eval()
        made[seed] = tower, readers
    return made
