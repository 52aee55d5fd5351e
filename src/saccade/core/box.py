"""Rectangles of source pixels."""

from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.size import Size


@dataclass(frozen=True, slots=True)
class Box:
    """Half-open rectangle ``[left, right) × [top, bottom)`` in pixels, fractions allowed."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        try:
            ordered = bool(self.right >= self.left and self.bottom >= self.top)
        except (TypeError, ValueError) as error:  # no numbers; too many boxes are made to look at every type
            raise SaccadeError(f"the sides of a box are numbers of pixels, got {self.sides}") from error
        if not ordered:
            raise SaccadeError(f"a box needs left ≤ right and top ≤ bottom, got {self.sides}")

    @classmethod
    def of(cls, size: Size) -> "Box":
        """The whole picture."""
        return cls(0, 0, size.width, size.height)

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """``(left, top, right, bottom)``."""
        return (self.left, self.top, self.right, self.bottom)

    @property
    def width(self) -> float:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels down."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """``(x, y)``."""
        return ((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    def intersect(self, other: "Box") -> "Box | None":
        """What both cover, or None when that has no area."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Box(left, top, right, bottom) if right > left and bottom > top else None

    def union(self, other: "Box") -> "Box":
        """The smallest box that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def scale(self, x: float, y: float) -> "Box":
        """Multiplied by ``x`` across and ``y`` down."""
        return Box(self.left * x, self.top * y, self.right * x, self.bottom * y)

    def shift(self, x: float, y: float) -> "Box":
        """Moved by ``x`` across and ``y`` down."""
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def grow(self, margin: float) -> "Box":
        """Wider by ``margin`` pixels on every side."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)
