"""RoIAlign of equal windows, as two products of matrices. What is sampled where is in ``specs/layouts/sampling.py``."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from saccade.core.grid import Grid
from saccade.specs.layouts.sampling import sampling


def align(maps: Float[Tensor, "views rows cols width"], side: int) -> Float[Tensor, "windows views places width"]:
    """The places of every window of every map, windows and places in row order, as torchvision's RoIAlign makes them
    (``aligned=False``, ``sampling_ratio=-1``) of ``side`` × ``side`` windows that tile the map.
    """
    return _cut(maps, *_matrices(Grid(*maps.shape[1:3]), side, str(maps.device), maps.dtype), side)


def align_table(table: Float[Tensor, "queries width"], grid: Grid, side: int) -> Float[Tensor, "windows places width"]:
    """The places of the windows of a square ``table`` of positions that was resized for ``grid`` as
    ``nn.transformer.resize_table`` does: resizing is two matrices too, so the large table is never made.
    """
    square = table.unflatten(0, (side, side))[None]
    return _cut(square, *_resizing(grid, side, str(table.device), table.dtype), side)[:, 0]


def _cut(maps: Tensor, down: Tensor, across: Tensor, side: int) -> Float[Tensor, "windows views places width"]:
    """Matrices applied, windows apart."""
    views, rows, cols, width = maps.shape
    kept = torch.bmm(down.expand(views, -1, -1), maps.reshape(views, rows, cols * width))
    kept = torch.bmm(across.expand(views * len(down), -1, -1), kept.view(-1, cols, width))
    cut = kept.view(views, side, len(down) // side, side, len(across) // side, width)
    return cut.permute(1, 3, 0, 2, 4, 5).reshape(side * side, views, -1, width)


def spread(
    weights: Float[Tensor, "views windows places"], grid: Grid, side: int
) -> Float[Tensor, "views windows {grid.tokens}"]:
    """The way back: weights of places to weights of the map's cells, by what each place is sampled from."""
    found = _matrices(grid, side, str(weights.device), weights.dtype)
    down, across = (part.unflatten(0, (side, -1)) for part in found)
    laid = weights.unflatten(2, (down.shape[1], across.shape[1])).unflatten(1, (side, side))
    return torch.einsum("vijpq,ipr,jqc->vijrc", laid, down, across).flatten(3, 4).flatten(1, 2)


@lru_cache(maxsize=256)
def _matrices(grid: Grid, side: int, device: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """``specs.sampling.sampling`` as tensors."""
    with torch.inference_mode(mode=False):  # kept, and so to be met again where gradients are wanted
        down, across = (torch.tensor(part, device=device, dtype=dtype) for part in sampling(grid, side))
    return down, across


@lru_cache(maxsize=256)
def _resizing(grid: Grid, side: int, device: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The same behind the bicubic resizing of a table of ``side`` × ``side``."""
    with torch.inference_mode(mode=False), torch.device("cpu"):
        # By NumPy, so that it is no product that torch counts, once and then never again; by einsum, since BLAS leaves
        # flags of invalid operations behind, of lanes that hold nothing, which NumPy then warns of.
        down, across = (
            torch.from_numpy(np.einsum("pc,cq->pq", part.astype(float), bicubic(side, part.shape[1]).numpy()))
            for part in sampling(grid, side)
        )
        return down.to(device, dtype), across.to(device, dtype)


def bicubic(cells: int, places: int) -> Float[Tensor, "{places} {cells}"]:
    """Bicubic interpolation along an axis (no antialias, corners not aligned) as a matrix, in double precision."""
    line = torch.eye(cells, dtype=torch.float64)[None, :, :, None]  # a plane for every cell
    return F.interpolate(line, size=(places, 1), mode="bicubic", align_corners=False)[0, :, :, 0].T
