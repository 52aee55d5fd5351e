"""Devices and types of numbers as torch knows them, and modules built for and moved to them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from saccade.backends.placement import AUTO
from saccade.core.errors import SaccadeError
from saccade.core.plan import NUMBER_BYTES
from saccade.weights.files import kinds

Module = TypeVar("Module", bound=nn.Module)


def device_of(name: str) -> torch.device:
    """The device that ``name`` stands for, see ``Placement``. Raises SaccadeError where this machine lacks it."""
    if name == AUTO:
        return torch.device(next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu"))
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    found = _count(kind)
    if not found:
        raise SaccadeError(f"device {name}: torch {torch.__version__} finds no {kind} here; take cpu or auto")
    if number and int(number) >= found:
        last = f"{kind}:{found - 1}"
        raise SaccadeError(
            f"device {name}: this machine has {found} of {kind}, the last is {last}; take {last} or less"
        )
    return torch.device(name)


def dtype_of(name: str, saved: torch.dtype) -> torch.dtype:
    """The type that ``name`` stands for, which is that of the ``saved`` weights for ``auto``."""
    return saved if name == AUTO else getattr(torch, name)


def saved_dtype(files: Mapping[str, Path]) -> torch.dtype:
    """The type that most numbers of these weights (name → file) are stored in; float32 where it is none to run in."""
    counted = {dtype: number for dtype, number in kinds(files).items() if _named(dtype) in NUMBER_BYTES}
    return max(counted, key=counted.__getitem__, default=torch.float32)


@contextmanager
def built(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Within it, modules are made on ``device`` with weights of ``dtype``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)


def placed(module: Module, device: torch.device, dtype: torch.dtype) -> Module:
    """``module`` itself, on ``device``, its weights in ``dtype``.

    What is computed and not stored (angles of rotary positions) keeps its own type, which it needs.
    """
    stored = module.state_dict(keep_vars=True).keys()
    with torch.no_grad():
        for place, part in module.named_modules(remove_duplicate=False):
            for tensor in part.parameters(recurse=False):
                tensor.data = tensor.data.to(device, dtype if tensor.is_floating_point() else None)
            for name, tensor in part.named_buffers(recurse=False):
                cast = tensor.is_floating_point() and (f"{place}.{name}" if place else name) in stored
                setattr(part, name, tensor.to(device, dtype if cast else None))
    return module


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _count(kind: str) -> int:
    """How many devices of a kind there are."""
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(torch.backends.mps.is_available())
