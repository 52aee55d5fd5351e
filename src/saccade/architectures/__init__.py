"""Published architectures, one folder each. Reading what they say of themselves needs no torch.

To add one, write a folder with an ``__init__`` that names its ``ARCHITECTURES``, and its line in ``FOLDERS``.
"""

from importlib import import_module
from pathlib import Path

from saccade.architectures.architecture import Architecture, Composition, Loader
from saccade.specs.planner.system import Family

FOLDERS = (
    "llava",
    "llava_uhd",
    "blip2",
    "flamingo",
    "idefics",
    "idefics3",
    "perceiver",
    "deepseek_ocr",
    "qwen_vl",
    "gemma",
    "kimi",
    "ovis",
    "internvl",
    "longvu",
    "colpali",
    "clip",
    "align",
    "foveated",
    "object_centric",
)
"""Folders of this package, in the order in which the catalogue lists them."""

_BY_FOLDER: dict[str, tuple[Architecture, ...]] = {
    folder: import_module(f"{__name__}.{folder}").ARCHITECTURES for folder in FOLDERS
}
ARCHITECTURES: dict[str, Architecture] = {one.name: one for held in _BY_FOLDER.values() for one in held}
"""Every architecture by name: its ``model_type``, as in ``config.json``, or the survey's name."""

FAMILIES: dict[str, Family] = {name: one.family for name, one in ARCHITECTURES.items() if one.family is not None}
"""Those that can be planned."""
PRESETS: dict[str, Path] = {
    preset: Path(__file__).with_name(folder) / "presets" / f"{preset}.json"
    for folder, held in _BY_FOLDER.items()
    for one in held
    for preset in one.presets
}
"""Published checkpoints that are known by name, and where their numbers stand."""
COMPOSITIONS: dict[str, Composition] = {
    name: made for one in ARCHITECTURES.values() for name, made in one.compositions.items()
}
"""Readers that are built from saccade's parts, by name."""
LOADERS: dict[str, Loader] = {
    kind: loader for one in ARCHITECTURES.values() for loader in one.loaders for kind in loader.types
}
"""What opens a checkpoint's folder as a composition, by the ``model_type`` of its ``config.json``."""
PIECES: dict[str, Loader] = {
    loader.pieces: loader for one in ARCHITECTURES.values() for loader in one.loaders if loader.pieces
}
"""What opens a checkpoint whose ``saccade.json`` names its pieces, by the ``kind`` there."""
