"""Recipes: one YAML file a run, read strictly."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from saccade.core.errors import SaccadeError, unknown
from saccade.core.records.files import write_whole
from saccade.core.records.recipe import from_dict, override
from saccade.training.loop import Schedule
from saccade.training.stages import FamilyRecipe

TYPES: dict[str, type] = {"family": FamilyRecipe, "schedule": Schedule}
STUDIES = ("clips", "compression", "digits", "exits", "few-shot", "fixations")
"""Studies beside the product, in ``research/`` of a checkout: no recipes of ``saccade train``."""
RECIPE = "recipe.yaml"
"""File of a run's folder that holds the recipe with all changes."""


def shipped() -> dict[str, Path]:
    """The recipes that come with saccade, by name."""
    folder = Path(str(files("saccade.training") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def recipe_of(name: str, changes: Sequence[str] = ()) -> tuple[FamilyRecipe, dict[str, Any]]:
    """A shipped recipe by name or a YAML file by path, with ``a.b=c`` changes, and as plain data.

    Raises SaccadeError for an unknown name, the name of a study, a file that is no recipe, and changes that do not fit.
    """
    if name in STUDIES:
        raise SaccadeError(
            f"{name} is a study, which saccade train does not run; run it from a checkout of the repository: "
            f"python -m research {name} --out out/{name}"
        )
    path = Path(name) if name.endswith((".yaml", ".yml")) else shipped().get(name)
    if path is None:
        raise unknown("recipe", name, shipped())
    if not path.is_file():
        raise SaccadeError(f"the recipe {path} is not there; give a YAML file or one of: {', '.join(shipped())}")
    recipe, data = read_recipe(path, TYPES, changes)
    if not isinstance(recipe, FamilyRecipe):
        raise SaccadeError(f"{path} holds a {data['kind']}, a recipe of saccade train is of kind family")
    return recipe, data


def read_recipe(path: Path, types: Mapping[str, type], changes: Sequence[str] = ()) -> tuple[object, dict[str, Any]]:
    """What the YAML file ``path`` says with ``changes``, as one of ``types`` and as plain data."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SaccadeError(f"{path} is no valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise SaccadeError(f"{path} holds {type(data).__name__}, a recipe is a mapping")
    data = override(data, changes)
    return from_dict(data, types), data


def claim(folder: Path, data: Mapping[str, Any]) -> str:
    """Store a recipe's ``data`` in a run's ``folder``, which is made, and return it as YAML.

    Raises SaccadeError, before anything is written, where the folder holds a run of another recipe.
    """
    stored, resolved = folder / RECIPE, yaml.safe_dump(dict(data), sort_keys=False)
    if stored.exists() and stored.read_text(encoding="utf-8") != resolved:
        raise SaccadeError(f"{folder} holds a run of another recipe ({stored}); train into another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(stored, resolved)
    return resolved
