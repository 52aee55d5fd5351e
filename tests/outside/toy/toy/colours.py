"""A benchmark: pictures of one colour, which is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from saccade.core.size import Size
from saccade.tasks.exam import Question


@dataclass(frozen=True)
class Plain:
    """A picture of one colour."""

    name: str

    @property
    def size(self) -> Size:
        """Pixels."""
        return Size(96, 64)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Its colour."""
        return (Question("What color is the background?", (self.name,), kind="background", scale="gist"),)

    def image(self) -> Image.Image:
        """Draw it."""
        return Image.new("RGB", (self.size.width, self.size.height), self.name)


class Colours:
    """Four of them."""

    name = "toy-colours/1"

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[Plain]:
        return map(Plain, ("white", "blue", "green", "red"))
