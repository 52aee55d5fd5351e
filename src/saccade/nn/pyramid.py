"""Inverse pyramids: a map enlarged level by level, by kernels that the view's pixels make, or for nothing.

Source  the bilateral one is FeatUp's joint bilateral stack, arXiv:2403.10516, as LLaVA-UHD v2's projector holds it
        (VDIM, arXiv:2412.13871); weight names are those of its checkpoints. No dropout.
"""

from functools import lru_cache
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.nn.roi_align import bicubic
from saccade.specs.connectors.hiwin import TILE, HiwinSpec, tiled
from saccade.specs.layouts.sampling import mirrored

Map = Float[Tensor, "views rows cols width"]
Finer = Float[Tensor, "views _ _ width"]
Guide = Float[Tensor, "views finer_rows finer_cols 3"]
Pixels = Float[Tensor, "views 3 height width_"]


class Pointwise(nn.Conv2d):
    """A 1 × 1 convolution, whose weights it holds, over the last axis."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__(width_in, width_out, 1)

    def forward(self, input: Float[Tensor, "*places width_in"]) -> Float[Tensor, "*places width_out"]:
        """One product of matrices."""
        return F.linear(input, self.weight.flatten(1), self.bias)


def _two(width_in: int, width: int) -> nn.Sequential:
    """Two matrices with a GELU between them; the third place is that of a dropout, which counts in the names."""
    return nn.Sequential(Pointwise(width_in, width), nn.GELU(), nn.Identity(), Pointwise(width, width))


@final
class Doubling(nn.Module):
    """One step: a map to twice its rows and columns, each place a sum over its neighbours in the bicubic enlargement.

    The kernel of a place says how alike its pixels and a neighbour's are, and how near they lie, plus a learned share;
    all channels have the same. Kernels are applied tile by tile: a tile and the border that its kernels reach into make
    one product of matrices.
    """

    def __init__(self, kernel: int, keys: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.range_temp = nn.Parameter(torch.zeros(()))
        self.sigma_spatial = nn.Parameter(torch.ones(()))
        self.range_proj = _two(3, keys)
        self.fixup_proj = _two(kernel**2 + 3, kernel**2)

    def forward(self, maps: Map, pixels: Pixels) -> Finer:
        """``pixels`` are the views', normalised as the tower takes them. A CPU works view by view, in its caches."""
        rows, cols = 2 * maps.shape[1], 2 * maps.shape[2]
        guide = F.adaptive_avg_pool2d(pixels, (rows, cols)).permute(0, 2, 3, 1)
        size = 1 if maps.device.type == "cpu" else len(maps)
        made = [self._double(*pair) for pair in zip(maps.split(size), guide.split(size), strict=True)]
        return made[0] if len(made) == 1 else torch.cat(made)

    def _double(self, maps: Map, guide: Guide) -> Finer:
        views, rows, cols, _ = guide.shape
        border, reach = self.kernel // 2, _neighbours(self.kernel, str(maps.device))
        kernels = self._kernels(guide, reach)
        # Each kernel laid out over its whole tile, so that the tile's sums are one product.
        wide = TILE + 2 * border
        laid = kernels.new_zeros(*kernels.shape[:2], wide**2)
        laid = laid.scatter(2, reach.expand(len(kernels), -1, -1), kernels)
        down = _enlarging(rows // 2, border, str(maps.device), maps.dtype)
        across = _enlarging(cols // 2, border, str(maps.device), maps.dtype)
        larger = torch.bmm(down.expand(views, -1, -1), maps.flatten(2)).unflatten(2, maps.shape[2:])
        larger = torch.bmm(across.expand(views * len(down), -1, -1), larger.flatten(0, 1)).unflatten(0, (views, -1))
        summed = torch.bmm(laid, _tiles(larger, wide))
        return _whole(summed, views, rows, cols)

    def _kernels(self, guide: Guide, reach: Int[Tensor, "inside taps"]) -> Float[Tensor, "tiles inside taps"]:
        """Of every place of every tile, over its neighbours."""
        border, (rows, cols) = self.kernel // 2, guide.shape[1:3]
        down, across = (
            torch.as_tensor(mirrored(np.arange(-border, tiled(cells) + border), cells), device=guide.device)
            for cells in (rows, cols)
        )
        around = _tiles(self.range_proj(guide)[:, down][:, :, across], TILE + 2 * border)
        seen = _tiles(guide[:, down[border:-border]][:, :, across[border:-border]], TILE)
        alike = torch.bmm(_inside(around, border), around.mT).gather(2, reach.expand(len(around), -1, -1))
        warm = self.range_temp.exp().clamp(1e-4, 1e4)
        kernels = (warm * alike).softmax(dim=-1) * self._nearness()
        kernels = kernels / kernels.sum(dim=-1, keepdim=True).clamp_min(1e-7)
        return kernels + 0.1 * self.fixup_proj(torch.cat([kernels, seen], dim=-1))

    def _nearness(self) -> Float[Tensor, " taps"]:
        """A Gaussian over the kernel, one unit from its middle to its edge."""
        line = torch.linspace(-1, 1, self.kernel, device=self.sigma_spatial.device, dtype=self.sigma_spatial.dtype)
        apart = line.square()
        return torch.exp(-(apart[:, None] + apart) / (2 * self.sigma_spatial.square())).flatten()


@final
class Bilateral(nn.Module):
    """Every level up to the finest of ``spec``; the finest is corrected by one more matrix."""

    def __init__(self, spec: HiwinSpec) -> None:
        super().__init__()
        self.steps = spec.steps
        for step in range(1, spec.steps + 1):
            self.add_module(f"up{step}", Doubling(spec.kernel, spec.keys))
        self.fixup_proj = nn.Sequential(nn.Identity(), Pointwise(spec.width_in, spec.width_in))

    def forward(self, maps: Map, pixels: Pixels) -> dict[int, Finer]:
        """By enlargement, the map itself with them."""
        levels = {1: maps}
        for step in range(1, self.steps + 1):
            levels[2**step] = self.get_submodule(f"up{step}")(levels[2 ** (step - 1)], pixels)
        finest = levels[2**self.steps]
        levels[2**self.steps] = finest + 0.1 * self.fixup_proj(finest)
        return levels


def bilinear(maps: Map, levels: tuple[int, ...]) -> dict[int, Finer]:
    """The map enlarged straight to each of the ``levels``."""
    planes = maps.permute(0, 3, 1, 2)
    return {
        level: maps
        if level == 1
        else F.interpolate(planes, scale_factor=level, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
        for level in levels
    }


def _tiles(maps: Map, side: int) -> Float[Tensor, "tiles inside width"]:
    """Windows of ``side``, one every ``TILE`` places, in row order."""
    cut = maps.unfold(1, side, TILE).unfold(2, side, TILE)  # views down across width side side
    return cut.permute(0, 1, 2, 4, 5, 3).reshape(-1, side**2, maps.shape[3])


def _inside(tiles: Float[Tensor, "tiles wide width"], border: int) -> Float[Tensor, "tiles inside width"]:
    """Tiles without their borders."""
    wide = TILE + 2 * border
    square = tiles.unflatten(1, (wide, wide))
    return square[:, border:-border, border:-border].flatten(1, 2)


def _whole(tiles: Float[Tensor, "tiles inside width"], views: int, rows: int, cols: int) -> Finer:
    """Tiles back in their places, what filled the last ones cut off."""
    down, across = tiled(rows) // TILE, tiled(cols) // TILE
    laid = tiles.view(views, down, across, TILE, TILE, -1).transpose(2, 3)
    return laid.reshape(views, down * TILE, across * TILE, -1)[:, :rows, :cols]


@lru_cache(maxsize=16)
def _neighbours(kernel: int, device: str) -> Int[Tensor, "inside taps"]:
    """Where in its tile with borders each place of a tile has its neighbours."""
    wide, inside, taps = TILE + kernel - 1, np.arange(TILE), np.arange(kernel)
    at = inside[:, None] + taps  # place and tap along an axis
    found = at[:, None, :, None] * wide + at[None, :, None, :]
    with torch.inference_mode(mode=False):
        return torch.tensor(found.reshape(TILE**2, kernel**2), device=device)


@lru_cache(maxsize=256)
def _enlarging(cells: int, border: int, device: str, dtype: torch.dtype) -> Float[Tensor, "places cells"]:
    """Bicubic enlargement by two along an axis, mirrored ``border`` places beyond both ends, as one matrix."""
    finer = 2 * cells
    with torch.inference_mode(mode=False), torch.device("cpu"):
        return bicubic(cells, finer)[mirrored(np.arange(-border, tiled(finer) + border), finer)].to(device, dtype)
