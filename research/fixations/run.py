"""The study of fixations: train, measure, store. See ``research/fixations/study.py``."""

from pathlib import Path

from research.fixations.study import fixations_curve, fixations_table, study
from research.fixations.training import FixationsRecipe, map_cost, scenes_of, train_fixations
from research.trained import Measured, TrainedStudy
from saccade.backends.embedded.family import embedded
from saccade.core.interface.progress import StageProgress
from saccade.core.records.files import write_whole
from saccade.towers.stem import StemTower


def measure(recipe: FixationsRecipe, folder: Path, tell: StageProgress) -> Measured:
    """All models on the maps of the shipped tower, and what they measure, with its curve."""
    tower = embedded("llava").tower
    assert isinstance(tower, StemTower)
    learned, held, asked = scenes_of(tower, recipe, folder, tell)
    models = train_fixations(recipe, learned, folder, tell)
    found = study(models, recipe, held, asked, map_cost(tower.spec).flops)
    numbers, curve = folder / "fixations.json", folder / "fixations.svg"
    found.save(numbers)
    write_whole(curve, fixations_curve(found))
    return Measured(fixations_table(found), (numbers, curve))


STUDY = TrainedStudy("fixations", FixationsRecipe, measure)
command = STUDY.command
