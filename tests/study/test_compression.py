"""How much text a token carries: the measure, its bins, and what is drawn."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import pytest
from torch import nn

from saccade.core.errors import SaccadeError
from saccade.models.base import Reader
from saccade.study.compression import (
    EDGES,
    FEWEST,
    PUBLISHED,
    TABLE,
    CompressionStudy,
    compression_markdown,
    curve,
    distance,
    published,
    read_rightly,
    study,
    titles,
)
from saccade.study.lines import NAME
from saccade.tasks.pages import Page
from saccade.train.compression import paths

SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Said:
    text: str


class Parrot(Reader):
    """Says what stands on the page, every ``n``-th character wrongly."""

    def __init__(self, name: str, wrong: int) -> None:
        nn.Module.__init__(self)
        self.spec, self.wrong = paths()[name], wrong
        self.tokenizer = lambda text, **_: {"input_ids": [0] * len(text.split())}  # type: ignore[assignment]

    def encode(self, images):
        return images

    def ask(self, encoded, questions, *, max_tokens, **_):
        pages = {page.image().tobytes(): page for page in (Page("test", index) for index in range(60))}
        return [
            self._said(pages[one.tobytes()], asked, max_tokens) for one, asked in zip(encoded, questions, strict=True)
        ]

    def _said(self, page: Page, asked: list[str], most: int) -> list[Said]:
        known = {question.text: question.answers[0] for question in page.questions}
        assert list(known) == asked
        assert all(len(line.split()) < most for line in known.values())  # an end has room
        wrong, count, said = self.wrong, 0, []
        for line in known.values():
            said.append(Said("".join("?" if wrong and (count + n) % wrong == 0 else one for n, one in enumerate(line))))
            count += len(line) + 1
        return said


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


def test_shares_and_bins_are_counted():
    found = study({("compress-16", 0): Parrot("compress-16", 0), ("compress-4", 0): Parrot("compress-4", 4)}, pages=60)
    whole, quarter = found.rows
    assert (whole.tokens, quarter.tokens) == (16, 4)
    assert whole.whole.accuracy == 1
    texts = [Page("test", index).text for index in range(60)]
    lengths, words = [len(text) for text in texts], [len(text.split()) for text in texts]
    wrong = sum(-(-length // 4) for length in lengths)
    assert (quarter.whole.n, quarter.whole.correct) == (sum(lengths), sum(lengths) - wrong)
    for row in found.rows:
        counts = dict.fromkeys(titles(), 0)
        for count in words:
            place = max(place for place, edge in enumerate(EDGES) if count / row.tokens >= edge)
            counts[titles()[place]] += 1
        assert list(row.bins) == [title for title in titles() if counts[title] >= FEWEST]
    assert CompressionStudy.from_json(found.to_json()) == found
    with pytest.raises(SaccadeError, match="study of compression"):
        CompressionStudy.from_json(found.to_json().replace("saccade.compression/1", "saccade.compression/0"))


def test_the_published_curve_is_the_tables_means():
    bins = published()
    some = [(share, pages) for ratio, share, pages in TABLE if 6 <= ratio < 8]
    mean = sum(share * pages for share, pages in some) / sum(pages for _, pages in some)
    assert bins["6–8"].accuracy == pytest.approx(mean, abs=0.0005)
    assert list(bins) == ["10–15", "15–20", "6–8", "8–10"]


def test_the_drawing_has_a_line_for_every_reader_and_room_for_every_name():
    found = study({("compress-16", 0): Parrot("compress-16", 0), ("pool-4", 0): Parrot("pool-4", 5)}, pages=60)
    root = ET.fromstring(curve(found))
    names = {text.text: text for text in root.iter(f"{SVG}text") if text.text in ("compress-16", "pool-4", PUBLISHED)}
    assert len(names) == 3
    assert len(list(root.iter(f"{SVG}path"))) == 3
    wide = float(root.get("viewBox", "").split()[2])
    assert all(float(text.get("x", "0")) + NAME <= wide + 40 for text in names.values())
    assert compression_markdown(found).count("\n") == 4
