"""The trace of an answer: each look with what it saw, cost and said."""

from dataclasses import dataclass, field

from saccade.core.answer import Answer
from saccade.core.request import Request
from saccade.core.view import View


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a request is predicted to cost: nothing is run.

    ``tokens`` are all positions that are read, the visual ones among them, ``slots`` those that pictures add; ``flops``
    and ``bytes`` (what it holds while it runs) are None where nobody can know, as of an endpoint. Of models whose
    tokens are made by what is on the picture, a selection's are upper bounds.
    """

    visual_tokens: int | None
    tokens: int | None
    flops: int | None
    bytes: int | None
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One request as it was run: the ``views`` that the model saw (source pixels of the picture), what was predicted,
    and what was measured: visual tokens and positions as the model read them, and its share of the batch's
    milliseconds.

    ``said`` is the answer, where it was one; ``confidence`` how sure that is, or how likely yes where that was asked.
    """

    request: Request
    model: str
    views: tuple[View, ...]
    predicted: CostEstimate
    visual_tokens: int | None
    tokens: int | None
    ms: float
    said: Answer | None = None
    confidence: float | None = None

    @property
    def taken(self) -> int:
        """What it took of a budget: its visual tokens, or all positions where nobody told those of pictures apart."""
        return (self.tokens or 0) if self.visual_tokens is None else self.visual_tokens


@dataclass(frozen=True, slots=True)
class Trace:
    """All looks of an answer, in order."""

    looks: tuple[Look, ...] = field(default_factory=tuple)

    @property
    def visual_tokens(self) -> int | None:
        """Visual tokens read over all looks, None where nobody told one's apart."""
        known = [look.visual_tokens for look in self.looks]
        return None if None in known else sum(tokens for tokens in known if tokens is not None)

    @property
    def taken(self) -> int:
        """What all looks took of a budget."""
        return sum(look.taken for look in self.looks)

    @property
    def flops(self) -> int | None:
        """Predicted FLOPs of all looks, None where one's are unknown."""
        known = [look.predicted.flops for look in self.looks]
        return None if None in known else sum(flops for flops in known if flops is not None)

    @property
    def ms(self) -> float:
        """Milliseconds of all looks."""
        return sum(look.ms for look in self.looks)
