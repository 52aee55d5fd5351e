"""The study of compression: train, measure, store. See ``research/compression/study.py``."""

from pathlib import Path

from research.compression.study import compression_curve, compression_table, study
from research.compression.training import CompressionRecipe, train_compression
from research.trained import Measured, TrainedStudy
from saccade.core.interface.progress import StageProgress
from saccade.core.records.files import write_whole


def measure(recipe: CompressionRecipe, folder: Path, tell: StageProgress) -> Measured:
    """A tower and its readers for every seed, and what they measure, with its curve."""
    found = study(train_compression(recipe, folder, tell))
    numbers, curve = folder / "compression.json", folder / "compression.svg"
    found.save(numbers)
    write_whole(curve, compression_curve(found))
    return Measured(compression_table(found), (numbers, curve))


STUDY = TrainedStudy("compression", CompressionRecipe, measure)
command = STUDY.command
