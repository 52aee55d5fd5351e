"""The study of digits: train, measure, store. See ``research/digits/study.py``."""

from pathlib import Path

from research.digits.study import digits_table, study
from research.digits.training import DigitsRecipe, digits, train_digits
from research.trained import Measured, TrainedStudy
from saccade.core.interface.progress import StageProgress


def measure(recipe: DigitsRecipe, folder: Path, tell: StageProgress) -> Measured:
    """A model for every seed, and what it and plain classifiers tell."""
    learned, asked = digits()
    found = study(train_digits(recipe, learned, folder, tell), learned, asked)
    numbers = folder / "digits.json"
    found.save(numbers)
    return Measured(digits_table(found), (numbers,))


STUDY = TrainedStudy("digits", DigitsRecipe, measure)
command = STUDY.command
