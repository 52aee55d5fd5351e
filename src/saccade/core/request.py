"""What a policy asks for: a model is shown something and answers, or shows where it looked."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from saccade.core.answer import Answer
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.selection import TokenSelection


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """A picture as a model is shown it: the ``box`` of it (source pixels, None for all), shrunk where its longer side
    exceeds ``side`` pixels, with a frame drawn around ``mark``.

    With ``tokens`` it is instead resized, its aspect kept, to the largest size that takes at most so many visual
    tokens: by a model that has ``Cap.RESIZE``, which knows the size.
    """

    box: Box | None = None
    side: int | None = None
    mark: Box | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.tokens is not None and self.tokens < 1:
            raise SaccadeError(f"a picture is shown in at least 1 visual token, got {self.tokens}")
        if self.tokens is not None and self.side is not None:
            raise SaccadeError(f"a picture is resized to a side or to tokens, got {self.side} px and {self.tokens}")
        if self.side is not None and self.side < 1:
            raise SaccadeError(f"a sight is at least 1 px long, got {self.side}")
        if self.box is not None and self.box.area <= 0:
            raise SaccadeError(f"a sight needs some source pixels, got the box {self.box.sides}")


WHOLE = ImageRegion()
"""All of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What all requests hold: the ``sights``, which of the policy's models is meant ("" for the first), and why."""

    sights: tuple[ImageRegion, ...] = (WHOLE,)
    model: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Request):
    """Answer ``question`` in at most ``max_tokens``, greedily, and tell ``top`` alternatives for each token where the
    model can: observed as an ``Answer``. A text question has no sights; ``keep`` says which of their tokens are read,
    None for all.
    """

    question: str
    max_tokens: int = 8
    top: int = 5
    keep: TokenSelection | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        _check_lengths(max_tokens=self.max_tokens, top=self.top)


@dataclass(frozen=True, slots=True, kw_only=True)
class YesNo(Request):
    """How likely yes is, against no, as the answer to ``question``: observed as a number from 0 to 1."""

    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Request):
    """Where the model looks while it reads each of ``questions`` about one sight: a tuple of ``AttentionMap``.

    It is what words see: ``targets`` are words that stand in each question, "" (the default) for its last token. By
    ``attention`` it is how much they attend to each visual token, a mean over the layers; by ``values`` how alike its
    cached values are to theirs, a geometric mean over the layers. ``layers`` are shares of the depth, None for the
    middle third (attention) and the second half (values).
    """

    questions: tuple[str, ...]
    by: Literal["attention", "values"] = "attention"
    targets: tuple[str, ...] = ()
    layers: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.sights) != 1:
            raise SaccadeError(f"where a model looks is watched on 1 sight, got {len(self.sights)}")
        if self.targets and len(self.targets) != len(self.questions):
            raise SaccadeError(f"{len(self.questions)} questions but {len(self.targets)} targets; give one each")
        if self.layers is not None and not 0 <= self.layers[0] < self.layers[1] <= 1:
            raise SaccadeError(f"layers are shares of the depth, 0 ≤ from < to ≤ 1, got {self.layers}")

    @property
    def words(self) -> tuple[str, ...]:
        """The target of each question, "" for its last token."""
        return self.targets or ("",) * len(self.questions)

    def depths(self, depth: int) -> range:
        """The layers that are meant, of ``depth``; at least one."""
        low, high = self.layers or ((1 / 3, 2 / 3) if self.by == "attention" else (0.5, 1.0))
        first = min(int(low * depth), depth - 1)
        return range(first, max(first + 1, ceil(high * depth)))


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model calls the function ``name`` with ``arguments`` (JSON) under the call's ``id``."""

    name: str
    arguments: str
    id: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; a tool's turn answers the ``call``, an assistant's may make one."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    sights: tuple[ImageRegion, ...] = ()
    call: ToolCall | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call: its ``parameters`` are a JSON schema, as text."""

    name: str
    description: str
    parameters: str

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation(Request):
    """Go on with a conversation, in which ``tools`` may be called: observed as ``TurnResult``.

    Its sights are its turns'.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    max_tokens: int = 256

    def __post_init__(self) -> None:
        check_fields(self)
        _check_lengths(max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How a conversation went on: an ``answer``, or a ``call`` with what was said before it."""

    answer: Answer
    call: ToolCall | None = None


def _check_lengths(max_tokens: int, top: int = 0) -> None:
    """Raises SaccadeError for an answer of no tokens, or fewer than no alternatives."""
    if max_tokens < 1:
        raise SaccadeError(f"an answer takes at least 1 token, got max_tokens {max_tokens}")
    if top < 0:
        raise SaccadeError(f"top is at least 0 alternatives, got {top}")


def shown(request: Request) -> tuple[ImageRegion, ...]:
    """Every sight that a request shows, in order."""
    if isinstance(request, Conversation):
        return tuple(sight for turn in request.turns for sight in turn.sights)
    return request.sights


def kept(request: Request) -> TokenSelection | None:
    """Which visual tokens a request reads, None for all."""
    return request.keep if isinstance(request, Ask) else None


def needs(request: Request) -> Cap:
    """What a request takes of a model."""
    many = Cap.MULTI_IMAGE if len(shown(request)) > 1 else Cap(0)
    many |= Cap.RESIZE if any(sight.tokens is not None for sight in shown(request)) else Cap(0)
    match request:
        case Ask(keep=keep):
            some = Cap(0) if keep is None else Cap.KEEP | Cap.POSITIONS
            return many | some | Cap.GENERATE | (Cap(0) if request.sights else Cap.INSTRUCT)
        case YesNo():
            return many | Cap.GENERATE | Cap.INSTRUCT
        case Conversation():
            return many | Cap.GENERATE | Cap.INSTRUCT | (Cap.TOOLS if request.tools else Cap(0))
        case Watch(by="attention"):
            return Cap.ATTN_LM
        case Watch():
            return Cap.KV_READ
        case _:
            raise TypeError(f"no model knows of {type(request).__name__}")
