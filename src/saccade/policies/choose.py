"""Which of several answers stands: the surest, by what each model says of its own (perplexity, told as a probability).

Source  DualFocus, arXiv:2402.14767, compares the whole picture's answer with the crop's this way; that answers which
        are given several times add up is the vote over crops.
"""

from collections import defaultdict
from collections.abc import Sequence

from saccade.policies.base import Outcome
from saccade.policies.calibration.confidence import plain


def surest(outcomes: Sequence[Outcome], *, vote: bool = True) -> Outcome:
    """The outcome that is surest; with ``vote`` the surest of those whose answer is, in sum over all that give it.

    Answers that nothing tells of count 1 each. Of equals the first stands.
    """
    sums: dict[str, float] = defaultdict(float)
    for one in outcomes:
        sums[plain(one.answer.text)] += _weight(one)
    return max(outcomes, key=lambda one: (sums[plain(one.answer.text)] if vote else 0.0, _weight(one)))


def _weight(outcome: Outcome) -> float:
    return 1.0 if outcome.confidence is None else outcome.confidence
