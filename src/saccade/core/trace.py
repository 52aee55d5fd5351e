"""The trace of an answer: each look with what it saw, cost and said."""

from dataclasses import dataclass, field

from saccade.core.answer import Answer
from saccade.core.request import Request
from saccade.core.view import View


@dataclass(frozen=True, slots=True)
class Price:
    """What a request is predicted to cost: nothing is run.

    ``tokens`` are all positions that are read, the visual ones among them; ``flops`` and ``bytes`` (what it holds while
    it runs) are None where nobody can know, as of an endpoint.
    """

    visual_tokens: int | None
    tokens: int | None
    flops: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """One request as it was run: the ``views`` that the model saw (source pixels of the picture), what was predicted,
    and what was measured: visual tokens and positions as the model read them, and its share of the batch's
    milliseconds.

    ``said`` is the answer, where it was one; ``confidence`` what the policy made of it.
    """

    request: Request
    model: str
    views: tuple[View, ...]
    predicted: Price
    visual_tokens: int | None
    tokens: int | None
    ms: float
    said: Answer | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """All looks of an answer, in order."""

    looks: tuple[Look, ...] = field(default_factory=tuple)

    @property
    def visual_tokens(self) -> int:
        """Visual tokens read over all looks; those of looks that nobody counted apart."""
        return sum(look.visual_tokens or 0 for look in self.looks)

    @property
    def flops(self) -> int | None:
        """Predicted FLOPs of all looks, None where one's are unknown."""
        known = [look.predicted.flops for look in self.looks]
        return None if None in known else sum(flops for flops in known if flops is not None)

    @property
    def ms(self) -> float:
        """Milliseconds of all looks."""
        return sum(look.ms for look in self.looks)
