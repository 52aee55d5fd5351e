"""How much text a visual token carries: characters read rightly, against text tokens per visual token.

DeepSeek-OCR's measure at the size of the embedded family: whole pages are written down from few tokens, and what is
read rightly falls as more text stands on the same tokens. A text token is a word here, which every word of the lexicon
would be for a language model. The published curve stands beside ours; it is of another model, another language and a
far larger reader, so only its shape can be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch import Tensor, nn

from research.compression.model import PageReader
from research.compression.tasks import VERSION, Page, lexicon
from research.compression.training import AT_ONCE, bank, ways
from saccade.core.grid import Grid
from saccade.core.records.codec import parsed, written
from saccade.core.records.files import write_whole
from saccade.evaluation.results import Score
from saccade.evaluation.statistics.intervals import clustered
from saccade.report import formatting as words
from saccade.report.charts import lines
from saccade.report.markdown import pipes
from saccade.report.tables import titled

SCHEMA = "saccade.compression/1"
PAGES = 400
EDGES = (0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
"""Where bins of text tokens per visual token begin; the last has no end."""
FEWEST = 20
"""Answers below which a bin is left out."""
PUBLISHED = "DeepSeek-OCR, published"
TABLE: tuple[tuple[float, float, int], ...] = (
    (10.5, 0.965, 7), (11.8, 0.938, 28), (13.2, 0.838, 28), (15.1, 0.859, 14), (16.5, 0.793, 11), (17.7, 0.764, 8),
    (19.7, 0.591, 4), (6.7, 0.985, 7), (7.5, 0.973, 28), (8.5, 0.968, 28), (9.7, 0.968, 14), (10.6, 0.915, 11),
    (11.3, 0.898, 8), (12.6, 0.871, 4),
)  # fmt: skip
"""Text tokens per visual token, share read rightly, pages: Table 2 of arXiv:2510.18234 (Fox, English; the first seven
at 64 tokens a page, the others at 100).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRow:
    """One reader: its visual tokens a page, its score over all pages, and by bin of text tokens per visual token."""

    reader: str
    tokens: int
    whole: Score
    bins: dict[str, Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionStudy:
    """All rows; scores count characters, intervals are over pages and seeds."""

    task: str
    pages: int
    seeds: tuple[int, ...]
    rows: tuple[CompressionRow, ...]

    def to_json(self) -> str:
        """As stored, under ``SCHEMA``."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "CompressionStudy":
        """What ``to_json`` wrote. Raises SaccadeError for another schema."""
        return parsed(cls, text, SCHEMA, "study of compression")

    def save(self, path: Path) -> None:
        """Written whole or not at all."""
        write_whole(path, self.to_json())


def distance(a: str, b: str) -> int:
    """Levenshtein's: characters to put in, take out or exchange."""
    above = list(range(len(b) + 1))
    for row, one in enumerate(a, start=1):
        left = [row]
        for col, two in enumerate(b, start=1):
            left.append(min(above[col] + 1, left[-1] + 1, above[col - 1] + (one != two)))
        above = left
    return above[-1]


def read_rightly(said: str, text: str) -> np.ndarray:
    """One truth value a character of the longer of the two: as many are false as edits lie between them."""
    faults = distance(said, text)
    return np.arange(max(len(said), len(text))) >= faults


def study(models: Mapping[int, tuple[nn.Module, Mapping[str, PageReader]]], pages: int = PAGES) -> CompressionStudy:
    """Every reader on the first ``pages`` of the test split; seeds are pooled, intervals are over pages and seeds."""
    asked = [Page("test", index) for index in range(pages)]
    read: dict[str, list[_Read]] = {}
    for seed, (tower, readers) in models.items():
        seen = bank(tower, "test", 0, pages, lambda *_: None)
        for name, reader in readers.items():
            way = ways()[name]
            for page, said in zip(asked, _said(reader, seen.features[way.side], way.grid), strict=True):
                one = _Read(f"{seed} {page.name}", read_rightly(said, page.text), len(page.text.split()) / way.tokens)
                read.setdefault(name, []).append(one)
    rows = tuple(_row(name, ways()[name].tokens, some) for name, some in read.items())
    return CompressionStudy(task=VERSION, pages=pages, seeds=tuple(models), rows=rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A page under one seed: which of its characters were read, and its text tokens per visual token."""

    name: str
    right: np.ndarray
    ratio: float


@torch.inference_mode()
def _said(reader: PageReader, patches: Tensor, grid: Grid) -> list[str]:
    """What the reader writes down of every page: the likeliest word at each place, nothing where there is none."""
    words = ("", *lexicon())
    chosen = [reader(some.float(), grid).argmax(dim=2) for some in patches.split(AT_ONCE)]
    return [" ".join(words[word] for word in page if word) for page in torch.cat(chosen).tolist()]


def _row(name: str, tokens: int, read: Sequence[_Read]) -> CompressionRow:
    bins: dict[str, list[_Read]] = {}
    for one in read:
        bins.setdefault(_bin(one.ratio), []).append(one)
    scores = {title: _score(bins[title]) for title in titles() if len(bins.get(title, ())) >= FEWEST}
    return CompressionRow(reader=name, tokens=tokens, whole=_score(read), bins=scores)


def _bin(ratio: float) -> str:
    return titles()[int(np.searchsorted(EDGES, ratio, side="right")) - 1]


def titles() -> list[str]:
    """Bins in words."""
    return [*(f"{low:g}–{high:g}" for low, high in pairwise(EDGES)), f"over {EDGES[-1]:g}"]


def _score(read: Sequence[_Read]) -> Score:
    right = np.concatenate([one.right for one in read])
    found = clustered(right, [one.name for one in read for _ in one.right])
    return Score(len(right), int(right.sum()), float(right.mean()), found.ends)


def published() -> dict[str, Score]:
    """The paper's shares by bin, pages weighed alike, in thousandths."""
    bins: dict[str, list[tuple[float, int]]] = {}
    for ratio, share, pages in TABLE:
        bins.setdefault(_bin(ratio), []).append((share, pages))
    means = {title: sum(s * n for s, n in some) / sum(n for _, n in some) for title, some in bins.items()}
    return {title: Score(1000, round(1000 * mean), round(1000 * mean) / 1000) for title, mean in means.items()}


def compression_curve(found: CompressionStudy) -> str:
    """An SVG: characters read against text tokens per visual token, a line for each reader and the published one."""
    every = {row.reader: row.bins for row in found.rows} | {PUBLISHED: published()}
    known = [title for title in titles() if any(title in bins for bins in every.values())]
    return lines.drawing([lines.LinePanel("Characters read", "text tokens per visual token", tuple(known), every)])


def compression_table(found: CompressionStudy) -> Table:
    """One row a reader; per cent of characters read, with half of the 95 % interval."""
    seeds = ", ".join(map(str, found.seeds))
    made = titled(
        f"{found.task}, {found.pages:,} test pages, training seeds {seeds}",
        "per cent of characters read, by text tokens per visual token; ±: half of the 95 % interval",
    )
    for place, name in enumerate(_heads(found)):
        made.add_column(name, justify="left" if place == 0 else "right", no_wrap=place > 0, overflow="fold")
    for cells in _cells(found):
        made.add_row(*cells)
    return made


def compression_markdown(found: CompressionStudy) -> str:
    """The same in Markdown."""
    heads = _heads(found)
    return pipes(heads, _cells(found), right=tuple(range(1, len(heads)))) + "\n"


def _heads(found: CompressionStudy) -> list[str]:
    return ["reader", "tokens", "all", *(title for title in titles() if any(title in row.bins for row in found.rows))]


def _cells(found: CompressionStudy) -> list[list[str]]:
    bins = _heads(found)[3:]
    return [
        [row.reader, str(row.tokens), words.score(row.whole), *(words.score(row.bins.get(title)) for title in bins)]
        for row in found.rows
    ]
