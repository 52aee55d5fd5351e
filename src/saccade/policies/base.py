"""What a policy is: a generator that looks, reads, and decides whether and where to look next."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from PIL import Image

from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.backend import Observation
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.request import Ask, Conversation, ImageRegion, Request, TurnResult, Watch, YesNo
from saccade.core.size import Size
from saccade.core.trace import Trace


@runtime_checkable
class PolicyImage(Protocol):
    """What is looked at: its ``size`` is known before ``image`` opens or draws it, upright and RGB."""

    @property
    def size(self) -> Size:
        """Pixels once upright."""
        ...

    def image(self) -> Image.Image:
        """Open or draw it."""
        ...


@dataclass(frozen=True, eq=False)
class Sample:
    """One question about one picture; equal ``key``s mean equal pictures. ``budget`` is the visual tokens that all its
    looks may take, None for any; an answer is ``max_tokens`` long at most.
    """

    picture: PolicyImage
    question: str
    key: Hashable
    budget: int | None = None
    max_tokens: int = 64


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """A sample as a policy sees it: the ``question``, the picture's ``size``, which ``model`` is meant ("" for the
    first), what each on the bench can do, and how many tokens an answer may take.
    """

    question: str
    size: Size
    bench: Mapping[str, Cap]
    model: str = ""
    max_tokens: int = 64

    @property
    def whole(self) -> Box:
        """All of the picture."""
        return Box.of(self.size)

    @property
    def caps(self) -> Cap:
        """What the model that is meant can do."""
        return self.bench[self.model]

    def on(self, model: str) -> "PolicyInput":
        """The same, meaning another model."""
        return replace(self, model=model)

    def look(self, *sights: ImageRegion, reason: str) -> Ask:
        """The question itself, about these sights."""
        return Ask(sights=sights, question=self.question, max_tokens=self.max_tokens, model=self.model, reason=reason)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a policy makes of its looks: the ``answer``, how sure it is (from 0 to 1, None where nothing tells), the
    ``boxes`` that it took for the evidence, and the ``heat`` that led there. One that ``abstains`` gives its best
    guess. ``level`` is the rung of a ladder whose answer it is, counted from 1.
    """

    answer: Answer
    confidence: float | None = None
    boxes: tuple[Box, ...] = ()
    heat: AttentionMap | None = None
    abstains: bool = False
    level: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """An outcome with the trace of how it came about; ``error`` says what stopped it, where something did."""

    outcome: Outcome
    trace: Trace
    error: str | None = None


T = TypeVar("T")
Step = Generator[Request, Observation, T]
"""Yields what it wants to be shown and told, receives observations, returns what it makes of them."""
Run = Step[Outcome]
"""All steps of a question."""


def ask(request: Ask) -> Step[Answer]:
    """Its answer."""
    return (yield from _step(request, Answer))


def chance(request: YesNo) -> Step[float]:
    """How likely yes is."""
    return (yield from _step(request, float))


def watch(request: Watch) -> Step[tuple[AttentionMap, ...]]:
    """A map a question."""
    return (yield from _step(request, tuple))


def talk(request: Conversation) -> Step[TurnResult]:
    """How the conversation went on."""
    return (yield from _step(request, TurnResult))


def _step(request: Request, kind: type[T]) -> Step[T]:
    found = yield request
    assert isinstance(found, kind), f"a {type(request).__name__} was answered with a {type(found).__name__}"
    return found


class BudgetSpent(Exception):
    """Thrown into a policy whose next look would exceed its budget: it answers with what it has, or looks at less."""


class Policy(ABC):
    """A frozen dataclass of parameters with a ``run``."""

    @property
    @abstractmethod
    def requires(self) -> Mapping[str, Cap]:
        """What it takes at the least of every model that it names; "" is the one that it is run with."""

    @abstractmethod
    def run(self, asked: PolicyInput) -> Run:
        """One question's looks."""
