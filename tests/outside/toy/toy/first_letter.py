"""A metric: 1 where the first letter is right, 0 where not."""

from collections.abc import Sequence


def first_letter(given: str, answers: Sequence[str]) -> float:
    """Blind to case."""
    return float(any(given.strip()[:1].casefold() == answer[:1].casefold() for answer in answers))
