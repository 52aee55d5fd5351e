"""Width and height in pixels."""

import math
from dataclasses import dataclass

from saccade.core.errors import SaccadeError


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """A picture's or a view's ``width`` × ``height`` in whole pixels, each at least 1."""

    width: int
    height: int

    def __post_init__(self) -> None:
        try:
            empty = bool(self.width < 1 or self.height < 1)
        except (TypeError, ValueError) as error:
            raise SaccadeError(f"a size is two numbers of pixels, got {self.width!r} and {self.height!r}") from error
        if empty:
            raise SaccadeError(f"a size needs at least 1×1 pixels, got {self.width}×{self.height}")

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    @property
    def log_aspect(self) -> float:
        """Natural logarithm of width over height: symmetric for landscape and portrait."""
        return math.log(self.width / self.height)

    @property
    def long(self) -> int:
        """The longer side."""
        return max(self.width, self.height)

    def __str__(self) -> str:
        return f"{self.width}×{self.height}"
