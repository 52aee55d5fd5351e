"""How much memory the tensors of a run take at its worst moment, by watching every one of them come and go."""

import weakref
from collections.abc import Iterable

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Meter(TorchDispatchMode):
    """Bytes of tensors alive: ``held`` from the start, then all that operations take in and put out.

    A storage counts once, however many tensors look at it, from the first operation that touches it until nobody holds
    it any more. Operations that torch writes in terms of others are taken apart, so that what lives only inside them is
    seen; what a kernel allocates for itself is not. ``worst`` lists bytes and shapes at the ``peak``, largest first.
    """

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.worst: list[tuple[int, tuple[int, ...]]] = []
        self._alive: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._see(held)
        self.held = self.now

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with self:
            found = func.decompose(*args, **kwargs)
        if found is NotImplemented:
            found = func(*args, **kwargs)
        self._see(leaf for leaf in tree_leaves((args, kwargs, found)) if isinstance(leaf, Tensor))
        return found

    def _see(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in self._alive:
                self._alive[key] = (storage.nbytes(), tuple(tensor.shape))
                self.now += storage.nbytes()
                weakref.finalize(storage, self._forget, key)
        if self.now > self.peak:
            self.peak = self.now
            self.worst = sorted(self._alive.values(), reverse=True)

    def _forget(self, key: int) -> None:
        self.now -= self._alive.pop(key)[0]


def weights(model: nn.Module) -> list[Tensor]:
    """What a model holds before it runs."""
    return [*model.parameters(), *model.buffers()]
