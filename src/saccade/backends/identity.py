"""What a model that runs here knows of itself: where it comes from, its weights, and text that tells it from others."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import PIL
import torch
import transformers
from torch import nn

from saccade.backends.embedded.manifest import TYPES
from saccade.core.backend import Backend, Weights
from saccade.core.errors import SaccadeError
from saccade.core.plan import Setting
from saccade.core.records.recipe import to_dict
from saccade.runtime.reader import Reader

KNOWN = {"saccade", "torch", "transformers", "builtins"}
"""Packages whose code is told by their versions."""
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
"""Files of weights, which are told apart by name, size and time alone: reading them takes as long as loading them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from: ``identity`` gives text that is equal for equal weights and settings, and is called
    when it is first needed; None for a model at hand, whose weights are then read through.
    """

    fidelity: str = "hosted"
    provenance: str = "as given"
    identity: Callable[[], str] | None = None


class LocalBackend(Backend):
    """A model that runs here: ``network`` is its module, ``settings`` all else that its answers hang on."""

    def __init__(self, network: nn.Module, settings: Callable[[], str], origin: Origin | None) -> None:
        self._network, self._settings, self._origin = network, settings, origin or Origin()

    @property
    def fidelity(self) -> str:
        """See ``Backend``."""
        return self._origin.fidelity

    @property
    def provenance(self) -> str:
        """See ``Backend``."""
        return self._origin.provenance

    @property
    def device(self) -> str:
        """See ``Backend``: all devices that hold weights."""
        return "+".join(dict.fromkeys(str(tensor.device) for tensor in self._network.parameters()))

    @property
    def dtype(self) -> str:
        """See ``Backend``: the type of most numbers."""
        counted: dict[str, int] = {}
        for tensor in self._network.parameters():
            name = str(tensor.dtype).removeprefix("torch.")
            counted[name] = counted.get(name, 0) + tensor.numel()
        return max(counted, key=counted.__getitem__)

    @cached_property
    def setting(self) -> Setting:
        """How it is run, for plans."""
        return Setting(dtype=self.dtype)

    @property
    def weights(self) -> Weights:
        """See ``Backend``: as they are held, tied ones once."""
        held = list(self._network.parameters())
        return Weights(sum(tensor.numel() for tensor in held), sum(tensor.nbytes for tensor in held))

    @cached_property
    def _identity(self) -> str:
        return digest(self._network, self._settings()) if self._origin.identity is None else self._origin.identity()

    @property
    def fingerprint(self) -> str | None:
        """See ``Backend``: origin, kind of device, type of numbers, the libraries that compute, and the code of parts
        that other packages bring; None where such code is in no file.
        """
        kinds = "+".join(sorted({tensor.device.type for tensor in self._network.parameters()}))
        code = self._code
        return None if code is None else " ".join((self._identity, kinds, self.dtype, versions(), *code))

    @cached_property
    def _code(self) -> tuple[str, ...] | None:
        return code_of(self._network) if isinstance(self._network, Reader) else ()


def versions() -> str:
    """The libraries on which numbers hang, with their versions."""
    return f"torch={torch.__version__} transformers={transformers.__version__} pillow={PIL.__version__}"


def digest(network: nn.Module, settings: str) -> str:
    """The hash of everything that is stored of ``network``, and of its ``settings``."""
    found = hashlib.sha256(settings.encode())
    for name, tensor in network.state_dict().items():
        found.update(f"\0{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return f"weights:{found.hexdigest()}"


def code_of(reader: Reader) -> tuple[str, ...] | None:
    """For every package but saccade, torch and transformers whose classes ``reader`` is made of: its name and the hash
    of its Python files. None where a class is in no file, as one that a notebook defines.
    """
    spec = reader.spec
    parts = [*reader.modules(), *(getattr(spec, field.name) for field in fields(spec))]
    packages = {type(part).__module__.partition(".")[0] for part in parts} - KNOWN
    found: list[str] = []
    for package in sorted(packages):
        file = getattr(sys.modules.get(package), "__file__", None)
        if package == "__main__" or file is None:
            return None
        files = sorted(Path(file).parent.rglob("*.py")) if Path(file).stem == "__init__" else [Path(file)]
        code = hashlib.sha256(b"\0".join(path.read_bytes() for path in files))
        found.append(f"{package}={code.hexdigest()}")
    return tuple(found)


def of_folder(folder: Path) -> str:
    """The hash of a checkpoint folder: contents of its settings; name, size and time of its weights."""
    found = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if name.startswith("."):
            continue
        stat = file.stat()
        settled = file.suffix not in WEIGHTS and stat.st_size < 2**26
        told = hashlib.sha256(file.read_bytes()).hexdigest() if settled else f"{stat.st_size} {stat.st_mtime_ns}"
        found.update(f"\0{name} {told}".encode())
    return f"folder:{found.hexdigest()}"


def of_reader(reader: Reader) -> Origin:
    """What a reader at hand tells of itself."""
    return Origin(reader.about.fidelity, reader.about.provenance)


def settings_of(reader: Reader) -> str:
    """All that a reader's answers hang on beside its weights."""
    words = (
        [reader.tokenizer] if reader.instructor in (None, reader.tokenizer) else [reader.tokenizer, reader.instructor]
    )
    try:
        spec: object = to_dict(reader.spec, TYPES)
    except SaccadeError:  # a part that no package registers, such as a notebook's
        spec = repr(reader.spec)
    return json.dumps([spec, [sorted(one.get_vocab().items()) for one in words]])


def identity_of(path_or_id: str | os.PathLike[str], folder: Path) -> Callable[[], str] | None:
    """The identity of a checkpoint in ``folder``, fetched for an id: its commit on the Hub, or what the folder holds.

    None where it names pieces elsewhere, which one then has to read.
    """
    if not Path(path_or_id).is_dir() and folder.parent.name == "snapshots":
        return lambda: f"hub:{os.fspath(path_or_id)}@{folder.name}"
    pieces = folder / "saccade.json"
    if pieces.is_file() and "schema" in (data := json.loads(pieces.read_text())) and "pieces" in str(data["schema"]):
        return None
    return lambda: of_folder(folder)


def of_data(kind: str, data: Any) -> str:  # noqa: ANN401 (whatever JSON takes)
    """The hash of JSON-safe ``data``."""
    return f"{kind}:{hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()}"
