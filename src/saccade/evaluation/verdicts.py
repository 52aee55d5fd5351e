"""Verdicts: each policy against the single looks that it has to beat, and the cheapest budget within a stated loss."""

from collections.abc import Sequence

from saccade.evaluation.policies import PairedDifference, Verdict
from saccade.evaluation.results import Cheapest
from saccade.evaluation.runner import PosedQuestion
from saccade.evaluation.scoring import Entry, scored
from saccade.evaluation.statistics.intervals import Interval, paired

ROUNDING = 1e-12
"""By how much sums of scores may miss the loss that was named."""


def verdict(entry: Entry, asked: Sequence[PosedQuestion], singles: Sequence[Entry]) -> Verdict:
    """A policy against the single looks ``singles``, of which the first reads all tokens.

    Several looks have to beat a smaller picture with at least as many tokens as they took, or the whole picture where
    they took more; and the best single look with no more.
    """
    tokens = entry.visual_tokens
    resized = [one for one in singles if one.candidate.title == "resize" and one.visual_tokens >= tokens]
    least = min((one.visual_tokens for one in resized), default=None)
    equal = [one for one in resized if one.visual_tokens == least] or [singles[0]]
    within = [one for one in singles if not one.baseline and one.visual_tokens <= tokens + 0.5]
    return Verdict(
        reader=entry.candidate.model,
        policy=entry.candidate.title,
        visual_tokens=tokens,
        looks=entry.looks,
        resize=_against(entry, asked, equal),
        best=_against(entry, asked, within),
    )


def cheapest_within(whole: Entry, others: Sequence[Entry], asked: Sequence[PosedQuestion], loss: float) -> Cheapest:
    """The row of fewest tokens whose mean score is at most ``loss`` (a fraction) below that of ``whole``.

    ``others`` are rows of the same model. Those that take fewer tokens than ``whole`` are candidates; ``whole`` itself
    is the answer where none of them keeps within the loss. The paired difference is over all questions and the first
    training seed. ``proved`` where all of its interval lies within the loss.

    Optimistic: the cheapest of several rows is chosen by its mean, so a row that was lucky is chosen more often than
    one that was not, and the interval (95 %, of this row alone) does not correct for that. Further questions, asked at
    this setting alone, give an interval without that bias.
    """
    cheaper = sorted(
        (one for one in others if one.visual_tokens < whole.visual_tokens), key=lambda one: one.visual_tokens
    )
    for entry in cheaper:
        found = _overall(entry, whole, asked)
        if found.mean >= -loss - ROUNDING:
            proved = found.low is not None and found.low >= -loss - ROUNDING
            return _cheapest(entry, loss, found, proved, len(cheaper))
    return _cheapest(whole, loss, Interval(0.0, None, None), True, len(cheaper))


def _cheapest(entry: Entry, loss: float, found: Interval, proved: bool, among: int) -> Cheapest:
    return Cheapest(
        reader=entry.candidate.model,
        policy=entry.candidate.title,
        budget=entry.candidate.budget,
        visual_tokens=entry.visual_tokens,
        loss=loss,
        difference=found.mean,
        ci95=found.ends,
        proved=proved,
        among=among,
    )


def _overall(entry: Entry, whole: Entry, asked: Sequence[PosedQuestion]) -> Interval:
    """The paired difference over all questions, of whatever kind."""
    return paired(entry.first, whole.first, [one.picture.name for one in asked])


def _against(entry: Entry, asked: Sequence[PosedQuestion], candidates: Sequence[Entry]) -> PairedDifference | None:
    """The difference to whichever of the candidates scores most."""
    if not candidates:
        return None
    best = max(candidates, key=lambda one: float(one.first.sum()))
    found = scored(entry.first, best.first, asked).difference
    return PairedDifference(
        best.candidate.model, best.candidate.title, best.visual_tokens, found.detail, found.gist, found.own
    )
