"""Peripheral attention: how much a patch looks at another depends on what both are and on how far they lie apart.

Law     as many tokens as patches; every head has a shape of its own over distance, learned and the same for all views.
Used by PerViT (Peripheral Vision Transformer) in every block, from narrow shapes in the first to even ones in the last.
Loses   nothing; what is far away counts less where a head has learned so.
Source  PerViT, arXiv:2206.06801, and its released code, whose weight names and beginnings are kept: distances on a grid
        two places wider on every side, for the two convolutions that run over it without padding.
"""

from dataclasses import dataclass, replace

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.specs.laws import count

PER_HEAD = 4
"""Channels of a distance for every head."""
KERNEL = 3
BORDER = 2 * (KERNEL // 2)
"""Places that two convolutions without padding take from every side."""
FIRST, LAST = (-5.0, 3.0), (4.0, 0.01)
"""What the last norm shifts and scales by at first, in the first and the last layer: from near to everywhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeripheralSpec:
    """``side`` × ``side`` patches of ``width`` channels seen by ``heads`` heads.

    ``shift`` and ``scale`` are where the shapes over distance begin: the larger the shift, the more is seen; the larger
    the scale, the more distance counts.
    """

    width: int
    heads: int
    side: int = 14
    shift: float = FIRST[0]
    scale: float = FIRST[1]

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width < 1 or self.width % self.heads:
            raise SaccadeError(
                f"peripheral: the {self.heads} heads do not share {self.width} channels evenly; take a width that is a "
                "multiple of them"
            )
        if self.side < 2:
            raise SaccadeError(f"peripheral: distances need at least 2×2 patches, got {self.side}×{self.side}")

    @property
    def tokens(self) -> int:
        """Patches, and what comes of them."""
        return self.side**2

    @property
    def wide(self) -> int:
        """Places a side of the grid with its border."""
        return self.side + 2 * BORDER

    @property
    def channels(self) -> int:
        """Of a distance."""
        return PER_HEAD * self.heads

    def distances(self) -> np.ndarray:
        """From every patch to every place of the wider grid, patches × rows × columns; a patches' side is 2 long."""
        line = (np.arange(self.wide) - BORDER) * 2 / (self.side - 1) - 1
        own = line[BORDER:-BORDER]
        away = own[:, None] - line  # along an axis, patches × places
        apart = np.hypot(away[:, None, :, None], away[None, :, None, :])
        return apart.reshape(self.tokens, self.wide, self.wide)

    def over_depth(self, depth: int) -> list["PeripheralSpec"]:
        """The same for each of ``depth`` layers, with the published beginnings."""
        if depth < 1:
            raise SaccadeError(f"peripheral: at least 1 layer, got {depth}")
        ends = zip(*(np.linspace(*pair, depth).tolist() for pair in zip(FIRST, LAST, strict=True)), strict=True)
        return [replace(self, shift=shift, scale=scale) for shift, scale in ends]

    def project(self) -> Cost:
        """Distances to channels, once for all layers and views."""
        return count.linear(self.tokens * self.wide**2, 1, self.channels)

    def shape(self) -> Cost:
        """Channels of distances to a layer's shapes, once for all views."""
        middle = self.side + BORDER
        return count.total(
            count.convolution(self.tokens * middle**2, KERNEL, self.channels, self.channels),
            count.norm(self.channels),
            count.convolution(self.tokens**2, KERNEL, self.channels, self.heads),
            count.norm(self.heads),
        )

    def cost(self) -> Cost:
        """One view through one layer; its shapes' weights with it, their arithmetic not: see ``shape``."""
        tokens, width = self.tokens, self.width
        return count.total(
            count.linear(tokens, width, 3 * width, bias=False),
            count.attention(tokens, tokens, width),
            count.linear(tokens, width, width),
            Cost(0, self.shape().params),
        )

    def peak(self, views: int, number: int) -> int:
        """Bytes alive at the worst moment of a layer: distances and a map before and behind its norm, or attention.

        In attention there are the patches, queries, keys and values, what was seen before and behind the last matrix,
        and the shapes.
        """
        middle = self.side + BORDER
        shaping = self.tokens * self.channels * (self.wide**2 + 2 * middle**2)
        seeing = self.heads * self.tokens**2 + 6 * views * self.tokens * self.width
        return max(shaping, seeing) * number
