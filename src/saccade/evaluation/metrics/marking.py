"""Marking: which metric judges an answer, and which part of the reply it is shown."""

import math
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.evaluation.metrics.extraction import AUTO, extraction
from saccade.evaluation.metrics.named import Metric, metric, name_of
from saccade.tasks.exam import Question


@dataclass(frozen=True, slots=True)
class MarkedReply:
    """The ``score`` of one reply (0 to 1), and what was ``read`` of it; where nothing was, ``note`` says why."""

    score: float
    read: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Marking:
    """A ``metric`` (a name or a function; None is ``exact``) and an ``extraction`` by name.

    ``auto`` is the extraction that belongs to the metric: ``choice`` for choice, ``number`` for relaxed, ``box`` for
    iou, none for the others. A question that names a metric is judged by that one. Raises SaccadeError for unknown
    names.
    """

    metric: str | Metric | None = None
    extraction: str = "auto"

    def __post_init__(self) -> None:
        metric(self._default)
        if self.extraction != "auto":
            extraction(self.extraction)

    @property
    def name(self) -> str:
        """The metric, and the extraction in brackets where there is one: ``exact``, ``relaxed (number)``.

        A function is named by its module and name, so two versions of one function share a name.
        """
        return self._named(self._default)

    def name_for(self, question: Question) -> str:
        """``name``, of the metric that judges ``question``."""
        return self._named(question.metric or self._default)

    def mark(self, said: str, question: Question) -> MarkedReply:
        """Judge a reply. Nothing extracted is a score of 0.

        Raises SaccadeError for a question that its metric cannot judge, for a score outside 0 to 1, and for a metric
        that fails.
        """
        chosen = question.metric or self._default
        judge = metric(chosen)
        read = extraction(self._extraction(chosen))(said, question)
        if read.note:
            _score(judge, chosen, "", question)  # refuses a question that cannot be judged, whatever was said
            return MarkedReply(0.0, read.text, read.note)
        return MarkedReply(_score(judge, chosen, read.text, question), read.text)

    def check(self, question: Question) -> None:
        """Raise SaccadeError where the metric is unknown or cannot judge ``question``, before anything is asked."""
        self.mark("", question)

    @property
    def _default(self) -> str | Metric:
        return "exact" if self.metric is None else self.metric

    def _extraction(self, chosen: str | Metric) -> str:
        return AUTO.get(name_of(chosen), "none") if self.extraction == "auto" else self.extraction

    def _named(self, chosen: str | Metric) -> str:
        used = self._extraction(chosen)
        return name_of(chosen) if used == "none" else f"{name_of(chosen)} ({used})"


def _score(judge: Metric, chosen: str | Metric, read: str, question: Question) -> float:
    """The score as a number of Python's, whatever counts as one (a truth value, a scalar of numpy)."""
    try:
        score = judge(read, question)
    except SaccadeError:
        raise
    except Exception as error:
        raise SaccadeError(
            f"the metric {name_of(chosen)} raised {type(error).__name__}: {error}; it takes the text of an answer and "
            "the question, and gives a score of 0 to 1"
        ) from error
    try:
        value = math.nan if isinstance(score, str) else float(score)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= 1:
        raise SaccadeError(
            f"the metric {name_of(chosen)} gave {score!r:.60}, expected a number from 0 to 1; correct the metric"
        )
    return value
