"""What is written by hand about an architecture: what it keeps, which models and readers belong to it, and claims.

One YAML file each under ``claims/``. A claim is one statement of the survey that this project set out from, beside what
is true; numbers that the package can count stand in braces and are filled in from ``figures``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import yaml

from saccade.core.errors import SaccadeError
from saccade.core.records.codec import decode

Verdict = Literal["true", "depends", "wrong", "no source"]
"""depends: true under an assumption that the survey does not state. no source: nothing was found to hold it against."""

FOLDER = Path(__file__).with_name("claims")
_LINES = re.compile(r"L\d+(–\d+)?(, L\d+(–\d+)?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the survey ``says`` in short, on which ``lines``, and the ``truth``.

    ``source`` is where the truth was read, ``checked`` what in this repository holds it.
    """

    lines: str
    says: str
    verdict: Verdict
    truth: str
    source: str
    checked: str

    def __post_init__(self) -> None:
        if not _LINES.fullmatch(self.lines):
            raise SaccadeError(f"a claim names lines as in 'L48, L133–157', got {self.lines!r}")
        if not all((self.says, self.truth, self.source, self.checked)):
            raise SaccadeError(f"the claim on {self.lines} leaves a text empty; fill in all of them")

    @property
    def first(self) -> int:
        """Its first line, for sorting."""
        return int(re.findall(r"\d+", self.lines)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """``published`` names models that are planned, ``embedded`` readers that are measured here, if they are there."""

    keeps: str
    published: tuple[str, ...]
    embedded: tuple[str, ...]
    claims: tuple[Claim, ...]


def notes(name: str) -> Notes:
    """The notes on the reader ``name``. Raises SaccadeError where there are none, or where one cannot be read."""
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise SaccadeError(f"there are no notes on {name}; write {path.name} beside {FOLDER.name}/llava.yaml")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SaccadeError(f"{path.name} cannot be read as YAML ({error}); mend it") from error
    return cast(Notes, decode(Notes, tree, path.name))
