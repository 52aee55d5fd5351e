"""Vision transformers by their numbers: views → patches, for every tower whose layers are ordinary ones.

Law     patches = (height / patch) × (width / patch) of a view; a class token is one position more.
Used by CLIP, SigLIP, EVA, InternViT, AIMv2, MoonViT and the Qwen towers, as the families in ``specs/families`` say.
Loses   what is smaller than about a patch.
Source  ViT, arXiv:2010.11929; windows as in Qwen2.5-VL, arXiv:2502.13923.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.laws import count
from saccade.specs.laws.layer import LayerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowAttentionSpec:
    """Attention inside squares of ``side`` patches, in all layers but ``full`` ones; smaller at the edge."""

    side: int
    full: int

    def pairs(self, grid: Grid) -> int:
        """Pairs of query and key in a windowed layer."""
        return _squares(grid.rows, self.side) * _squares(grid.cols, self.side)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderSpec:
    """``depth`` ``layer`` s over patches of ``patch`` pixels a side and ``frames`` in time.

    ``class_tokens`` stand before the patches and leave with them where ``keep_class``. ``held`` counts the weights
    outside layers and patch embedding: position tables, outer norms, and heads that are loaded and never run.
    ``partial`` drops what is left of a view beside its whole patches; otherwise such views are refused.
    """

    patch: int
    layer: LayerSpec
    depth: int
    frames: int = 1
    stem_bias: bool = True
    class_tokens: int = 0
    keep_class: bool = False
    held: int = 0
    windows: WindowAttentionSpec | None = None
    partial: bool = False

    @property
    def width(self) -> int:
        """Channels of a patch that comes out."""
        return self.layer.width

    @property
    def extra(self) -> int:
        """Positions that a view puts out beside its patches."""
        return self.class_tokens if self.keep_class else 0

    def grid(self, view: View) -> Grid:
        """Patches of a view."""
        if self.partial:
            return Grid(view.size.height // self.patch, view.size.width // self.patch)
        return view.grid(self.patch)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        length = grid.tokens + self.class_tokens
        stem = count.linear(grid.tokens, 3 * self.frames * self.patch**2, self.width, bias=self.stem_bias)
        full = count.stack(self.layer.cost(length), self.depth)
        if self.windows is not None:
            near = self.layer.cost(length, self.windows.pairs(grid))
            layers = count.stack(self.layer.cost(length), self.windows.full)
            full = layers + count.stack(near, self.depth - self.windows.full)
        return count.total(stem, full, count.weights(self.held))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment with all views in one batch: the pixels, and a layer.

        ``eager`` holds a full layer's scores. Pixels count once; Idefics2 and 3 make a copy without padding views.
        """
        lengths = [grid.tokens + self.class_tokens for grid in grids]
        heads = self.layer.attention.heads
        scores = heads * sum(length * length for length in lengths) if eager else 0
        pixels = sum(grid.tokens for grid in grids) * 3 * self.frames * self.patch**2 * number
        return pixels + self.layer.peak(sum(lengths), scores, number)


def _squares(length: int, side: int) -> int:
    """The sum of squares of the parts that ``side`` cuts ``length`` into."""
    return length // side * side**2 + (length % side) ** 2
