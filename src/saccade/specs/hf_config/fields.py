"""A checkpoint's own JSON, read strictly: a missing or ill-typed key is named with its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from saccade.core.errors import SaccadeError

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object. ``place`` is where it stands, for messages; ``defaults`` speak where it is silent.

    Checkpoints leave out what equals their class's defaults, so those defaults are part of the law; a value of null
    counts as left out. ``read`` collects the place of every value that was asked for, here and in objects within.
    """

    data: Json
    place: str = "config"
    defaults: Json | None = None
    read: set[str] = field(default_factory=set, compare=False)

    def get(self, name: str) -> object:
        """The value, or the default; None where neither speaks."""
        self.read.add(f"{self.place}.{name}")
        value = self.data.get(name)
        if value is None and self.defaults is not None:
            return self.defaults.get(name)
        return value

    def has(self, name: str) -> bool:
        """Whether a value is given, here or by default."""
        return self.get(name) is not None

    def number(self, *names: str, default: int | None = None) -> int:
        """A whole number, under the first of ``names`` that is given."""
        value = next((self.get(name) for name in names if self.get(name) is not None), default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise SaccadeError(f"{self.place} needs a whole number {names[0]!r}, got {value!r}")
        return value

    def positive(self, *names: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self.number(*names, default=default)
        if value < 1:
            raise SaccadeError(f"{self.place} needs {names[0]!r} of at least 1, got {value}")
        return value

    def real(self, name: str, default: float | None = None) -> float:
        """A number."""
        value = self.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SaccadeError(f"{self.place} needs a number {name!r}, got {value!r}")
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.get(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise SaccadeError(f"{self.place} needs true or false for {name!r}, got {value!r}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A string."""
        value = self.get(name)
        value = default if value is None else value
        if not isinstance(value, str):
            raise SaccadeError(f"{self.place} needs a text {name!r}, got {value!r}")
        return value

    def items(self, name: str) -> Sequence[object]:
        """A list; empty where none is given."""
        value = self.get(name)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise SaccadeError(f"{self.place} needs a list {name!r}, got {value!r}")
        return cast(Sequence[object], value)

    def numbers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        found = self.items(name)
        if not all(isinstance(item, int) for item in found):
            raise SaccadeError(f"{self.place} needs whole numbers in {name!r}, got {list(found)!r}")
        return cast(tuple[int, ...], tuple(found))

    def side(self, name: str, default: int | None = None) -> int:
        """The side of a square, written as a number or as a list of equal ones."""
        value = self.get(name)
        if isinstance(value, list | tuple):
            sides = set(cast(Sequence[object], value))
            if len(sides) != 1:
                raise SaccadeError(f"{self.place} needs a square {name!r}, got {value!r}")
            return Fields({name: sides.pop()}, self.place).positive(name)
        return self.positive(name, default=default)

    def sub(self, name: str, defaults: Json | None = None) -> "Fields":
        """The object under ``name``; an empty one where it is left out, so that defaults speak."""
        value = self.data.get(name)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise SaccadeError(f"{self.place} needs an object {name!r}, got {value!r}")
        return Fields(cast(Json, value), f"{self.place}.{name}", defaults, self.read)

    def like(self, defaults: Json) -> "Fields":
        """The same object with other defaults behind it."""
        return Fields(self.data, self.place, defaults, self.read)
