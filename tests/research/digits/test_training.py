"""A Perceiver IO on handwritten digits: what a step draws, what is learned, what the study says."""

import sys
from pathlib import Path

import pytest
import torch

from research.digits.run import STUDY
from research.digits.study import DigitStudy, digits_markdown, digits_table, study
from research.digits.training import SIDE, TESTED, Digits, DigitsJob, DigitsRecipe, digits, train_digits
from saccade.architectures.perceiver.io import PictureClassifier
from saccade.core.errors import SaccadeError
from saccade.training.loop import Schedule

SMALL = {"latents": 8, "width": 32, "heads": 2, "bands": 4, "rounds": 1, "layers": 1}


def test_the_last_hands_are_tested_on():
    learned, asked = digits()
    assert (len(learned.labels), len(asked.labels)) == (1797 - TESTED, TESTED)
    assert float(learned.pixels.min()) == -1
    assert float(learned.pixels.max()) == 1
    assert set(asked.labels.tolist()) == set(range(10))


def test_a_step_moves_digits_by_up_to_a_pixel():
    data = Digits(torch.arange(64.0).view(1, 1, SIDE, SIDE) / 64, torch.tensor([3]))
    job = DigitsJob(
        PictureClassifier(DigitsRecipe(schedule=Schedule(steps=1, batch=2), **SMALL).spec), data, batch=2, seed=0
    )
    seen = set()
    for step in range(60):
        pixels, labels = job.drawn(step)
        assert labels.tolist() == [3, 3]
        assert pixels.equal(job.drawn(step)[0])
        moved = [
            (down, right)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if same(pixels[0, 0], data.pixels[0, 0], down, right)
        ]
        assert len(moved) == 1
        seen |= set(moved)
    assert len(seen) == 9


def same(moved: torch.Tensor, digit: torch.Tensor, down: int, right: int) -> bool:
    wanted = torch.full((SIDE, SIDE), -1.0)
    for row in range(SIDE):
        for col in range(SIDE):
            if 0 <= row + down < SIDE and 0 <= col + right < SIDE:
                wanted[row, col] = digit[row + down, col + right]
    return moved.equal(wanted)


def test_a_little_training_tells_digits_and_the_study_counts_them(tmp_path):
    learned, asked = digits()
    recipe = DigitsRecipe(seeds=(0,), schedule=Schedule(steps=250, batch=32, lr=4e-3, warmup=10), **SMALL)
    models = train_digits(recipe, learned, tmp_path, lambda *_: lambda *_: None)
    found = study(models, learned, asked)
    with torch.no_grad():
        right = int((models[0](asked.pixels).argmax(dim=1) == asked.labels).sum())
    assert (found.rows["perceiver"].n, found.rows["perceiver"].correct) == (TESTED, right)
    assert right > 0.4 * TESTED
    assert found.rows["support vectors (RBF)"].accuracy > found.rows["logistic regression"].accuracy > 0.9
    assert DigitStudy.from_json(found.to_json()) == found
    assert list(digits_table(found).columns[0].cells) == list(found.rows)
    assert (tmp_path / "digits-0.pt").is_file()


def test_the_recipe_that_ships():
    recipe, _ = STUDY.read()
    assert isinstance(recipe, DigitsRecipe)
    assert recipe.spec.encoder.latents == 16
    with pytest.raises(SaccadeError, match="needs different seeds, got"):
        STUDY.read(["seeds=[1, 1]"])


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SaccadeError, match="come with scikit-learn: pip install scikit-learn"):
        digits()


def test_the_page_says_what_was_measured():
    root = Path(__file__).parents[3]
    measured = DigitStudy.from_json((root / "docs" / "digits.json").read_text(encoding="utf-8"))
    text = (root / "docs" / "results" / "digits.md").read_text(encoding="utf-8")
    between = text.split("<!-- table: docs/digits.json -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == digits_markdown(measured).strip()
