"""``load``: the model itself, as a module or as ``transformers`` made it, by the names that ``open_model`` takes."""

import os
from pathlib import Path
from typing import cast

import torch

from saccade.architectures import LOADERS
from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.devices import device_of, dtype_of, placed
from saccade.backends.embedded.family import embedded
from saccade.backends.hosted import HostedBackend, load_hosted
from saccade.backends.open import kind_of, open_model
from saccade.backends.placement import AUTO, Placement
from saccade.backends.store import SETTINGS, WHOLE, Model
from saccade.backends.store import load as load_composed
from saccade.core.backend import Backend
from saccade.core.errors import SaccadeError
from saccade.weights.checkpoint import config_of, fetch


def load(
    model: object,
    revision: str | None = None,
    *,
    semantics: str | None = None,
    device: str = AUTO,
    dtype: str = AUTO,
) -> Model | HostedBackend:
    """The model of that name: a Reader, a Retriever or a Perceiver IO where composed here, else ``HostedBackend``.

    Takes an embedded reader's name, a folder, a plug-in's ``package/kind`` and a Hub id, in this order. ``revision`` is
    for Hub ids; ``semantics`` for Perceivers: "authors" (the default) or "hf"; ``device`` and ``dtype`` as in
    ``open_model``. Raises SaccadeError for everything else.
    """
    place = Placement(device, dtype)
    kind = kind_of(model, revision)
    model = cast(str | os.PathLike[str], model)
    if kind == "url":
        raise SaccadeError(f"{model} is a server, whose model cannot be loaded; saccade.open_model drives it there")
    if kind in ("folder", "hub"):
        return _folder(model, revision, semantics, place)
    if semantics is not None:
        raise SaccadeError(f"semantics is for Perceivers, {model} is another model; leave it out")
    if kind == "embedded":
        return placed(embedded(str(model)), device_of(device), dtype_of(dtype, torch.float32))
    return _inside(open_model(model, device=device, dtype=dtype))


def _folder(
    model: str | os.PathLike[str], revision: str | None, semantics: str | None, place: Placement
) -> Model | HostedBackend:
    folder = fetch(model, revision)
    own = (folder / SETTINGS).is_file()
    if own or not (folder / "config.json").is_file() or config_of(folder).get("model_type") in LOADERS:
        return load_composed(folder, semantics=semantics, device=place.device, dtype=place.dtype)
    if semantics is not None:
        raise SaccadeError(f"semantics is for {', '.join(WHOLE)}, {folder} holds another model; leave it out")
    name = None if Path(model).is_dir() else str(model)
    return load_hosted(model, revision, device=place.device, dtype=place.dtype, name=name)


def _inside(backend: Backend) -> Model | HostedBackend:
    """What a plug-in's backend drives."""
    if isinstance(backend, ComposedBackend):
        return backend.reader
    if isinstance(backend, HostedBackend):
        return backend
    raise SaccadeError(f"{backend.name} is a {type(backend).__name__}, which holds no module; use saccade.open_model")
