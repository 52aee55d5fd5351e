"""SAM's encoder: small patches, attention in windows, a few layers over all of them, and a neck; then two halvings.

Law     places of the last map = (side / patch / 4)²; windows are filled up with zeros, which are computed.
Used by DeepSeek-OCR and DeepSeek-OCR-2, in front of a second tower (``specs/towers/serial.py``).
Loses   what no place of the last map can say; nothing is selected and no mask is made, whatever SAM's name promises.
Source  Segment Anything, arXiv:2304.02643; relative positions: MViTv2, arXiv:2112.01526; DeepSeek-OCR,
        arXiv:2510.18234 and its released code. The relative positions' small products are counted, as torch does.
"""

from dataclasses import dataclass
from itertools import pairwise

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.layer import LayerSpec, plain


@dataclass(frozen=True, kw_only=True, slots=True)
class SamSpec:
    """SAM's encoder: ``width`` inside, ``neck`` after it, then convolutions to ``channels``, each halving its map.

    SAM itself has none of those.
    ``side`` is the view that its tables of positions were made for, ``full`` the layers that look beyond their
    ``window``. The bias that positions add to scores is held for all heads of all views together, as transformers and
    the authors do, or for as many of them as come to ``held`` numbers, one at least. The wide numbers inside the
    feed-forward are held likewise, those of one token at least.
    """

    width: int
    depth: int
    heads: int
    middle: int
    patch: int
    side: int
    window: int
    full: tuple[int, ...]
    neck: int
    channels: tuple[int, ...] = ()
    eps: float = 1e-6
    held: int | None = None

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise SaccadeError(f"width {self.width} does not split into {self.heads} heads; make it a multiple")
        if self.side % self.patch:
            raise SaccadeError(f"side {self.side} is no multiple of the {self.patch} px patch")
        if not all(0 <= layer < self.depth for layer in self.full) or len(set(self.full)) < len(self.full):
            raise SaccadeError(f"full names layers of 0 to {self.depth - 1}, each once; got {list(self.full)}")
        if self.window < 1 or (self.held is not None and self.held < 1):
            raise SaccadeError(
                f"a window and the numbers held are at least 1, got {self.window} and {self.held}; leave held out to "
                "hold all"
            )

    @property
    def head(self) -> int:
        """Channels of a head."""
        return self.width // self.heads

    @property
    def places(self) -> int:
        """Patches a side of the view that the tables were made for."""
        return self.side // self.patch

    @property
    def reduction(self) -> int:
        """Pixels a side of what one place of the last map carries."""
        return self.patch * 2 ** len(self.channels)

    @property
    def layer(self) -> LayerSpec:
        """One layer, relative positions apart."""
        return plain(self.width, self.heads, self.middle)

    def cost(self, view_side: int) -> Cost:
        """One square view of ``view_side`` pixels."""
        side = view_side // self.patch
        tokens = side * side
        padded = -(-side // self.window) * self.window
        windows = (padded // self.window) ** 2
        far = self._attention(tokens, tokens**2, side) + count.weights(2 * (2 * self.places - 1) * self.head)
        near = self._attention(padded**2, windows * self.window**4, self.window)
        near += count.weights(2 * (2 * self.window - 1) * self.head)
        rest = self.layer.feed.cost(tokens) + count.weights(self.layer.norms)
        behind, halved = side, list[Cost]()
        for width_in, width_out in pairwise((self.neck, *self.channels)):
            behind = _half(behind)
            halved.append(count.convolution(behind**2, 3, width_in, width_out, bias=False))
        return count.total(
            count.linear(tokens, 3 * self.patch**2, self.width),
            count.weights(self.places**2 * self.width),
            count.stack(far + rest, len(self.full)),
            count.stack(near + rest, self.depth - len(self.full)),
            count.convolution(tokens, 1, self.width, self.neck, bias=False),
            count.convolution(tokens, 3, self.neck, self.neck, bias=False),
            count.weights(4 * self.neck),
            *halved,
        )

    def _attention(self, tokens: int, pairs: int, side: int) -> Cost:
        """Attention with decomposed relative positions: each query against ``side`` rows and ``side`` columns."""
        attention = self.layer.attention
        return count.total(
            attention.project(tokens, tokens), attention.mix(pairs), Cost(2 * 2 * tokens * side * self.width)
        )

    def together(self, places: int, squares: int) -> int:
        """Heads, over ``squares`` of ``places`` that see each other, whose bias is held at once."""
        heads = squares * self.heads
        return heads if self.held is None else min(heads, max(1, self.held // places**2))

    def parts(self, tokens: int) -> int:
        """Runs of about as many tokens, of ``tokens`` in all, that go through the feed-forward one after the other."""
        return 1 if self.held is None else min(tokens, -(-tokens * self.middle // self.held))

    def peak(self, view_side: int, views: int, number: int) -> int:
        """Bytes alive at the worst moment: in attention over windows or over all, or in the feed-forward.

        Where all of the bias is held it is counted as transformers' class holds it in a full layer: as it was added up,
        and laid out anew for all heads.
        """
        side = view_side // self.patch
        tokens = views * side**2
        if self.held is None:
            return (tokens * self.layer.live + 2 * self.heads * tokens * side**2) * number
        across = -(-side // self.window)
        windows, padded = views * across**2, views * (across * self.window) ** 2
        far = tokens * self.width + self._looking(views, side) if self.full else 0
        near = (2 * tokens + padded) * self.width + self._looking(windows, self.window)
        run = -(-tokens // self.parts(tokens))
        fed = tokens * 3 * self.width + run * (2 * self.middle)
        return (3 * views * view_side**2 + max(far, near if len(self.full) < self.depth else 0, fed)) * number

    def _looking(self, squares: int, side: int) -> int:
        """Numbers alive in attention: what goes in, queries, keys, values and their mixture, beside the bias of some
        heads and what those make, or later the output.
        """
        places, heads = squares * side**2, self.together(side**2, squares)
        apart = heads * side**2 * self.head if heads < squares * self.heads else 0
        bias = heads * side**4 + apart
        return places * (5 * self.width + 2 * self.heads * side) + max(bias, places * self.width)


def _half(side: int) -> int:
    """A 3 × 3 convolution of stride two with one row of padding."""
    return (side - 1) // 2 + 1
