"""safetensors on disk: which file holds which weight, and copying them into a module one at a time."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from saccade.core.errors import SaccadeError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def listing(folder: Path) -> dict[str, Path]:
    """The file of every weight in ``folder``, in one or several. Raises SaccadeError for missing or broken files."""
    if (folder / INDEX).is_file():
        return _sharded(folder)
    if not (folder / SINGLE).is_file():
        pickled = sorted(file.name for file in folder.glob("*.bin"))
        why = f"; {', '.join(pickled)} is pickle, which is never read: save it as safetensors" if pickled else ""
        raise SaccadeError(f"{folder} holds neither {SINGLE} nor {INDEX}{why}")
    return dict.fromkeys(_names(folder / SINGLE), folder / SINGLE)


def fill(module: nn.Module, sources: Mapping[str, tuple[Path, str]]) -> None:
    """Copy into each named weight or buffer the tensor of (file, name in it). Raises SaccadeError on unequal shapes."""
    targets = module.state_dict()
    for file in sorted({file for file, _ in sources.values()}):
        with safe_open(file, framework="pt") as opened:
            for ours, (place, theirs) in sources.items():
                if place != file:
                    continue
                tensor = opened.get_tensor(theirs)
                if tensor.shape != targets[ours].shape:
                    raise SaccadeError(
                        f"{theirs} in {file.name} is {list(tensor.shape)}, but {ours} as configured takes "
                        f"{list(targets[ours].shape)}; the config does not belong to these weights"
                    )
                with torch.no_grad():
                    targets[ours].copy_(tensor)


def read(source: tuple[Path, str]) -> Tensor:
    """One tensor of a file."""
    with safe_open(source[0], framework="pt") as opened:
        return opened.get_tensor(source[1])


def require(found: set[str], wanted: set[str], folder: Path) -> None:
    """Raises SaccadeError that lists the names that are missing or left over."""
    for what, names in (("lacks", wanted - found), ("has left-over", found - wanted)):
        if names:
            shown = ", ".join(sorted(names)[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise SaccadeError(f"{folder} {what} {len(names)} of {len(wanted)} weights: {shown}")


def _sharded(folder: Path) -> dict[str, Path]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError) as error:
        raise SaccadeError(f"{folder / INDEX} is no index of weights ({error!r}); get the file again") from error
    files = {file: folder / Path(file).name for file in set(index.values())}
    absent = sorted(path.name for path in files.values() if not path.is_file())
    if absent:
        raise SaccadeError(f"{INDEX} names {len(files)} files, {', '.join(absent)} is not there; get the whole folder")
    held = {name for path in files.values() for name in _names(path)}
    require(held, set(index), folder)
    return {name: files[file] for name, file in index.items()}


def _names(file: Path) -> list[str]:
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise SaccadeError(f"{file} is no readable safetensors file ({error}); get the whole file again") from error
