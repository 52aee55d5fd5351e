"""Fourier features of places: where something is, told in sines and cosines.

Law     axes × (2 × bands + 1) channels: the place itself, then all sines, then all cosines, axis by axis.
Used by Perceiver IO's inputs and queries.
Source  Perceiver IO, arXiv:2107.14795, appendix D, and its released code.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from saccade.architectures.perceiver.inputs_spec import FourierSpec

KEPT = 4
"""Grids that stay in memory; ImageNet's takes 52 MB."""


def features(places: Float[Tensor, "places axes"], spec: FourierSpec) -> Float[Tensor, "places {spec.width}"]:
    """Of ``places`` from -1 to 1 on every axis. In single precision: arguments reach half the resolution times π."""
    bands = torch.stack([
        torch.linspace(1.0, size / 2, spec.bands, device=places.device) for size in spec.resolution
    ])  # fmt: skip
    angles = math.pi * (places[:, :, None] * bands).flatten(1)
    return torch.cat([places, angles.sin(), angles.cos()], dim=1)


def of_points(
    points: Int[Tensor, " points"], shape: tuple[int, ...], spec: FourierSpec
) -> Float[Tensor, "points {spec.width}"]:
    """Of single ``points`` of a ``shape``, numbered in row order.

    The published code places them otherwise than on a whole grid: point 0 at -1, the last short of 1.
    """
    index = torch.stack(torch.unravel_index(points, shape), dim=1)
    return features(-1 + 2 * index / torch.tensor(shape, device=points.device), spec)


def of_grid(
    shape: tuple[int, ...], spec: FourierSpec, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "places {spec.width}"]:
    """Of all places of a ``shape`` in row order, from corner -1 to corner 1. Made once and kept."""
    return _kept(shape, spec, dtype, device)


@lru_cache(maxsize=KEPT)
def _kept(shape: tuple[int, ...], spec: FourierSpec, dtype: torch.dtype, device: torch.device) -> Tensor:
    # Made in inference it could not be trained with later.
    with torch.inference_mode(mode=False), torch.no_grad():
        axes = [torch.linspace(-1.0, 1.0, size, device=device) for size in shape]
        places = torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=1)
        return features(places, spec).to(dtype)
