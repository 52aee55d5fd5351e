"""How much text a token carries: the measure, its bins, and what is drawn."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from research.compression.model import PageReader
from research.compression.study import (
    EDGES,
    FEWEST,
    PUBLISHED,
    TABLE,
    CompressionStudy,
    compression_curve,
    compression_markdown,
    distance,
    published,
    read_rightly,
    study,
    titles,
)
from research.compression.tasks import Page, lexicon
from research.compression.training import page_reader, told, ways
from saccade.backends.embedded.family import embedded
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.report.charts.lines import NAME

SVG = "{http://www.w3.org/2000/svg}"
PAGES = 60


def parrot(name: str, *, wrong: bool) -> PageReader:
    """Says what stands on the pages in their order, the first word of every page wrongly if it is told to."""
    reader, said = page_reader(ways()[name]), 0
    classes = reader.words.out_features

    def forward(patches: Tensor, grid: Grid) -> Tensor:
        nonlocal said
        assert grid.tokens == patches.shape[1] == ways()[name].grid.tokens
        words = torch.stack([torch.from_numpy(told(Page("test", said + number))) for number in range(len(patches))])
        said += len(patches)
        if wrong:
            words[:, 0] = words[:, 0] % (classes - 1) + 1
        return nn.functional.one_hot(words, classes).float()

    reader.forward = forward  # type: ignore[method-assign]
    return reader


def found(*readers: tuple[str, bool]) -> CompressionStudy:
    made = {name: parrot(name, wrong=wrong) for name, wrong in readers}
    return study({0: (embedded("llava").tower, made)}, pages=PAGES)


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "", 0), ("ABC", "ABC", 0), ("", "ABC", 3), ("ABC", "AC", 1), ("KITTEN", "SITTING", 3), ("AB", "BA", 2)],
)
def test_edit_distance(a, b, edits):
    assert distance(a, b) == distance(b, a) == edits


def test_a_character_of_the_longer_text_is_wrong_for_every_edit():
    assert read_rightly("ABCD", "ABCD").tolist() == [True] * 4
    assert read_rightly("", "ABCD").sum() == 0
    assert sorted(read_rightly("ABXDE", "ABCD").tolist()) == [False, False, True, True, True]


def test_the_published_curve_is_the_tables_means():
    bins = published()
    some = [(share, pages) for ratio, share, pages in TABLE if 6 <= ratio < 8]
    mean = sum(share * pages for share, pages in some) / sum(pages for _, pages in some)
    assert bins["6–8"].accuracy == pytest.approx(mean, abs=0.0005)
    assert set(bins) == {"6–8", "8–10", "10–15", "15–20"}
    assert sum(pages for _, _, pages in TABLE) == 200  # a hundred pages, at two sizes


def test_characters_and_bins_are_counted():
    made = found(("compress-16", False), ("compress-4", True))
    whole, wrong = made.rows
    assert (whole.tokens, wrong.tokens) == (16, 4)
    assert whole.whole.accuracy == 1
    texts = [Page("test", number).text for number in range(PAGES)]
    known = ("", *lexicon())
    right = total = 0
    for text in texts:
        first, *rest = text.split()
        said = " ".join([known[known.index(first) % (len(known) - 1) + 1], *rest])
        total += max(len(said), len(text))
        right += max(len(said), len(text)) - distance(said, text)
    assert (wrong.whole.n, wrong.whole.correct) == (total, right)
    for row in made.rows:
        counts = dict.fromkeys(titles(), 0)
        for text in texts:
            ratio = len(text.split()) / row.tokens
            counts[titles()[max(place for place, edge in enumerate(EDGES) if ratio >= edge)]] += 1
        assert list(row.bins) == [title for title in titles() if counts[title] >= FEWEST]
    assert CompressionStudy.from_json(made.to_json()) == made
    with pytest.raises(SaccadeError, match="study of compression"):
        CompressionStudy.from_json(made.to_json().replace("saccade.compression/1", "saccade.compression/0"))


def test_the_drawing_has_a_line_for_every_reader_and_room_for_every_name():
    made = found(("compress-16", False), ("pool-4", True))
    root = ET.fromstring(compression_curve(made))
    names = {text.text: text for text in root.iter(f"{SVG}text") if text.text in ("compress-16", "pool-4", PUBLISHED)}
    assert len(names) == 3
    assert len(list(root.iter(f"{SVG}path"))) == 3
    wide = float(root.get("viewBox", "").split()[2])
    assert all(float(text.get("x", "0")) + NAME <= wide + 40 for text in names.values())
    assert compression_markdown(made).count("\n") == 4


def test_the_page_says_what_was_measured():
    root = Path(__file__).parents[3]
    measured = CompressionStudy.from_json((root / "docs" / "compression.json").read_text(encoding="utf-8"))
    text = (root / "docs" / "results" / "compression.md").read_text(encoding="utf-8")
    between = text.split("<!-- table: docs/compression.json -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == compression_markdown(measured).strip()
    assert (root / "docs" / "compression.svg").read_text(encoding="utf-8") == compression_curve(measured)
