"""Reading whole pages: what a patch is told, what a page's words are, and that the stages run and resume."""

import numpy as np
import pytest
import torch

from research.compression.model import PageReader
from research.compression.run import STUDY
from research.compression.study import compression_curve, compression_table, study
from research.compression.tasks import LINES, Page, lexicon
from research.compression.training import (
    FIRST,
    HEADS,
    LETTER,
    PLACES,
    SMALL,
    WORD,
    CompressionRecipe,
    ReadJob,
    SeeJob,
    bank,
    labels,
    page_reader,
    told,
    train_compression,
    ways,
)
from saccade.backends.embedded.family import embedded
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.towers.stem import StemTower
from saccade.training.loop import Schedule, run

GRID = Grid(16, 16)


def test_a_patch_is_told_the_letter_that_covers_most_of_it_its_word_and_their_numbers():
    page = Page("train", 1)
    known = labels(page, GRID)
    letters, words = ({number: name for name, number in names.items()} for names in (LETTER, WORD))
    cover = np.zeros((16, 16, len(LETTER) + 1))
    for line in page.lines:
        for character, box in zip(line.text, line.characters, strict=True):
            for y in range(int(box.top), int(box.bottom)):
                for x in range(int(box.left), int(box.right)):
                    if character != " ":
                        cover[y // 8, x // 8, LETTER[character]] += 1
    free = cover.sum(axis=2) == 0
    assert not any(known[name][free].any() for name in HEADS)
    best = np.take_along_axis(cover, known["letter"][..., None], axis=2)[..., 0]
    alone = (cover > 0).sum(axis=2) == 1  # no two letters that may be the same
    assert (best[alone] == cover.max(axis=2)[alone]).all()
    for row, col in zip(*np.nonzero(~free), strict=True):
        letter, word = letters[int(known["letter"][row, col])], words[int(known["word"][row, col])]
        line = page.lines[int(known["line"][row, col]) - 1]
        assert letter in word
        assert line.text.split()[int(known["place"][row, col]) - 1] == word
        assert line.box.top < 8 * (row + 1)
        assert line.box.bottom > 8 * row
    assert {words[int(word)] for word in known["word"][~free]} == set(page.text.split())


def test_a_page_is_told_word_by_word_and_line_by_line():
    for number in range(40):
        page = Page("test", number)
        places = told(page).reshape(LINES, PLACES)
        rows = [" ".join(("", *lexicon())[word] for word in row if word) for row in places.tolist()]
        assert [row for row in rows if row] == [line.text for line in page.lines]


def test_tokens_are_what_the_names_say():
    for name, way in ways().items():
        assert way.tokens == int(name.rsplit("-", 1)[1])
    assert ways()["resize-4"].side == SMALL < ways()["pool-4"].side


@pytest.fixture(scope="module")
def known():
    return bank(embedded("llava").tower, "train", FIRST, 5, lambda *_: None)


def test_features_are_the_towers_of_the_page_at_each_side(known):
    assert {side: tuple(made.shape) for side, made in known.features.items()} == {16: (5, 4, 128), 128: (5, 256, 128)}
    assert [int((row > 0).sum()) for row in known.words] == [
        len(Page("train", FIRST + number).text.split()) for number in range(5)
    ]


@pytest.mark.parametrize("name", ways())
def test_every_reader_learns_its_pages(known, name):
    torch.manual_seed(0)
    way = ways()[name]
    reader = page_reader(way)
    job = ReadJob(reader, way, known, batch=4, seed=0)
    with torch.no_grad():
        assert job.losses(2) == job.losses(2)
        before = sum(float(term) for term in job.losses(50).values())
    torch.stack(list(job.losses(0).values())).sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in reader.parameters())
    run(job, Schedule(steps=12, batch=4, warmup=1, lr=4e-3))
    with torch.no_grad():
        assert sum(float(term) for term in job.losses(50).values()) < before


def test_pages_teach_the_tower():
    torch.manual_seed(0)
    tower = embedded("llava").tower
    assert isinstance(tower, StemTower)
    job = SeeJob(tower, batch=2)
    terms = job.losses(0)
    assert set(terms) == set(HEADS)
    torch.stack(list(terms.values())).sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in job.heads.parameters())


def test_all_stages_in_small_and_what_is_measured(tmp_path):
    few = Schedule(steps=2, batch=2, warmup=1)
    recipe = CompressionRecipe(seeds=(0, 3), see=few, read=few, pages=4)
    made = train_compression(recipe, tmp_path, lambda *_: lambda *_: None)
    assert set(made) == {0, 3}
    assert {path.stem for path in tmp_path.iterdir()} == {
        *(f"see-{seed}" for seed in (0, 3)),
        *(f"read-{name}-{seed}" for name in ways() for seed in (0, 3)),
    }
    again = train_compression(recipe, tmp_path, lambda *_: lambda *_: None)
    for seed, (tower, readers) in made.items():
        assert all(torch.equal(*pair) for pair in zip(tower.parameters(), again[seed][0].parameters(), strict=True))
        for name, reader in readers.items():
            pairs = zip(reader.parameters(), again[seed][1][name].parameters(), strict=True)
            assert all(torch.equal(*pair) for pair in pairs)
    found = study(made, pages=3)
    assert [(row.reader, row.tokens) for row in found.rows] == [(name, way.tokens) for name, way in ways().items()]
    assert found.seeds == (0, 3)
    assert "compress-4" in compression_curve(found)
    assert len(list(compression_table(found).rows)) == len(ways())


def test_refusals_and_the_recipe_that_ships():
    recipe, _ = STUDY.read()
    assert isinstance(recipe, CompressionRecipe)
    with pytest.raises(SaccadeError, match=r"1 page or more and different seeds, got 0 and \[0"):
        STUDY.read(["pages=0"])
    with pytest.raises(SaccadeError, match="different seeds"):
        STUDY.read(["seeds=[1, 1]"])
    with pytest.raises(SaccadeError, match="places, words and layers, got 0, 5 and 1"):
        PageReader(ways()["pool-4"].connector, places=0, classes=5)
