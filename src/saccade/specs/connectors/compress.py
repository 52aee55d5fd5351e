"""Compression: convolutions that halve the map again and again, a transformer over what is left, both side by side.

Law     tokens = ⌈rows / 2^h⌉ × ⌈cols / 2^h⌉ for ``h`` halvings; two of them keep one patch in sixteen.
Used by DeepSeek-OCR, whose second transformer is CLIP-L and stands in its tower (``specs/towers/serial.py``); here it
        is a part that is trained behind the embedded family's own tower.
Loses   what the patches under a place cannot say in one vector; how much that is, ``python -m research compression``
        measures on pages of print.
Source  DeepSeek-OCR, arXiv:2510.18234 and its released code: no activation between the convolutions, the
        convolutions' output and the transformer's joined channel by channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressSpec(ConnectorSpec):
    """``channels`` behind each halving; over the last ``depth`` blocks of ``heads`` heads, four times as wide."""

    width_in: int
    width_out: int
    channels: tuple[int, ...]
    depth: int
    heads: int

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1:
            raise SaccadeError(f"compress: needs channels behind 1 halving or more, got {list(self.channels)}")
        if self.heads < 1 or self.width % self.heads or self.width % 4:
            raise SaccadeError(f"compress: {self.width} channels must be a multiple of 4 and of the {self.heads} heads")
        if self.depth < 1:
            raise SaccadeError(f"compress: the second transformer has 1 block or more, got {self.depth}")

    @property
    def width(self) -> int:
        """Channels of the second transformer."""
        return self.channels[-1]

    def grid_out(self, grid: Grid) -> Grid:
        """Places after all halvings."""
        return self._grids(grid)[-1]

    def tokens(self, grid: Grid) -> int:
        """Tokens a view."""
        return self.grid_out(grid).tokens

    @property
    def exact(self) -> bool:
        """Tokens stand for the patches under their place."""
        return True

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        tokens, width = self.tokens(grid), self.width
        block = count.total(
            *(count.linear(tokens, width, width) for _ in range(4)),
            count.attention(tokens, tokens, width),
            count.linear(tokens, width, 4 * width),
            count.linear(tokens, 4 * width, width),
            count.norm(width),
            count.norm(width),
        )
        widths = (self.width_in, *self.channels)
        return count.total(
            *(
                count.convolution(made.tokens, 3, one, two, bias=False)
                for made, (one, two) in zip(self._grids(grid), pairwise(widths), strict=True)
            ),
            count.norm(width),
            count.stack(block, self.depth),
            count.linear(tokens, 2 * width, self.width_out),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: the tower's patches and the first map, or a block beside them."""
        del eager
        patches = sum(grid.tokens for grid in grids) * self.width_in
        first = sum(self._grids(grid)[0].tokens for grid in grids) * self.channels[0]
        tokens = sum(self.tokens(grid) for grid in grids)
        # A convolution copies its input, channels last as patches are, and puts out the same way.
        return (patches + max(patches + first, tokens * self.width * (1 + 7 + 8))) * number

    def _grids(self, grid: Grid) -> list[Grid]:
        """The map after each halving."""
        made = []
        for _ in self.channels:
            grid = Grid(-(-grid.rows // 2), -(-grid.cols // 2))
            made.append(grid)
        return made
