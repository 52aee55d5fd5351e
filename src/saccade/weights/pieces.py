"""Checkpoints in pieces: a folder's ``saccade.json`` names the file and the other folders that make up a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saccade.core.errors import SaccadeError, unknown
from saccade.weights.checkpoint import FILES, fetch

PICKLES = ("*.bin",)
"""What is fetched from the Hub besides, where pieces may be torch's own files."""


def given(settings: Mapping[str, Any], fields: Mapping[str, tuple[type, object]], sample: str) -> dict[str, Any]:
    """What ``settings`` say of every field, given as its type and what it is where it is left out: None where it may
    not be. Raises SaccadeError, which shows a whole ``sample``.
    """
    for key, value in settings.items():
        if key not in fields:
            raise unknown("key in saccade.json", key, fields)
        kind = fields[key][0]
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise SaccadeError(f"saccade.json: {key} is a {kind.__name__}, got {value!r}; a whole one reads: {sample}")
    found = {key: settings.get(key, default) for key, (_, default) in fields.items()}
    lacking = [key for key, value in found.items() if value is None]
    if lacking:
        raise SaccadeError(f"saccade.json lacks {', '.join(lacking)}; a whole one reads: {sample}")
    return found


def weights_file(folder: Path, named: str, what: str) -> Path:
    """The file that is named as the ``what``. Raises SaccadeError where there is none."""
    if not (folder / named).is_file():
        raise SaccadeError(f"there is no {folder / named}, which saccade.json names as its {what}; put the file there")
    return folder / named


def piece(folder: Path, named: str, more: Sequence[str] = ()) -> Path:
    """Another model's folder, seen from this one, or a Hub id with ``@revision`` where one is meant."""
    if (folder / named).is_dir():
        return folder / named
    name, _, revision = named.partition("@")
    return fetch(name, revision or None, (*FILES, *more))
