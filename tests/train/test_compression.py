"""Reading whole pages: what a patch is told, and that the stages run, resume and are refused."""

import numpy as np
import pytest
import torch

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.models.embedded import embedded
from saccade.study.compression import compression_table, curve, study
from saccade.tasks.pages import HEIGHT, Page
from saccade.train.compression import (
    FIRST,
    HEADS,
    LANGUAGE,
    LETTER,
    MOST_WORDS,
    WORD,
    CompressionRecipe,
    PagesJob,
    bank,
    labels,
    paths,
    train_compression,
)
from saccade.train.loop import Schedule
from saccade.train.recipe import recipe_of
from saccade.train.vocabulary import pages_tokenizer

GRID = Grid(16, 16)


def test_a_patch_is_told_the_letter_that_covers_most_of_it_its_word_and_their_numbers():
    page = Page("train", 1)
    told = labels(page, GRID)
    letters, words = ({number: name for name, number in known.items()} for known in (LETTER, WORD))
    cover = np.zeros((16, 16, len(LETTER) + 1))
    for line in page.lines:
        for character, box in zip(line.text, line.characters, strict=True):
            for y in range(int(box.top), int(box.bottom)):
                for x in range(int(box.left), int(box.right)):
                    if character != " ":
                        cover[y // 8, x // 8, LETTER[character]] += 1
    free = cover.sum(axis=2) == 0
    assert not any(told[name][free].any() for name in HEADS)
    best = np.take_along_axis(cover, told["letter"][..., None], axis=2)[..., 0]
    alone = (cover > 0).sum(axis=2) == 1  # no two letters that may be the same
    assert (best[alone] == cover.max(axis=2)[alone]).all()
    for row, col in zip(*np.nonzero(~free), strict=True):
        letter, word = letters[int(told["letter"][row, col])], words[int(told["word"][row, col])]
        line = page.lines[int(told["line"][row, col]) - 1]
        assert letter in word
        assert line.text.split()[int(told["place"][row, col]) - 1] == word
        assert line.box.top < 8 * (row + 1)
        assert line.box.bottom > 8 * row
    assert {words[int(word)] for word in told["word"][~free]} == set(page.text.split())
    assert max(len(line.text.split()) for line in page.lines) <= MOST_WORDS


def test_print_that_cannot_be_read_is_asked_for_all_the_same():
    reader = embedded("llava")
    path = paths()["resize-4"]
    found = bank(reader.tower, path, 3, lambda *_: None)
    pages = [Page("train", FIRST + number) for number in range(3)]
    assert [len(seen.asked) for seen in found.pictures] == [len(page.lines) for page in pages]
    assert all(one.height == HEIGHT for seen in found.pictures for one in seen.asked)
    assert found.features[Grid(2, 2)].shape == (3, 4, 128)


def test_every_word_and_every_question_has_its_ids():
    tokenizer = pages_tokenizer()
    assert len(tokenizer) <= LANGUAGE.vocabulary
    for number in range(20):
        page = Page("test", number)
        for line in page.lines:
            assert len(tokenizer(line.text, add_special_tokens=False)["input_ids"]) == len(line.text.split())


def test_tokens_are_what_the_names_say():
    for name, path in paths().items():
        layout = path.views.layout(Page("test", 0).size)
        assert sum(path.tokens(layout)) == int(name.rsplit("-", 1)[1])


def test_pages_teach_the_tower():
    torch.manual_seed(0)
    tower = embedded("llava").tower
    job = PagesJob(tower, batch=2)
    terms = job.losses(0)
    assert set(terms) == set(HEADS)
    torch.stack(list(terms.values())).sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in job.heads.parameters())


def test_all_stages_in_small_and_what_is_measured(tmp_path):
    few = Schedule(steps=2, batch=2, warmup=1)
    recipe = CompressionRecipe(seeds=(0,), see=few, read=few, pages=4)
    steps = []
    made = train_compression(recipe, tmp_path, lambda name, _: lambda step, terms: steps.append((name, step)))
    assert {name for name, _ in made} == set(paths())
    assert {path.name for path in tmp_path.iterdir()} == {"see-0.pt", "read-0.pt"}
    again = train_compression(recipe, tmp_path, lambda *_: lambda *_: None)
    for key, reader in made.items():
        for one, two in zip(reader.parameters(), again[key].parameters(), strict=True):
            assert torch.equal(one, two)
    found = study({("compress-4", 0): made["compress-4", 0]}, pages=3)
    assert [row.reader for row in found.rows] == ["compress-4"]
    assert found.rows[0].tokens == 4
    assert "compress-4" in curve(found)
    assert len(list(compression_table(found).rows)) == 1


def test_the_recipe_that_ships():
    recipe, _ = recipe_of("compression")
    assert isinstance(recipe, CompressionRecipe)
    with pytest.raises(SaccadeError, match=r"1 page or more and different seeds, got 0 and \[0"):
        recipe_of("compression", ["pages=0"])
    with pytest.raises(SaccadeError, match="different seeds"):
        recipe_of("compression", ["seeds=[1, 1]"])
