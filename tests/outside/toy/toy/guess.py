"""A backend: a model that always says the same, ``toy/guess`` white and ``toy/guess:blue`` blue."""

from collections.abc import Sequence

from saccade.core.answer import Answer
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.caps import Cap


class Guess(Backend):
    """Says ``word``; what stands behind the colon of its name is handed in here."""

    def __init__(self, word: str) -> None:
        self.word = word or "white"

    @property
    def name(self) -> str:
        """In tables."""
        return "guess"

    @property
    def caps(self) -> Cap:
        """It answers."""
        return Cap.GENERATE

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """The same to every question."""
        return [JobResult(Answer(self.word), (), visual_tokens=0, tokens=None) for _ in jobs]
