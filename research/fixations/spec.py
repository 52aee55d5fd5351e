"""FoveaTer-style: a classifier that pools a map around a fixation, votes, and looks again until it is sure.

Law     tokens = the cells of its rule for each fixation, fixations as many as a picture needs, to a limit.
Used by image classification; nothing behind it writes text.
Loses   what no fixation came near. A map that is cheap to look at once saves nothing if it is looked at often.
Source  FoveaTer, arXiv:2105.14173, whose abstracts name the parts: a convolutional backbone, pooling regions around the
        fixation, a transformer, the next fixation from past and present attention, a confidence that stops. Sizes as in
        DeiT-S, arXiv:2012.12877.

Assumed, as no text or code says it: the sizes of the regions; positions, learned and pooled with the map; votes, logits
averaged over fixations; attention, that of the last block's class token, a cell's at each of its patches (shared out
among them, small cells near the fixation outdid large ones far off: aimed worse), blurred so that the middle of a cell
is looked at, not its edge; a Gaussian that keeps off earlier fixations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.size import Size
from saccade.specs.laws import count
from saccade.specs.laws.layer import LayerSpec, plain
from saccade.specs.layouts.cells import Cells, Rule, SquareRule, centre


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvBackboneSpec:
    """Strides of two: a 3 × 3 convolution to each of ``widths``, a batch norm, ReLU."""

    widths: tuple[int, ...] = (48, 96, 192, 384)

    @property
    def patch(self) -> int:
        """Pixels a side."""
        return 2 ** len(self.widths)

    def grid(self, size: Size) -> Grid:
        """Places of the map."""
        if size.width % self.patch or size.height % self.patch:
            raise SaccadeError(
                f"a backbone of {len(self.widths)} strides takes multiples of {self.patch} px, got {size}; resize it"
            )
        return Grid(size.height // self.patch, size.width // self.patch)

    def cost(self, grid: Grid) -> Cost:
        """One picture."""
        stages = []
        for stage, (width_in, width_out) in enumerate(zip((3, *self.widths), self.widths, strict=False)):
            places = grid.tokens * 4 ** (len(self.widths) - 1 - stage)
            stages += [count.convolution(places, 3, width_in, width_out, bias=False), count.norm(width_out)]
        return count.total(*stages)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoveaterSpec:
    """Blocks over the cells of a map of ``grid`` and ``source`` channels, and a class token.

    At most ``fixations`` a picture. ``sigma`` patches around an earlier fixation are hardly looked at again; ``blur``
    is the side of the two boxes that smooth attention, an odd number of patches.

    Pooling and the matrix from ``source`` to ``width``, FoveaTer's last 1 × 1 convolution, may change places: a mean of
    products is the product of the mean. So it is applied to cells.
    """

    source: int = 384
    classes: int = 1000
    grid: Grid = field(default_factory=lambda: Grid(14, 14))
    rule: Rule = field(default_factory=lambda: SquareRule(radii=(3, 6), root=4))
    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp: int = 1536
    fixations: int = 3
    sigma: float = 2.0
    blur: int = 5

    def __post_init__(self) -> None:
        least = min(self.source, self.classes, self.depth, self.heads, self.mlp, self.fixations)
        if least < 1 or self.sigma <= 0:
            raise SaccadeError(f"foveater: sizes, fixations and sigma are above 0, got {self}")
        if self.width < 1 or self.width % self.heads or self.width % 4:
            raise SaccadeError(f"foveater: width {self.width} must be a multiple of 4 and of the {self.heads} heads")
        if self.blur < 1 or self.blur % 2 == 0:
            raise SaccadeError(f"foveater: blur is an odd number of patches, got {self.blur}; take {self.blur + 1}")
        self.cells()

    def cells(self, fixation: int | None = None) -> Cells:
        """Around a fixation, in the middle unless given."""
        return self.rule.cells(self.grid, (centre(self.grid) if fixation is None else fixation,))

    @property
    def layer(self) -> LayerSpec:
        """One block."""
        return plain(self.width, self.heads, self.mlp)

    def tokens(self, path: Sequence[int]) -> int:
        """Cells that the fixations of ``path`` read, class tokens apart."""
        return sum(len(self.cells(fixation)) for fixation in path)

    def glance(self, fixation: int | None = None) -> Cost:
        """One fixation. The last block is run for the class token alone, which is all that is read of it."""
        width, cells = self.width, len(self.cells(fixation))
        length = cells + 1
        last = count.total(
            count.linear(length, width, 2 * width),
            count.linear(1, width, width),
            count.attention(1, length, width),
            count.linear(1, width, width),
            self.layer.feed.cost(1),
            count.weights(self.layer.norms),
        )
        held = (self.grid.tokens + 2) * width + 2 * width  # positions, the class token, the area, the last norm
        return count.total(
            count.linear(cells, self.source, width),
            count.stack(self.layer.cost(length), self.depth - 1),
            last,
            count.linear(1, width, self.classes),
            count.weights(held),
        )

    def cost(self, path: Sequence[int]) -> Cost:
        """All fixations of ``path``, the map apart."""
        costs = [self.glance(fixation) for fixation in path]
        return Cost(sum(cost.flops for cost in costs), self.glance().params)
