"""Recipes: one YAML a run, read strictly."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from research.clips.spec import UnifiedSpec
from research.clips.training import ClipsRecipe
from research.compression.training import CompressionRecipe
from research.digits.training import DigitsRecipe
from research.exits.training import ExitsRecipe
from research.fixations.training import FixationsRecipe
from saccade.core.errors import SaccadeError, unknown
from saccade.core.records.recipe import from_dict, override
from saccade.training.loop import Schedule
from saccade.training.stages import FamilyRecipe

TYPES: dict[str, type] = {
    "clips": ClipsRecipe, "compression": CompressionRecipe, "digits": DigitsRecipe, "exits": ExitsRecipe,
    "family": FamilyRecipe, "fixations": FixationsRecipe, "schedule": Schedule, "unified": UnifiedSpec,
}  # fmt: skip
Recipe = FamilyRecipe | ClipsRecipe | CompressionRecipe | DigitsRecipe | ExitsRecipe | FixationsRecipe


def shipped() -> dict[str, Path]:
    """The recipes that come with saccade, by name."""
    folder = Path(str(files("saccade.training") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def recipe_of(name: str, changes: Sequence[str] = ()) -> tuple[Recipe, dict[str, Any]]:
    """A shipped recipe by name or a YAML file by path, with ``a.b=c`` changes, and as plain data."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else shipped().get(name)
    if path is None:
        raise unknown("recipe", name, shipped())
    if not path.is_file():
        raise SaccadeError(f"the recipe {path} is not there; give a YAML file or one of: {', '.join(shipped())}")
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise SaccadeError(f"{path} is no valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise SaccadeError(f"{path} holds {type(data).__name__}, a recipe is a mapping")
    data = override(data, changes)
    return from_dict(data, TYPES), data
