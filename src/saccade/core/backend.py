"""The contract between policies and models, whether composed, hosted or behind an endpoint."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PIL import Image

from saccade.core.answer import Answer
from saccade.core.caps import Cap
from saccade.core.heat import Heat
from saccade.core.request import Request, Said
from saccade.core.size import Size
from saccade.core.trace import Price
from saccade.core.view import View

Observation = Answer | float | Said | tuple[Heat, ...]
"""What a request is answered with: ``Ask``, ``YesNo``, ``Talk`` and ``Watch`` in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A request about an opened picture (upright, RGB); equal ``key``s mean equal pictures."""

    key: Hashable
    image: Image.Image
    request: Request


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What came of a job: the observation, the ``views`` that were seen (source pixels), and how many visual tokens and
    positions in all the model says it read (None where it does not).
    """

    observation: Observation
    views: tuple[View, ...]
    visual_tokens: int | None
    tokens: int | None


@runtime_checkable
class Backend(Protocol):
    """A model that policies drive. Equal jobs get equal answers in float32, whatever else is in their batch."""

    @property
    def name(self) -> str:
        """What traces and errors call it."""
        ...

    @property
    def caps(self) -> Cap:
        """What it can do."""
        ...

    @property
    def remote(self) -> bool:
        """Whether jobs wait elsewhere, so that they run side by side on threads, one a call."""
        ...

    def price(self, size: Size, request: Request) -> Price:
        """What ``request`` costs about a picture of ``size``. Raises SaccadeError for what cannot be asked."""
        ...

    def bucket(self, size: Size, request: Request) -> Hashable:
        """Requests with equal buckets run well as one batch."""
        ...

    def same(self, size: Size, request: Request) -> Hashable:
        """Requests about one picture for which this is equal are answered alike, so that one answer does for all."""
        ...

    def run(self, jobs: Sequence[Job]) -> list[Seen]:
        """All jobs of one bucket as one batch."""
        ...
