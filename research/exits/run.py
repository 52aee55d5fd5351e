"""The study of exits: train, measure, store. See ``research/exits/study.py``."""

from pathlib import Path

from research.exits.study import study
from research.exits.table import exits_curve, exits_table
from research.exits.training import ExitsRecipe, pieces_of, train_exits
from research.trained import Measured, TrainedStudy
from saccade.backends.embedded.family import embedded
from saccade.core.interface.progress import StageProgress
from saccade.core.records.files import write_whole
from saccade.towers.stem import StemTower


def measure(recipe: ExitsRecipe, folder: Path, tell: StageProgress) -> Measured:
    """All models, which begin as the shipped tower, and what they measure, with its curve."""
    tower = embedded("llava").tower
    assert isinstance(tower, StemTower)
    learned, held, asked = pieces_of(recipe, folder, tell)
    found = study(train_exits(recipe, tower, learned, folder, tell), recipe, held, asked)
    numbers, curve = folder / "exits.json", folder / "exits.svg"
    found.save(numbers)
    write_whole(curve, exits_curve(found))
    return Measured(exits_table(found), (numbers, curve))


STUDY = TrainedStudy("exits", ExitsRecipe, measure)
command = STUDY.command
