"""The one error that callers see, and the near matches that go into it."""

from collections.abc import Iterable
from difflib import get_close_matches


class SaccadeError(ValueError):
    """Bad input: the message holds what was given, what was expected, and the cure."""


def near(name: str, known: Iterable[str]) -> list[str]:
    """Up to three names of ``known`` that are spelt much like ``name``, the nearest first."""
    return get_close_matches(name, sorted(known), n=3, cutoff=0.5)


def unknown(what: str, name: str, known: Iterable[str]) -> SaccadeError:
    """An error for a name that is not in ``known``, with its near matches."""
    names = sorted(known)
    alike = near(name, names)
    hint = f"did you mean {' or '.join(alike)}?" if alike else f"known: {', '.join(names)}"
    return SaccadeError(f"unknown {what} {name!r}; {hint}")
