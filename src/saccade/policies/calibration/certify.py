"""Thresholds with a guarantee, or an honest refusal.

Of answers that are accepted, at most a share ``risk`` is wrong, with a chance of at least 1 - ``doubt`` over the draw
of the labelled answers, as long as new ones come from where those came from (are exchangeable with them).

Source  Learn then Test (arXiv:2110.01052) with a fixed sequence: coverages from few to all, fixed before any label is
        looked at, each tested by the exact binomial bound of Clopper and Pearson; the walk ends where one fails.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.core.errors import SaccadeError

COVERAGES = tuple(round(0.2 + 0.05 * step, 2) for step in range(17))
"""Shares of all answers that may be accepted, tested in this order."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Answers with a score of at least ``threshold`` are accepted: ``coverage`` of the ``labels`` were, ``wrong`` of
    those not right, and ``bound`` is what their share stays below.
    """

    threshold: float
    risk: float
    doubt: float
    coverage: float
    wrong: int
    accepted: int
    labels: int
    bound: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """No threshold is certain enough. ``why`` says so in words; ``needed`` is how many labels it takes at the least."""

    risk: float
    doubt: float
    labels: int
    needed: int
    why: str


def certify(
    scores: Sequence[float], right: Sequence[bool], *, risk: float, doubt: float = 0.05
) -> Certificate | Refusal:
    """The lowest threshold that keeps the promise. Raises SaccadeError for a risk or doubt outside 0 to 1."""
    if not 0 < risk < 1 or not 0 < doubt < 1:
        raise SaccadeError(f"risk and doubt lie between 0 and 1, got {risk} and {doubt}")
    if len(scores) != len(right):
        raise SaccadeError(f"{len(scores)} scores but {len(right)} marks; give one each")
    values, wrong = np.asarray(scores, dtype=float), ~np.asarray(right, dtype=bool)
    labels, least = len(values), fewest(risk, doubt)
    if labels < least:
        why = f"{labels} labels cannot certify a risk of {risk:g} even if all were right; it takes at least {least}"
        return Refusal(risk, doubt, labels, least, why)
    order = np.sort(values)[::-1]
    best: Certificate | None = None
    tried = ""
    for coverage in COVERAGES:
        threshold = float(order[min(labels, math.ceil(coverage * labels)) - 1])
        taken = values >= threshold
        accepted, mistakes = int(taken.sum()), int(wrong[taken].sum())
        bound = upper(mistakes, accepted, doubt)
        if bound > risk:
            tried = f"of the {accepted} surest answers {mistakes} are wrong, so up to {bound:.1%} may be"
            break
        best = Certificate(threshold, risk, doubt, accepted / labels, mistakes, accepted, labels, bound)
    if best is not None:
        return best
    first = math.ceil(least / COVERAGES[0])
    needed = max(first, labels + 1) if labels < first else 2 * labels
    return Refusal(risk, doubt, labels, needed, f"{tried}, more than the {risk:.1%} promised; try {needed} labels")


def fewest(risk: float, doubt: float) -> int:
    """Labels that it takes at the least: all accepted, and none of them wrong."""
    return math.ceil(math.log(doubt) / math.log1p(-risk))


def upper(wrong: int, accepted: int, doubt: float) -> float:
    """The Clopper-Pearson bound: the share of mistakes at which so few are as unlikely as ``doubt``."""
    if not 0 <= wrong <= accepted or accepted < 1:
        raise SaccadeError(f"a bound needs 0 ≤ wrong ≤ accepted and 1 accepted, got {wrong} of {accepted}")
    if wrong == accepted:
        return 1.0
    counts = np.arange(wrong + 1)
    factorials = np.concatenate([[0.0], np.log(np.arange(1, accepted + 1)).cumsum()])  # their logarithms
    ways = factorials[accepted] - factorials[counts] - factorials[accepted - counts]
    low, high = wrong / accepted, 1.0
    for _ in range(42):
        middle = (low + high) / 2
        fewer = np.exp(ways + counts * math.log(middle) + (accepted - counts) * math.log1p(-middle)).sum()
        low, high = (middle, high) if fewer > doubt else (low, middle)
    return high
