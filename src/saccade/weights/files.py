"""Weights on disk: which file holds which, and copying them into a module one at a time.

Files are safetensors. Where a caller names one, torch's own files (``.pt``, ``.pth``, ``.bin``) are read too, as
tensors alone: torch unpickles those and plain data, and whatever else a file asks for is refused, never run.
"""

import json
import math
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from saccade.core.errors import SaccadeError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = "pytorch_model.bin"
PICKLED_INDEX = "pytorch_model.bin.index.json"
CONTAINERS = ("model_state_dict", "state_dict", "model")
"""Under which of its keys a torch file holds the weights, where it holds more than those."""

_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16,
}  # fmt: skip
"""Types as safetensors spell them; all others have a byte a number, or less."""
_BROKEN = (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError)
"""What torch makes of bytes that are no pickle, or end too early."""

Part = tuple[Path, str] | None
"""A tensor by its file and its name there; None is a block of zeros as long as the part before it."""
Source = tuple[Part, ...]
"""A weight as it was published: one part, or several that stand below each other along the first axis."""
Published = str | tuple[str | None, ...]
"""The same by names alone."""


def listing(folder: Path, *, pickled: bool = False) -> dict[str, Path]:
    """The file of every weight in ``folder``, in one or several; torch's own files too if they may be ``pickled``.

    Raises SaccadeError for missing or broken files.
    """
    for index in (INDEX, PICKLED_INDEX) if pickled else (INDEX,):
        if (folder / index).is_file():
            return _sharded(folder, index)
    for single in (SINGLE, PICKLED) if pickled else (SINGLE,):
        if (folder / single).is_file():
            return contents(folder / single)
    found = sorted(file.name for file in folder.glob("*.bin"))
    why = f"; {', '.join(found)} is pickle, which is never read: save it as safetensors" if found else ""
    raise SaccadeError(f"{folder} holds neither {SINGLE} nor {INDEX}{why}")


def contents(file: Path) -> dict[str, Path]:
    """``file`` under the name of every weight in it, whichever of the two kinds it is of."""
    return dict.fromkeys(shapes(file), file)


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every weight in ``file``; none is read."""
    if file.suffix != ".safetensors":
        return {name: tuple(tensor.shape) for name, tensor in _unpickled(file).items()}
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}
    except (SafetensorError, OSError) as error:
        raise SaccadeError(f"{file} is no readable safetensors file ({error}); get the whole file again") from error


def kinds(files: Mapping[str, Path]) -> dict[torch.dtype, int]:
    """How many numbers of each type the named weights hold, each in its file; none is read."""
    counted: Counter[torch.dtype] = Counter()
    members: dict[Path, list[str]] = {}
    for name, file in files.items():
        members.setdefault(file, []).append(name)
    for file, names in members.items():
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                for name in names:
                    part = opened.get_slice(name)
                    counted[_TYPES.get(part.get_dtype(), torch.uint8)] += math.prod(part.get_shape())
        else:
            tensors = _unpickled(file)
            for name in names:
                counted[tensors[name].dtype] += tensors[name].numel()
    return dict(counted)


def traced(names: Mapping[str, Published], files: Mapping[str, Path]) -> dict[str, Source]:
    """Our name → where its parts lie, for ``names`` of weights whose ``files`` are listed."""

    def source(published: Published) -> Source:
        parts = (published,) if isinstance(published, str) else published
        return tuple(None if part is None else (files[part], part) for part in parts)

    return {ours: source(published) for ours, published in names.items()}


def fill(module: nn.Module, sources: Mapping[str, Source]) -> None:
    """Copy into each named weight or buffer its source, in the target's type.

    Leading axes of length one that the target does not have are dropped; parts with an axis less than the target, as
    many for each place of its first axis, become a stack. Raises SaccadeError on unequal shapes.
    """
    targets, shelf = module.state_dict(), OpenFiles()
    with torch.no_grad():
        for ours, source in sources.items():
            target = targets[ours]
            tensors = [None if part is None else _slim(shelf(*part), target.ndim) for part in source]
            first = tensors[0]
            if first is not None and first.ndim == target.ndim - 1 and len(tensors) % len(target) == 0:
                target = target.flatten(0, 1)
            if _shape(tensors) != list(target.shape):
                raise SaccadeError(
                    f"{_named(source)} is {_shape(tensors)}, but {ours} as configured takes {list(target.shape)}; "
                    "the config does not belong to these weights"
                )
            _copy(tensors, target)


def read(source: Source) -> Tensor:
    """One weight."""
    shelf = OpenFiles()
    found = _blocks([None if part is None else shelf(*part) for part in source])
    return found[0] if len(found) == 1 else torch.cat(found)


def require(found: set[str], wanted: set[str], folder: Path) -> None:
    """Raises SaccadeError that lists the names that are missing or left over."""
    for what, names in (("lacks", wanted - found), ("has left-over", found - wanted)):
        if names:
            shown = ", ".join(sorted(names)[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise SaccadeError(f"{folder} {what} {len(names)} of {len(wanted)} weights: {shown}")


class OpenFiles:
    """Files that stay open while their tensors are taken; nothing is in memory before it is asked for."""

    def __init__(self) -> None:
        self._opened: dict[Path, Callable[[str], Tensor]] = {}

    def __call__(self, file: Path, name: str) -> Tensor:
        """The tensor ``name`` of ``file``."""
        if file not in self._opened:
            if file.suffix == ".safetensors":
                self._opened[file] = safe_open(file, framework="pt").get_tensor
            else:
                self._opened[file] = _unpickled(file).__getitem__
        return self._opened[file](name)


def _unpickled(file: Path) -> dict[str, Tensor]:
    """The tensors of a torch file, by name, still on the disk where its format allows that."""
    try:
        data = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise SaccadeError(
            f"{file} is no file of tensors and plain data alone, or is broken, and code in a file is never run; get it "
            "again, or where it was made save the weights by themselves: torch.save(model.state_dict(), file)"
        ) from error
    except _BROKEN as error:
        raise SaccadeError(f"{file} is no readable torch file ({error!r}); get the whole file again") from error
    if isinstance(data, Mapping):
        data = next((data[key] for key in CONTAINERS if isinstance(data.get(key), Mapping)), data)
    if not isinstance(data, Mapping):
        raise SaccadeError(f"{file} holds a {type(data).__name__}, expected weights by name; save a state_dict")
    strange = [f"{name} ({type(value).__name__})" for name, value in data.items() if not isinstance(value, Tensor)]
    if strange:
        raise SaccadeError(
            f"{file} holds {len(strange)} of {len(data)} entries that are no tensors: {', '.join(strange[:8])}; save "
            "the weights by themselves, or under one of the keys " + ", ".join(CONTAINERS)
        )
    return {str(name): tensor for name, tensor in data.items()}


def _sharded(folder: Path, name: str) -> dict[str, Path]:
    try:
        index = json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError) as error:
        raise SaccadeError(f"{folder / name} is no index of weights ({error!r}); get the file again") from error
    files = {file: folder / Path(file).name for file in set(index.values())}
    absent = sorted(path.name for path in files.values() if not path.is_file())
    if absent:
        raise SaccadeError(f"{name} names {len(files)} files, {', '.join(absent)} is not there; get the whole folder")
    held = {weight for path in files.values() for weight in shapes(path)}
    require(held, set(index), folder)
    return {weight: files[file] for weight, file in index.items()}


def _slim(tensor: Tensor, axes: int) -> Tensor:
    while tensor.ndim > axes and len(tensor) == 1:
        tensor = tensor[0]
    return tensor


def _blocks(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    """The parts with their zeros spelt out."""
    made: list[Tensor] = []
    for tensor in tensors:
        made.append(torch.zeros_like(made[-1]) if tensor is None else tensor)
    return made


def _shape(tensors: Sequence[Tensor | None]) -> list[int] | list[list[int]]:
    """What the parts come to; each part's own shape where they do not fit below each other."""
    each = [list(tensor.shape) for tensor in _blocks(tensors)]
    if len(each) == 1:
        return each[0]
    if any(not shape or shape[1:] != each[0][1:] for shape in each):
        return each
    return [sum(shape[0] for shape in each), *each[0][1:]]


def _copy(tensors: Sequence[Tensor | None], target: Tensor) -> None:
    blocks = _blocks(tensors)
    if len(blocks) == 1:
        target.copy_(blocks[0])
        return
    first = 0
    for block in blocks:
        target[first : first + len(block)].copy_(block)
        first += len(block)


def _named(source: Source) -> str:
    names = ", ".join("zeros" if part is None else part[1] for part in source)
    files = sorted({part[0].name for part in source if part is not None})
    return f"{names} in {', '.join(files)}"
