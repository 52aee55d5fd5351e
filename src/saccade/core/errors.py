"""The one error that callers see, and the near matches that go into it."""

from collections.abc import Iterable
from difflib import get_close_matches


class SaccadeError(ValueError):
    """Bad input: the message holds what was given, what was expected, and the cure."""


def unknown(what: str, name: str, known: Iterable[str]) -> SaccadeError:
    """An error for a name that is not in ``known``, with its near matches."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return SaccadeError(f"unknown {what} {name!r}; {hint}")
