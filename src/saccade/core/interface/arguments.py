"""Checks of what users hand to public functions: a wrong type is refused in our words, before anything runs."""

import os
from collections.abc import Sequence
from pathlib import Path

from saccade.core.errors import SaccadeError

LARGEST = 1e300
"""No number that a user means is larger: numbers above it, infinity and whole ones beyond floats are refused."""


def whole(what: str, value: object, least: int) -> int:
    """``value`` as a whole number of at least ``least``. Raises SaccadeError for anything else, True and 1.0 too."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise SaccadeError(f"{what} is a whole number, at least {least}; got {shown(value)}")
    if value < least:
        raise SaccadeError(f"{what} is at least {least}, got {value}")
    return value


def seed(what: str, value: object) -> int:
    """``value`` as a seed: a whole number from 0 to 2⁶³ − 1. Raises SaccadeError for anything else."""
    if whole(what, value, 0) >= 2**63:
        raise SaccadeError(f"{what} is below 2**63, got {shown(value)}")
    return whole(what, value, 0)


def text(what: str, value: object) -> str:
    """``value`` as text with something in it. Raises SaccadeError for anything else."""
    if not isinstance(value, str):
        raise SaccadeError(f"{what} is text, got {shown(value)}")
    if not value.strip():
        raise SaccadeError(f"{what} is empty; write some words")
    return value


def texts(what: str, value: object) -> tuple[str, ...]:
    """``value`` as a sequence of texts. Raises SaccadeError for anything else, one text alone too."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise SaccadeError(f"{what} is a list of texts, got {shown(value)}")
    return tuple(value)


def number(what: str, value: object, least: float = 0.0, *, above: bool = False) -> float:
    """``value`` as a finite number of at least ``least``, or ``above`` it. Raises SaccadeError for anything else."""
    bound = f"{'above' if above else 'at least'} {least:g}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SaccadeError(f"{what} is a number {bound}, got {shown(value)}")
    if not (abs(value) < LARGEST and (value > least or (value == least and not above))):
        raise SaccadeError(f"{what} is a number {bound}, got {shown(value)}")
    return float(value)


def path(what: str, value: object) -> Path:
    """``value`` as a path. Raises SaccadeError for anything else, and for text that no path can be."""
    if not isinstance(value, str | os.PathLike):
        raise SaccadeError(f"{what} is a path, got {shown(value)}")
    told = os.fspath(value)
    if not isinstance(told, str) or not told.strip() or "\0" in told:
        raise SaccadeError(f"{what} is a path, got {shown(value)}; name a file or a folder")
    return Path(told)


def listed(what: str, value: object) -> tuple[object, ...]:
    """``value`` as a sequence. Raises SaccadeError for anything else, one text alone too."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise SaccadeError(f"{what} is a list, got {shown(value)}; put it in a list")
    return tuple(value)


def instance(what: str, value: object, expected: type, told: str) -> None:
    """Raises SaccadeError where ``value`` is no ``expected``, in words ``told``."""
    if not isinstance(value, expected):
        raise SaccadeError(f"{what} is {told}, got {shown(value)}")


def function(what: str, value: object) -> None:
    """Raises SaccadeError where ``value`` cannot be called."""
    if not callable(value):
        raise SaccadeError(f"{what} is a function, got {shown(value)}")


def shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    said = repr(value)
    return f"{said if len(said) <= 60 else said[:59] + '…'} ({type(value).__name__})"
