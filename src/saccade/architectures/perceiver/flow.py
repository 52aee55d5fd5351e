"""Optical flow by a Perceiver IO: every pixel of a pair of pictures asks where it goes. See ``io_spec.py``.

Larger pictures are read in tiles that overlap, of which each pixel counts the more the farther it is from its tile's
edge.
"""

from collections.abc import Iterator
from itertools import product
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.architectures.perceiver.io import PerceiverIO
from saccade.architectures.perceiver.io_spec import OpticalFlowSpec
from saccade.core.errors import SaccadeError

OVERLAP = 20
"""Pixels that neighbouring tiles share, at least."""


@final
class OpticalFlow(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: OpticalFlowSpec) -> None:
        super().__init__()
        self.spec = spec
        self.io = PerceiverIO(spec.io)

    def forward(
        self, pair: Float[Tensor, "pairs 2 channels {self.spec.rows} {self.spec.cols}"], *, chunk: int | None = None
    ) -> Float[Tensor, "pairs {self.spec.rows} {self.spec.cols} 2"]:
        """Pictures as ``neighbours`` gives them, to motion (across, down) as the model was trained: not in pixels."""
        tokens = self.io.inputs(pair)
        found = self.io.decode(self.io.encoder(tokens), tokens, chunk=chunk)
        return found.unflatten(1, (self.spec.rows, self.spec.cols)) / self.spec.scale

    @torch.inference_mode()
    def flow(
        self,
        first: Float[Tensor, "pairs 3 height width"],
        second: Float[Tensor, "_ 3 _ _"],
        *,
        overlap: int = OVERLAP,
        chunk: int | None = None,
    ) -> Float[Tensor, "pairs height width 2"]:
        """Where each pixel of ``first`` is in ``second``: pixels across and down. Values are from -1 to 1.

        Raises SaccadeError for unequal pictures and ones smaller than a tile.
        """
        if first.shape != second.shape:
            raise SaccadeError(
                f"perceiver: flow goes between pictures of one size, got {list(first.shape)} and {list(second.shape)}"
            )
        rows, cols = first.shape[2:]
        pair = neighbours(torch.stack([first, second], dim=1), self.spec.side)
        total, weight = first.new_zeros(len(first), rows, cols, 2), first.new_zeros(rows, cols, 1)
        share = _share(self.spec.rows, self.spec.cols).to(first)
        for down, across in self.tiles(rows, cols, overlap):
            at = slice(down, down + self.spec.rows), slice(across, across + self.spec.cols)
            total[:, *at] += share * self(pair[..., *at], chunk=chunk)
            weight[at] += share
        return self.spec.pixels * total / weight

    def tiles(self, rows: int, cols: int, overlap: int = OVERLAP) -> Iterator[tuple[int, int]]:
        """Corners of the tiles over ``rows`` × ``cols`` pixels: the last of each line ends at the edge."""
        spec = self.spec
        if rows < spec.rows or cols < spec.cols:
            raise SaccadeError(
                f"perceiver: flow is read in tiles of {spec.rows}×{spec.cols} (rows, columns), got a picture of "
                f"{rows}×{cols}; enlarge it, and divide the flow by as much"
            )
        if not 0 <= overlap < min(spec.rows, spec.cols):
            raise SaccadeError(
                f"perceiver: tiles of {spec.rows}×{spec.cols} overlap by 0 to {min(spec.rows, spec.cols) - 1} pixels, "
                f"got {overlap}"
            )
        return product(_starts(rows, spec.rows, overlap), _starts(cols, spec.cols, overlap))


def neighbours(
    frames: Float[Tensor, "pairs 2 3 height width"], side: int = 3
) -> Float[Tensor, "pairs 2 channels height width"]:
    """Every pixel with those around it, zeros beyond the edge: rows, columns, colours of the square in this order."""
    pairs, _, colours, rows, cols = frames.shape
    around = F.unfold(frames.flatten(0, 1), side, padding=side // 2)  # colours, rows, columns of the square
    around = around.unflatten(1, (colours, side * side)).transpose(1, 2)
    return around.reshape(pairs, 2, side * side * colours, rows, cols)


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin on a line."""
    starts = list(range(0, length, tile - overlap))
    return sorted({min(start, length - tile) for start in starts})


def _share(rows: int, cols: int) -> Float[Tensor, "{rows} {cols} 1"]:
    """How much a pixel of a tile counts: its distance from the nearest edge, 1 on the edge."""
    down, across = (torch.minimum(torch.arange(1, side + 1), torch.arange(side, 0, -1)) for side in (rows, cols))
    return torch.minimum(down[:, None], across[None])[..., None].float()
