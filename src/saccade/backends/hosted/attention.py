"""Where a hosted language model looks: attention of words to the visual tokens.

Law     a weight for each visual token: the mean over heads, over layers and over the words.
Source  relative attention of ViCrop, arXiv:2502.17422, which is the ratio of two such maps: one alone favours the same
        places whatever is asked.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from saccade.backends.hosted.families import PROVED, proved
from saccade.backends.hosted.shared_prefix import HostedPrefix
from saccade.language.hub import pad_left
from saccade.language.probe import probed


def attended(
    reading: HostedPrefix,
    tails: Sequence[Sequence[int]],
    columns: Sequence[Int[Tensor, " _"]],
    words: Sequence[range],
    layers: Sequence[int],
) -> list[Float[Tensor, " _"]]:
    """What each row's ``words``, places in its tail, attend to at its ``columns``, after the tail was read."""
    proved("watching attention", reading.model.config.model_type, PROVED["attention"])
    ids, real = pad_left(tails)
    with probed(reading.model, layers, rows=ids.shape[1], part="text_config") as probe:
        reading.follow(ids, real)
    total = reading.real.shape[1]
    # Layers with a window hold the last keys alone; the others get nothing.
    maps = [F.pad(layer.mean(dim=1), (total - layer.shape[-1], 0)) for layer in probe.maps.values()]
    weights = torch.stack(maps).mean(dim=0).cpu()  # batch rows keys
    found = []
    for row, tail, column, places in zip(weights, tails, columns, words, strict=True):
        rows = [ids.shape[1] - len(tail) + place for place in places]
        found.append(row[rows].mean(dim=0)[column])
    return found
