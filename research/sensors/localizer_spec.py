"""Localizer: a small network that looks at the whole picture and says where the eye should rest.

Law     one fixation a picture, (x, y) from -1 to 1; every step is differentiable, so the answer's loss teaches it.
Used by Killick's foveated mixers in front of the patch ``sensor``, as a spatial transformer that only shifts.
Loses   what is too small to be seen at its side; between two equally good places it looks at their middle.
Source  the foveated mixers' released code (Localizer): a ResNet-18 up to its third stage there, convolutions here; the
        soft arg-max behind them is the same.
"""

import math
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.core.size import Size
from saccade.specs.laws import count

GROUPS = 4
"""Of each norm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalizerSpec:
    """The picture is made ``side`` × ``side``; ``widths`` are the channels after each convolution of stride two.

    The fixation is the mean place under a softmax of scores over ``temperature``: the colder, the nearer to the best.
    """

    side: int = 64
    widths: tuple[int, ...] = (16, 32, 64)
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.widths or any(width < GROUPS or width % GROUPS for width in self.widths):
            raise SaccadeError(f"localizer: widths are multiples of {GROUPS}, at least one, got {list(self.widths)}")
        if self.side < 2 ** (len(self.widths) + 1) or self.side % 2 ** len(self.widths):
            raise SaccadeError(
                f"localizer: {len(self.widths)} strides of two leave no map of at least 2×2 places of a side of "
                f"{self.side}; take a multiple of {2 ** len(self.widths)}, {2 ** (len(self.widths) + 1)} or more"
            )
        if not 0 < self.temperature < math.inf:
            raise SaccadeError(f"localizer: the temperature is above 0, got {self.temperature}")

    @property
    def places(self) -> int:
        """Places a side of the map."""
        return self.side >> len(self.widths)

    def cost(self) -> Cost:
        """One picture."""
        made, before, side = [], 3, self.side
        for width in self.widths:
            side //= 2
            made += [count.convolution(side**2, 3, before, width), count.norm(width)]
            before = width
        return count.total(*made, count.convolution(side**2, 1, before, 1))

    def peak(self, picture: Size, views: int, number: int) -> int:
        """Bytes alive at the worst moment: the pictures, made smaller, and a map before and behind its norm."""
        maps, before, side = [], 3, self.side
        for width in self.widths:
            maps.append(before * side**2 + 2 * width * (side // 2) ** 2)
            before, side = width, side // 2
        return (3 * picture.area + max(maps)) * views * number
