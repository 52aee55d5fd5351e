"""Cached values as a map: which positions hold what a word does."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def alike(
    layers: Sequence[Float[Tensor, "heads length width"]],
    targets: Int[Tensor, " words"],
    columns: Int[Tensor, " tokens"],
) -> Float[Tensor, " tokens"]:
    """How alike the values at ``columns`` are to those at ``targets``: a consensus of the layers, from 0 to 1.

    Cosines, a mean over heads and targets, spread from 0 to 1 in each layer; then the layers' geometric mean, so that a
    place counts where all agree (FOCUS, arXiv:2506.21710). Where all places are alike, all are 1.
    """
    agreed = torch.zeros(len(columns))
    for values in layers:
        seen, meant = F.normalize(values[:, columns].float(), dim=-1), F.normalize(values[:, targets].float(), dim=-1)
        mean = (seen @ meant.transpose(-1, -2)).mean(dim=(0, 2)).cpu()
        low, high = mean.min(), mean.max()
        spread = (mean - low) / (high - low) if high > low else torch.ones_like(mean)
        agreed += spread.clamp_min(1e-6).log() / len(layers)
    return agreed.exp()
