"""A cache that grows in place: what was read is not copied for every token of an answer."""

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig

from saccade.compat.hf import DynamicLayer

SPARE = 16
"""Positions that a layer holds free: a question's words and a short answer."""


def roomy(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache; layers that keep every position grow in place, others as ``transformers`` has them."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class RoomyLayer(DynamicLayer):
    """``keys`` and ``values`` are the first positions of longer tensors, whose rest is written as they grow.

    Where gradients are recorded they are copied instead, since what is written over cannot be differentiated. A
    tensor put in their place from outside, or one that outgrows its room, moves to a new one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rooms: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """All keys and values, the new ones behind the old."""
        if torch.is_grad_enabled():
            return super().update(key_states, value_states, *args, **kwargs)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        length = self.get_seq_length()
        rooms = self._own() or (None, None)
        keys = _grown(rooms[0], self.keys, key_states, length)
        values = _grown(rooms[1], self.values, value_states, length)
        self._rooms = keys, values
        self._show(length + key_states.shape[-2])
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows, as often as named, with their free positions."""
        rooms = self._own()
        if rooms is None:
            super().batch_select_indices(indices)
            return
        length = self.get_seq_length()
        self._rooms = rooms[0][indices], rooms[1][indices]
        self._show(length)

    def _own(self) -> tuple[Tensor, Tensor] | None:
        """The longer tensors, if keys and values still are their beginnings."""
        if self._rooms is None or self.keys is None or self.values is None:
            return None
        pairs = zip(self._rooms, (self.keys, self.values), strict=True)
        return self._rooms if all(_begins(*pair) for pair in pairs) else None

    def _show(self, length: int) -> None:
        assert self._rooms is not None
        self.keys, self.values = (room[:, :, :length] for room in self._rooms)


def _begins(room: Tensor, shown: Tensor) -> bool:
    """Whether ``shown`` is the first positions of every row of ``room``."""
    place = room.data_ptr() == shown.data_ptr() and room.stride() == shown.stride()
    return place and room.shape[:2] == shown.shape[:2]


def _grown(room: Tensor | None, old: Tensor, new: Tensor, length: int) -> Tensor:
    """``old``, ``length`` positions of it, and ``new`` behind: in ``room`` where both fit, else in a new one."""
    total = length + new.shape[2]
    if room is None or total > room.shape[2]:
        room = new.new_empty(*new.shape[:2], total + SPARE, new.shape[3])
        if length:
            room[:, :, :length] = old
    room[:, :, length:total] = new
    return room
