"""Language models that number positions themselves, by slopes over their keys (ALiBi), and take none from outside.

BLOOM counts the real places of the mask. MPT counts whatever its cache holds, padding too, so padding
between a row's real places would stretch it: rows are read real places first, and the cache is sorted behind that, so
that all its padding stands in front. Only distances count, so padding in front changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import DynamicCache

from saccade.compat.hf import DynamicLayer
from saccade.core.errors import SaccadeError


def check_places(
    model_type: str,
    seen: Bool[Tensor, "batch total"] | Bool[Tensor, "batch 1 length total"],
    positions: Int[Tensor, "batch length"],
) -> None:
    """Refuses what cannot be told to a model that numbers positions itself: gaps, and who sees whom.

    On the meta device there is nothing to look at.
    """
    if seen.is_meta:
        return
    if seen.ndim == 4:
        raise SaccadeError(
            f"language models of type {model_type!r} count positions by their padding mask, and take none that says in "
            "full which query sees which key; mark padding alone, or choose another model"
        )
    length = positions.shape[1]
    counted = seen.cumsum(dim=1)[:, -length:] - 1
    wrong = (counted != positions) & seen[:, -length:]
    if wrong.any():
        raise SaccadeError(
            f"language models of type {model_type!r} number positions themselves, without gaps: expected position "
            f"{int(counted[wrong][0])}, got {int(positions[wrong][0])}; keep all visual tokens, or choose another model"
        )


def packed(seen: Tensor) -> bool:
    """Whether no padding stands behind a real place."""
    return seen.is_meta or not bool((seen[:, :-1] & ~seen[:, 1:]).any())


def gapless(real: Bool[Tensor, "batch length"]) -> bool:
    """Whether padding stands at the ends of rows alone."""
    begun = torch.cat([real[:, :1], real[:, 1:] & ~real[:, :-1]], dim=1).sum(dim=1)
    return real.is_meta or bool((begun <= 1).all())


@dataclass(frozen=True, slots=True)
class Reordering:
    """New places in another ``order``, each row's real ones first, and the way back."""

    order: Int[Tensor, "batch length"]
    home: Int[Tensor, "batch length"]

    @classmethod
    def of(cls, real: Bool[Tensor, "batch length"]) -> "Reordering":
        """Real places first, otherwise as they stand."""
        order = (~real).int().argsort(dim=1, stable=True)
        return cls(order, order.argsort(dim=1))

    def __call__(self, values: Tensor) -> Tensor:
        """``values``, one a place, in the new order."""
        return _take(values, self.order)

    def back(self, values: Tensor) -> Tensor:
        """``values`` in the order in which the places stood."""
        return _take(values, self.home)

    def seen(self, seen: Bool[Tensor, "batch total"]) -> Bool[Tensor, "batch total"]:
        """The mask over a cache whose padding is in front, and over the new places in their new order."""
        cached, new = seen.split([seen.shape[1] - self.order.shape[1], self.order.shape[1]], dim=1)
        return torch.cat([cached.int().sort(dim=1).values.bool(), self(new)], dim=1)

    def around(self, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """``function``, which knows the places as they stood, for states in the new order."""
        return lambda states: self(function(self.back(states)))


def repack(cache: DynamicCache, real: Bool[Tensor, "batch total"]) -> None:
    """Moves the padding in front, in every layer's keys and values."""
    if packed(real):
        return
    order = real.int().argsort(dim=1, stable=True)
    for layer in cast(list[DynamicLayer], cache.layers):
        assert layer.keys is not None
        assert layer.values is not None
        layer.keys = layer.keys.take_along_dim(order[:, None, :, None], dim=2)
        layer.values = layer.values.take_along_dim(order[:, None, :, None], dim=2)


def _take(values: Tensor, order: Tensor) -> Tensor:
    """Rows' places by number, whatever stands at each."""
    return values.take_along_dim(order.reshape(*order.shape, *[1] * (values.ndim - 2)), dim=1)
