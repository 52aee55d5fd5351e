"""How sure an answer sounds: features of its log-probabilities."""

import math
from dataclasses import dataclass

from saccade.core.answer import Answer


def certainty(answer: Answer) -> float | None:
    """The probability of the whole answer as it was said; None where the model does not tell."""
    return math.exp(answer.logprob) if answer.logprobs else None


@dataclass(frozen=True, slots=True)
class Features:
    """What a calibration may go by.

    ``total``, ``mean`` and ``least`` are of the tokens' log-probabilities; ``margin`` is the first token's probability
    less that of the next likeliest, ``entropy`` (nats) that of its alternatives, what is not listed being one of them;
    ``tokens`` counts; ``change`` is how much the probability grew since the look before, and ``agrees`` whether that
    said the same (1 without one before).
    """

    total: float
    mean: float
    least: float
    margin: float
    entropy: float
    tokens: int
    change: float
    agrees: float

    @classmethod
    def of(cls, answer: Answer, before: Answer | None = None) -> "Features | None":
        """Of an answer with log-probabilities; None without."""
        if not answer.logprobs:
            return None
        total = answer.logprob
        margin, entropy = _first(answer)
        earlier = 0.0 if before is None or not before.logprobs else math.exp(before.logprob)
        agrees = 1.0 if before is None else float(same(answer, before))
        return cls(
            total=total,
            mean=total / len(answer.logprobs),
            least=min(answer.logprobs),
            margin=margin,
            entropy=entropy,
            tokens=len(answer.logprobs),
            change=math.exp(total) - earlier,
            agrees=agrees,
        )


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers say the same, blind to case and outer spaces and full stops."""
    return plain(one.text) == plain(other.text)


def plain(text: str) -> str:
    """``text`` without what makes no difference."""
    return text.strip().strip(".").strip().casefold()


def _first(answer: Answer) -> tuple[float, float]:
    """Margin and entropy of the first token."""
    if not answer.top:
        chance = math.exp(answer.logprobs[0])
        listed = [chance]
    else:
        listed = sorted((math.exp(logprob) for _, logprob in answer.top[0]), reverse=True)
    missing = max(0.0, 1.0 - sum(listed))
    # Without a list the runner-up is at most what is missing.
    margin = listed[0] - (listed[1] if len(listed) > 1 else missing)
    return margin, -sum(chance * math.log(chance) for chance in (*listed, missing) if chance > 0)
