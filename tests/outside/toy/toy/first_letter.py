"""A metric: 1 where the first letter is right, 0 where not."""

from saccade.tasks.exam import Question


def first_letter(said: str, question: Question) -> float:
    """Blind to case."""
    return float(any(said.strip()[:1].casefold() == answer[:1].casefold() for answer in question.answers))
