"""Activations and norms by the names that specs call them."""

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "silu": F.silu,
}
"""``relu2`` is the squared ReLU of Flamingo's paper, ``gelu_tanh`` the approximation that JAX takes unless told."""


def norm(kind: Literal["layer", "rms"], width: int, eps: float) -> nn.Module:
    """A norm over ``width`` channels; only ``layer`` takes the mean out and shifts."""
    return nn.LayerNorm(width, eps=eps) if kind == "layer" else nn.RMSNorm(width, eps=eps)
