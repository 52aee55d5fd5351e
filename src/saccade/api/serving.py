"""Serving as functions: a reader behind a desk, and the bounds of what it is asked."""

from dataclasses import dataclass
from pathlib import Path

from saccade.core.errors import unknown
from saccade.models.base import Reader
from saccade.models.cards import cards
from saccade.models.desk import BusyError as BusyError
from saccade.models.desk import Desk as Desk
from saccade.models.desk import Question as Question
from saccade.models.desk import Told as Told
from saccade.models.embedded import embedded
from saccade.models.store import load_reader
from saccade.views.open import open_picture as open_picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is taken from strangers at most: bytes of a body and seconds until it is there, pixels of a picture,
    characters of a question, tokens of an answer, and questions at once, so many of them in a batch.
    """

    body: int = 32 * 2**20
    seconds: float = 30
    pixels: int = 4096 * 4096
    characters: int = 20_000
    max_tokens: int = 1024
    room: int = 32
    batch: int = 8


@dataclass(frozen=True, slots=True)
class Serving:
    """A reader under the ``name`` that clients ask for it by."""

    name: str
    desk: Desk
    limits: Limits


def serving(model: str, limits: Limits | None = None) -> Serving:
    """An embedded reader by name, or one from a folder, called after it."""
    if model in cards():
        return of_reader(model, embedded(model), limits)
    if Path(model).is_dir():
        return of_reader(Path(model).resolve().name, load_reader(model), limits)
    raise unknown("model", model, cards())


def of_reader(name: str, reader: Reader, limits: Limits | None = None) -> Serving:
    """The same for a reader at hand."""
    bounds = limits or Limits()
    return Serving(name, Desk(reader, bounds.room, bounds.batch), bounds)
