"""Checks of what users hand to public functions: a wrong type is refused in our words, before anything runs."""

from saccade.core.errors import SaccadeError


def whole(what: str, value: object, least: int) -> int:
    """``value`` as a whole number of at least ``least``. Raises SaccadeError for anything else, True and 1.0 too."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise SaccadeError(f"{what} is a whole number, at least {least}; got {_shown(value)}")
    if value < least:
        raise SaccadeError(f"{what} is at least {least}, got {value}")
    return value


def text(what: str, value: object) -> str:
    """``value`` as text with something in it. Raises SaccadeError for anything else."""
    if not isinstance(value, str):
        raise SaccadeError(f"{what} is text, got {_shown(value)}")
    if not value.strip():
        raise SaccadeError(f"{what} is empty; write some words")
    return value


def texts(what: str, value: object) -> tuple[str, ...]:
    """``value`` as a sequence of texts. Raises SaccadeError for anything else, one text alone too."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise SaccadeError(f"{what} is a list of texts, got {_shown(value)}")
    return tuple(value)


def _shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    said = repr(value)
    return f"{said if len(said) <= 60 else said[:59] + '…'} ({type(value).__name__})"
