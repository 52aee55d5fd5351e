"""An exam whose questions end in a hint of how to answer them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from saccade.core.size import Size
from saccade.tasks.exam import BenchmarkImage, Exam, Question


def hinted(exam: Exam, hint: str) -> Exam:
    """``exam`` with ``hint`` behind every question, parted by a space; as it is without one. Its name says so."""
    return Hinted(exam, hint.strip()) if hint.strip() else exam


@dataclass(frozen=True)
class Hinted:
    """See ``hinted``."""

    exam: Exam
    hint: str

    @property
    def name(self) -> str:
        """The exam's, and the hint."""
        return f"{self.exam.name}, asked with {self.hint!r}"

    def __len__(self) -> int:
        return len(self.exam)

    def __iter__(self) -> Iterator[BenchmarkImage]:
        return (_HintedPicture(picture, self.hint) for picture in self.exam)


@dataclass(frozen=True)
class _HintedPicture:
    picture: BenchmarkImage
    hint: str

    @property
    def name(self) -> str:
        return self.picture.name

    @property
    def size(self) -> Size:
        return self.picture.size

    @property
    def questions(self) -> Sequence[Question]:
        return tuple(replace(question, text=f"{question.text} {self.hint}") for question in self.picture.questions)

    def image(self) -> Image.Image:
        return self.picture.image()
