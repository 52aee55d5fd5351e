"""What the embedded family's manifest says of each reader; reading it needs no torch.

The family is a package of its own, ``saccade-embedded``, which holds files alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from saccade.core.errors import SaccadeError
from saccade.core.fidelity import Fidelity
from saccade.core.records.recipe import from_dict
from saccade.core.version import __version__
from saccade.specs.reader import PARTS, ReaderSpec

PACKAGE, VERSION = "saccade_embedded", "0.1"
"""Where the family lies, and which versions of it are read."""
CURE = f"pip install --force-reinstall 'saccade-embedded=={VERSION}.*'"
SCHEMA = "saccade.embedded/1"
TYPES: Mapping[str, type] = {**PARTS, "reader": ReaderSpec}


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """What the manifest says of one reader; ``parts`` are file names, ``trained`` is one sentence."""

    spec: ReaderSpec
    parts: Mapping[str, str]
    fidelity: Fidelity
    trained: str
    seed: int


def installed() -> bool:
    """Whether the package that holds the embedded family is there, in whatever version."""
    return find_spec(PACKAGE) is not None


def is_embedded(model: object) -> bool:
    """Whether ``model`` is an embedded reader's name; no name is, where the family is not installed."""
    return isinstance(model, str) and installed() and model in cards()


@cache
def shelf() -> Path:
    """The folder that holds the family. Raises SaccadeError where its package is missing or of another version."""
    if not installed():
        raise SaccadeError(f"the embedded models are in the package saccade-embedded, which is not installed: {CURE}")
    package = import_module(PACKAGE)
    if not package.__version__.startswith(f"{VERSION}."):
        raise SaccadeError(
            f"saccade {__version__} reads saccade-embedded {VERSION}, found {package.__version__} in "
            f"{package.folder()}: {CURE}"
        )
    return package.folder()


@cache
def checked(file: str) -> Path:
    """The path of one of the family's files. Raises SaccadeError where its bytes are not those that were published."""
    path = shelf() / file
    pinned = json.loads((shelf() / "manifest.json").read_text(encoding="utf-8"))["files"][file]
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "nothing"
    if found != pinned:
        raise SaccadeError(f"{path} has SHA-256 {found}, its manifest says {pinned}: {CURE}")
    return path


@cache
def cards(folder: Path | None = None) -> dict[str, ManifestEntry]:
    """Every reader's card, in the manifest's order: of the embedded family, or of one that ``pack`` wrote."""
    place = shelf() if folder is None else folder
    if not (place / "manifest.json").is_file():
        raise SaccadeError(f"{folder} holds no family: manifest.json is missing; train one with saccade train embedded")
    manifest = json.loads((place / "manifest.json").read_text())
    if manifest["schema"] != SCHEMA:
        raise SaccadeError(f"the family is {manifest['schema']}, this version reads {SCHEMA}; train it again")
    return {
        name: ManifestEntry(
            from_dict(card["spec"], TYPES), card["parts"], card["fidelity"], card["trained"], card["seed"]
        )
        for name, card in manifest["readers"].items()
    }
