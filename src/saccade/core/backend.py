"""The contract between policies and models: composed here, hosted from ``transformers``, at a URL, or a third party's.

A backend of one's own subclasses ``Backend`` and gives ``name``, ``caps`` and ``run``. Whatever else it knows of itself
(costs, weights, which requests are alike) it may say too: a table's column stays empty where it does not.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from saccade.core.answer import Answer, Heard
from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.ledger import Ledger
from saccade.core.request import Request, TurnResult
from saccade.core.size import Size
from saccade.core.trace import CostEstimate
from saccade.core.view import Layout, View

Observation = Answer | float | TurnResult | tuple[AttentionMap, ...]
"""What a request is answered with: ``Ask``, ``YesNo``, ``Conversation`` and ``Watch`` in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A request about an opened picture (upright, RGB); equal ``key``s mean equal pictures."""

    key: Hashable
    image: Image.Image
    request: Request


@dataclass(frozen=True, slots=True, eq=False)
class JobResult:
    """What came of a job: the observation, the ``views`` that were seen (source pixels), and how many visual tokens and
    positions in total the model says it read (None where it does not).

    ``seconds`` is what the job took where the model knows better than a clock around the batch: work that a memory
    shared with other models did is counted. ``counted`` are its FLOPs (see ``Backend.counted``) where they were counted
    already.
    """

    observation: Observation
    views: tuple[View, ...]
    visual_tokens: int | None
    tokens: int | None
    seconds: float | None = None
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """Parameters of a model, and the bytes that they take."""

    params: int
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """What a request shows, for drawing: the ``layout`` of its picture and the ``ledger`` of the tokens that are read.

    ``watched`` is the share of learned queries' attention that each of the ledger's cells gets, None where nothing
    looks; ``path`` are the places that were fixated, in their order; ``regions`` what the picture was taken apart into.
    """

    layout: Layout
    ledger: Ledger
    watched: np.ndarray | None = None
    path: tuple[Box, ...] = ()
    regions: tuple[Box, ...] = ()


class Backend(ABC):
    """A model that policies drive. Equal jobs get equal answers in float32, whatever else is in their batch."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What traces and errors call it."""

    @property
    @abstractmethod
    def caps(self) -> Cap:
        """What it can do."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """All jobs of one bucket as one batch."""

    def stream(self, jobs: Sequence[Job], heard: Heard | None = None) -> list[JobResult]:
        """The same, calling ``heard`` with each answer as it grows; never called where answers come in one piece."""
        del heard
        return self.run(jobs)

    def spelt(self, answer: Answer) -> tuple[str, ...]:
        """Each token of an ``answer`` as text: unless the model knows better, the likeliest alternative in its place,
        where those were asked for.
        """
        return tuple(place[0][0] for place in answer.top)

    @property
    def remote(self) -> bool:
        """Whether jobs wait elsewhere, so that they run side by side on threads, one a call."""
        return False

    def close(self) -> None:  # noqa: B027 (most backends hold nothing)
        """Give back what is held outside this process, such as connections; nothing unless a subclass says so."""

    @property
    def fingerprint(self) -> str | None:
        """Text that is equal for models that answer alike, under which answers are kept; None: they are not kept."""
        return None

    @property
    def weights(self) -> Weights | None:
        """How many parameters it has; None where nobody knows."""
        return None

    @property
    def device(self) -> str:
        """Where it runs, such as ``cpu`` or ``cuda:0``."""
        return "unknown"

    @property
    def dtype(self) -> str:
        """The type of numbers that it computes in, such as ``bfloat16``."""
        return "unknown"

    @property
    def fidelity(self) -> str:
        """How near it is to what was published: exact, faithful, survey, or hosted (its own code, untouched)."""
        return "hosted"

    @property
    def provenance(self) -> str:
        """One sentence on where it comes from and how it was trained."""
        return f"{self.name}, as given"

    def price(self, size: Size, request: Request) -> CostEstimate:
        """What ``request`` costs about a picture of ``size``. Raises SaccadeError for what cannot be asked."""
        del size, request
        return CostEstimate(None, None, None, None)

    def views(self, size: Size) -> tuple[View, ...]:
        """How a whole picture of ``size`` is viewed; empty where nobody knows."""
        del size
        return ()

    def counted(self, size: Size, request: Request, read: int | None) -> int | None:
        """FLOPs of ``request`` as torch counts them, ``read`` visual tokens being read; None where nobody counts."""
        del size, request, read
        return None

    def begin(self) -> None:  # noqa: B027 (most models have nothing to do here)
        """Called when a policy begins to run: what the runs before shared is charged again."""

    def learn(self, size: Size, request: Request, visual_tokens: int) -> None:
        """Called with what an earlier run read of a picture of ``size``; for models that know no law of their own."""
        del size, request, visual_tokens

    def describe(self, job: Job) -> Description | None:
        """What a job's request shows, for drawing; None where nothing is known of it."""
        del job
        return None

    def bucket(self, size: Size, request: Request) -> Hashable:
        """Requests with equal buckets run well as one batch: those of one kind, unless told otherwise."""
        del size
        return type(request).__name__

    def same(self, size: Size, request: Request) -> Hashable:
        """Requests about one picture for which this is equal are answered alike, so that one answer does for all."""
        del size
        return request
