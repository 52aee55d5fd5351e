"""What the embedded family's manifest says of each reader; reading it needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from saccade.core.errors import SaccadeError
from saccade.core.recipe import from_dict
from saccade.models import Fidelity
from saccade.specs.reader import PARTS, ReaderSpec

SCHEMA = "saccade.embedded/1"
TYPES: Mapping[str, type] = {**PARTS, "reader": ReaderSpec}


@dataclass(frozen=True, slots=True)
class Card:
    """What the manifest says of one reader; ``parts`` are file names, ``trained`` is one sentence."""

    spec: ReaderSpec
    parts: Mapping[str, str]
    fidelity: Fidelity
    trained: str
    seed: int


def shelf() -> Path:
    """The folder of package data that holds the family."""
    return Path(__file__).parent.parent / "embedded"


@cache
def cards(folder: Path | None = None) -> dict[str, Card]:
    """Every reader's card, in the manifest's order: of the embedded family, or of one that ``pack`` wrote."""
    place = shelf() if folder is None else folder
    if not (place / "manifest.json").is_file():
        raise SaccadeError(f"{folder} holds no family: manifest.json is missing; train one with saccade train embedded")
    manifest = json.loads((place / "manifest.json").read_text())
    if manifest["schema"] != SCHEMA:
        raise SaccadeError(f"the family is {manifest['schema']}, this version reads {SCHEMA}; train it again")
    return {
        name: Card(from_dict(card["spec"], TYPES), card["parts"], card["fidelity"], card["trained"], card["seed"])
        for name, card in manifest["readers"].items()
    }
