"""The study of clips: train, measure, store. See ``research/clips/study.py``."""

from pathlib import Path

from research.clips.model import save
from research.clips.spec import UnifiedSpec
from research.clips.study import clips_table, study
from research.clips.training import ClipsRecipe, train_clips
from research.trained import Measured, TrainedStudy
from saccade.core.interface.progress import StageProgress


def measure(recipe: ClipsRecipe, folder: Path, tell: StageProgress) -> Measured:
    """All models, what they measure, and the first seed's model for everything as a file."""
    models = train_clips(recipe, folder, tell)
    found = study(models)
    model, numbers = folder / "unified.safetensors", folder / "clips.json"
    save(models[None, recipe.seeds[0]], model)
    found.save(numbers)
    return Measured(clips_table(found), (numbers, model))


STUDY = TrainedStudy("clips", ClipsRecipe, measure, {"unified": UnifiedSpec})
command = STUDY.command
