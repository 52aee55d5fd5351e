"""Where a hosted language model holds what a word says: its cached values at the word against those at visual tokens.

Law     a weight for each visual token: cosines of values, a mean over heads, spread from 0 to 1 in each layer, and the
        consensus of the layers (``nn.values``).
Used by what cannot be asked for its attention. Source: FOCUS, arXiv:2506.21710.
Loses   layers with a window that has moved past the picture: they are left out.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from saccade.backends.hosted.families import PROVED, proved
from saccade.backends.hosted.shared_prefix import HostedPrefix
from saccade.compat.hf import cached_values
from saccade.core.errors import SaccadeError
from saccade.language.hub import pad_left
from saccade.nn.values import alike


def valued(
    reading: HostedPrefix,
    tails: Sequence[Sequence[int]],
    columns: Sequence[Int[Tensor, " _"]],
    words: Sequence[range],
    layers: Sequence[int],
) -> list[Float[Tensor, " _"]]:
    """How alike each row's ``columns`` are to its ``words``, places in its tail, after the tail was read."""
    proved("comparing cached values", reading.model.config.model_type, PROVED["cached values"])
    reading.follow(*pad_left(tails))
    total = reading.real.shape[1]
    values = [cached_values(reading.cache, layer) for layer in layers]
    found = []
    for row, (tail, column, places) in enumerate(zip(tails, columns, words, strict=True)):
        first = int(column.min())
        # Every layer counts from where it begins to remember.
        held = [layer[row][:, first - total + layer.shape[2] :] for layer in values if first >= total - layer.shape[2]]
        if not held:
            raise SaccadeError(
                f"none of the layers {list(layers)} still holds the picture's values after {total} positions; ask a "
                "shorter question, or show the picture last"
            )
        meant = torch.tensor([total - len(tail) + place - first for place in places])
        found.append(alike(held, meant, column - first))
    return found
