"""The rows that every method has to beat, at equal tokens.

resize   the same reader sees a smaller picture: fewer patches, so the tower is cheaper as well
random   visual tokens kept by chance
uniform  visual tokens kept at even distances

Published evidence says that these beat many cleverer ways of dropping tokens (VTC-Bench,
arXiv:2510.07143), so every comparison holds them: on the base reader as it is, and on one that was
trained with smaller pictures and dropped tokens.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.models.base import Reader
from saccade.models.encoded import Encoded
from saccade.specs.resize import CropSpec, PadSpec, StretchSpec

Framed = CropSpec | PadSpec | StretchSpec


def smaller(reader: Reader, budget: int) -> Reader:
    """The same weights looking at a picture of ``budget`` patches. Budgets are square numbers, views one frame."""
    views, side = reader.spec.views, isqrt(budget)
    if not isinstance(views, Framed):
        raise SaccadeError(f"resize needs a reader that looks at one frame, this one has {type(views).__name__}")
    if side < 1 or side * side != budget:
        raise SaccadeError(
            f"resize keeps pictures square: {budget} tokens is no square number; take {side * side or 1}"
        )
    pixels = side * reader.spec.tower.patch
    return reader.seeing(replace(views, size=Size(pixels, pixels)))


def keep_random(encoded: Sequence[Encoded], budget: int, rng: np.random.Generator) -> list[Tensor]:
    """For each picture ``budget`` of its tokens by chance, or all of them, in order."""
    return [_sorted(rng.permutation(len(picture.tokens))[:budget]) for picture in encoded]


def keep_uniform(encoded: Sequence[Encoded], budget: int) -> list[Tensor]:
    """For each picture the tokens nearest the centres of an even grid over its only view, or evenly along its run."""
    return [_even(picture, budget) for picture in encoded]


def _even(picture: Encoded, budget: int) -> Tensor:
    count, side = len(picture.tokens), isqrt(budget)
    grids = picture.spec.grids(picture.layout)
    if budget >= count:
        return torch.arange(count)
    if len(grids) == 1 and grids[0].tokens == count and side * side == budget <= min(grids[0].rows, grids[0].cols) ** 2:
        rows = np.floor((np.arange(side) + 0.5) * grids[0].rows / side).astype(int)
        cols = np.floor((np.arange(side) + 0.5) * grids[0].cols / side).astype(int)
        return _sorted((rows[:, None] * grids[0].cols + cols).ravel())
    return _sorted(np.floor((np.arange(budget) + 0.5) * count / budget).astype(int))


def _sorted(chosen: np.ndarray) -> Tensor:
    return torch.from_numpy(np.sort(chosen)).long()
