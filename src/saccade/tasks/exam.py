"""What an exam is made of: pictures with questions, answers and the evidence for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from PIL import Image

from saccade.core.box import Box
from saccade.core.size import Size

Scale = Literal["detail", "gist", "own"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one picture.

    ``kind`` groups questions of one type; ``scale`` says what answering takes: ``detail`` (a small
    place), ``gist`` (the whole), or ``own`` (a user's question, unknown). Any of ``answers`` is
    right. ``evidence`` are the boxes, in source pixels, that hold the answer; ``glyph`` is the
    height of the print to be read in source pixels, 0 where nothing is read. ``metric`` names how an answer is judged,
    empty for the benchmark's own; ``choices`` are the texts that the letters A, B, C … stand for. The question is asked
    as ``text`` has it: choices are not appended.
    """

    text: str
    answers: tuple[str, ...]
    kind: str
    scale: Scale
    evidence: tuple[Box, ...] = ()
    glyph: float = 0.0
    metric: str = ""
    choices: tuple[str, ...] = ()


@runtime_checkable
class BenchmarkImage(Protocol):
    """A picture with its questions; ``image`` opens or draws it, upright and RGB."""

    @property
    def name(self) -> str:
        """Tells it from the other pictures of its exam."""
        ...

    @property
    def size(self) -> Size:
        """Pixels once upright; asking may open or draw the picture."""
        ...

    @property
    def questions(self) -> Sequence[Question]:
        """What is asked about it, in order."""
        ...

    def image(self) -> Image.Image:
        """Open or draw it."""
        ...


@runtime_checkable
class Exam(Protocol):
    """A named, versioned run of pictures."""

    @property
    def name(self) -> str:
        """Names the pictures and their version; stands in every result."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[BenchmarkImage]: ...


def is_right(given: str, answers: Sequence[str]) -> bool:
    """Whether ``given`` equals one of ``answers``, blind to case and outer spaces and full stops."""
    plain = given.strip().strip(".").casefold()
    return any(plain == answer.strip().strip(".").casefold() for answer in answers)
