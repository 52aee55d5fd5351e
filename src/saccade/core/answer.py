"""What a model says."""

from collections.abc import Callable
from dataclasses import dataclass, field

Alternatives = tuple[tuple[str, float], ...]
"""Tokens that might have stood in one place, as text, with their log-probabilities; the likeliest first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``text``, with its ``tokens`` (ids, the end marker included) and their log-probabilities.

    An endpoint knows no ids, and may know no log-probabilities: both are empty then. ``top`` holds for each token what
    might have stood in its place, where it was asked for. ``ended`` says whether it came to an end by itself, None
    where nobody told; it does not count when answers are compared.
    """

    text: str
    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    top: tuple[Alternatives, ...] = ()
    ended: bool | None = field(default=None, compare=False)

    @property
    def logprob(self) -> float:
        """Log-probability of the whole answer."""
        return sum(self.logprobs)


Heard = Callable[[int, Answer], None]
"""Called with the number of a question and its answer so far, whenever that has grown by a token."""
