"""What a reader says, and where it looked."""

from dataclasses import dataclass, field

from saccade.core.ledger import Ledger
from saccade.core.view import Layout


@dataclass(frozen=True, slots=True)
class Answer:
    """``text``, with its ``tokens`` (ids, the end marker included) and their log-probabilities."""

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]

    @property
    def logprob(self) -> float:
        """Log-probability of the whole answer."""
        return sum(self.logprobs)


@dataclass(frozen=True, slots=True)
class Look:
    """One pass over chosen views: the ``layout`` and the ``ledger`` of the tokens that were read."""

    layout: Layout
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Trace:
    """All looks of an answer, in order."""

    looks: tuple[Look, ...] = field(default_factory=tuple)

    @property
    def visual_tokens(self) -> int:
        """Visual tokens read over all looks."""
        return sum(len(look.ledger) for look in self.looks)
