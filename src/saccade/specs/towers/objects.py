"""The survey's object-centric path, counted: SAM's automatic masks, and CLIP's embedding of every masked region.

Law     ``most`` + 1 rows a view, whatever it shows; SAM's encoder runs once, its decoder once a point, CLIP once a row.
Used by the preset object-centric alone: no published system reads pictures so.
Loses   what no mask holds, print above all.
Source  the survey, which takes it for DeepSeek-OCR's; SAM, arXiv:2304.02643, as transformers' SamModel runs it; CLIP,
        arXiv:2103.00020.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.laws import count
from saccade.specs.laws.layer import AttentionSpec
from saccade.specs.towers.encoder import EncoderSpec
from saccade.specs.towers.regions import RowSpec
from saccade.specs.towers.sam import SamSpec

SPARSE = 2
"""Vectors of a prompt of one point: the point, and one that says that there is no box."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SamDecoderSpec:
    """SAM's prompt encoder and mask decoder over a map of ``width``: ``depth`` two-way layers, ``masks`` a prompt.

    ``rate`` narrows attention between tokens and map; ``estimate`` and ``estimate_depth`` are the head's that judges
    masks. ``drawn`` are the channels in which a prompt's mask would be read, which is held and never run; positions
    are made of ``waves`` frequencies.
    """

    width: int
    heads: int
    middle: int
    depth: int
    rate: int
    masks: int
    estimate: int
    estimate_depth: int
    drawn: int
    waves: int

    def cost(self, places: int, points: int, at_once: int) -> Cost:
        """``points`` prompts over one map of ``places``, ``at_once`` of them a batch; positions are made a batch."""
        batches = -(-points // at_once)
        one = count.total(*(self._layer(places) for _ in range(self.depth)), self._last(places), self._draw(places))
        waves = count.linear(1, 2, self.waves, bias=False)
        positions = waves.flops * (batches * places + points * SPARSE)
        return Cost(one.flops * points + positions, one.params + waves.params + self._held)

    @property
    def tokens(self) -> int:
        """What looks at the map for one point: the estimate's vector, one a mask and a single one's, the prompt."""
        return 1 + self.masks + 1 + SPARSE

    @property
    def _across(self) -> AttentionSpec:
        return self._attention(self.rate)

    def _attention(self, rate: int) -> AttentionSpec:
        head = self.width // rate // self.heads
        return AttentionSpec(
            width=self.width, heads=self.heads, head=head, kv_heads=self.heads, bias=True, bias_out=True
        )

    def _read(self, attention: AttentionSpec, queries: int, keys: int) -> Cost:
        return attention.project(queries, keys) + attention.mix(queries * keys)

    def _layer(self, places: int) -> Cost:
        """Tokens among themselves, at the map, through a network; the map at the tokens."""
        tokens = self.tokens
        return count.total(
            self._read(self._attention(1), tokens, tokens),
            self._read(self._across, tokens, places),
            count.linear(tokens, self.width, self.middle),
            count.linear(tokens, self.middle, self.width),
            self._read(self._across, places, tokens),
            *(count.norm(self.width) for _ in range(4)),
        )

    def _last(self, places: int) -> Cost:
        return self._read(self._across, self.tokens, places) + count.norm(self.width)

    def _draw(self, places: int) -> Cost:
        """The map four times as large, a filter a mask, and the masks' estimates."""
        width, masks, hidden = self.width, self.masks + 1, self.estimate
        fine = width // 8
        filters = count.total(
            count.linear(1, width, width), count.linear(1, width, width), count.linear(1, width, fine)
        )
        inner = (count.linear(1, hidden, hidden) for _ in range(self.estimate_depth - 2))
        return count.total(
            _doubled(places, width, width // 4),
            count.norm(width // 4),
            _doubled(4 * places, width // 4, fine),
            count.stack(filters, masks),
            Cost(2 * masks * fine * 16 * places),
            count.linear(1, width, hidden),
            *inner,
            count.linear(1, hidden, masks),
        )

    @property
    def _held(self) -> int:
        """Learned vectors, and what reads a prompt's mask."""
        vectors = 1 + self.masks + 1 + 4 + 1 + 1  # estimate, masks, kinds of point, no point, no mask
        first, second = self.drawn // 4, self.drawn
        reading = 4 * first + first + 2 * first + 4 * first * second + second + 2 * second
        return vectors * self.width + reading + second * self.width + self.width

    def peak(self, places: int, at_once: int, number: int) -> int:
        """Bytes alive at the worst moment: a map a point, its positions, their sum, and all three around attention."""
        return at_once * places * self.width * 8 * number


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectTowerSpec:
    """``sam`` on the whole view, ``decoder`` at ``points``² points, ``reader`` on ``most`` crops of ``side`` pixels and
    on the whole, each crop's class token projected to ``joint`` channels.
    """

    sam: SamSpec
    decoder: SamDecoderSpec
    points: int
    at_once: int
    reader: EncoderSpec
    side: int
    joint: int
    most: int
    raster: int

    @property
    def row(self) -> RowSpec:
        """The channels of a row."""
        return RowSpec(features=self.joint, raster=self.raster)

    @property
    def extra(self) -> int:
        """Nothing beside the rows."""
        return 0

    @property
    def crop(self) -> Grid:
        """Patches of a crop."""
        return Grid(self.side // self.reader.patch, self.side // self.reader.patch)

    @property
    def places(self) -> int:
        """Cells of SAM's map."""
        return (self.sam.side // self.sam.patch) ** 2

    def grid(self, view: View) -> Grid:
        """Rows of any view."""
        del view
        return Grid(self.most + 1, 1)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        crop = self.reader.cost(self.crop)
        return count.total(
            self.masks,
            Cost(crop.flops * grid.tokens, crop.params),
            count.linear(grid.tokens, self.reader.width, self.joint, bias=False),
        )

    @property
    def masks(self) -> Cost:
        """SAM alone: encoder, and decoder at every point."""
        return self.sam.cost(self.sam.side) + self.decoder.cost(self.places, self.points**2, self.at_once)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: in SAM's encoder, its decoder, or CLIP, one after the other."""
        crops = [self.crop] * sum(grid.tokens for grid in grids)
        return max(
            self.sam.peak(self.sam.side, len(grids), number),
            self.decoder.peak(self.places, self.at_once, number),
            self.reader.peak(crops, number, eager=eager),
        )


def _doubled(places: int, width_in: int, width_out: int) -> Cost:
    """A transposed 2 × 2 convolution of stride two over ``places``."""
    return count.linear(places, width_in, 4 * width_out, bias=False) + count.weights(width_out)
