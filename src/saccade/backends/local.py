"""Models that run on this machine, opened: embedded readers, folders and Hub ids, and objects."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel

from saccade.architectures import LOADERS
from saccade.backends.composed.backend import ComposedBackend, caps_of
from saccade.backends.devices import device_of, dtype_of, placed
from saccade.backends.embedded.family import embedded
from saccade.backends.embedded.manifest import TYPES, cards
from saccade.backends.hosted import HostedBackend, load_hosted
from saccade.backends.identity import Origin, identity_of, of_data
from saccade.backends.placement import AUTO, Placement
from saccade.backends.random_init import from_spec
from saccade.backends.store import SETTINGS, load_reader
from saccade.core.backend import Backend
from saccade.core.errors import SaccadeError
from saccade.core.records.recipe import to_dict
from saccade.runtime.reader import Reader
from saccade.specs.reader import ReaderSpec
from saccade.weights.checkpoint import config_of, fetch

Model = TypeVar("Model", bound=nn.Module)


def open_embedded(model: str, place: Placement, name: str | None) -> Backend:
    """An embedded reader."""
    reader = placed(embedded(model), device_of(place.device), dtype_of(place.dtype, torch.float32))
    return composed(name or model, reader, partial(_of_card, model))


def _of_card(name: str) -> str:
    card = cards()[name]
    return of_data("embedded", [to_dict(card.spec, TYPES), dict(card.parts)])


def open_folder(
    path_or_id: str | os.PathLike[str], revision: str | None, place: Placement, name: str | None
) -> Backend:
    """A folder or a Hub id: composed where the catalogue composes it, else hosted."""
    folder = fetch(path_or_id, revision)
    called = name or (Path(path_or_id).resolve().name if Path(path_or_id).is_dir() else str(path_or_id))
    if (folder / SETTINGS).is_file() or config_of(folder).get("model_type") in LOADERS:
        reader = load_reader(folder, device=place.device, dtype=place.dtype)
        return composed(called, reader, identity_of(path_or_id, folder))
    return load_hosted(path_or_id, revision, device=place.device, dtype=place.dtype, name=called)


def composed(name: str, reader: Reader, identity: Callable[[], str] | None = None) -> ComposedBackend:
    """``reader`` with all that it can do by its parts and was trained for. ``identity`` as in ``Origin``."""
    origin = Origin(reader.about.fidelity, reader.about.provenance, identity)
    return ComposedBackend(name, reader, caps_of(reader) | reader.about.tuned, origin)


def open_object(model: object, place: Placement, name: str | None) -> Backend | None:
    """A ``Reader``, a spec of one (with random weights), or a model of transformers with its processor; None for
    anything else.

    Raises SaccadeError for models that answer no questions, and for a model without its processor.
    """
    if isinstance(model, ReaderSpec):
        model = from_spec(model)
    if isinstance(model, Reader):
        return composed(name or "reader", _moved(model, place).eval())
    if isinstance(model, tuple) and len(model) == 2 and isinstance(model[0], PreTrainedModel):
        network, processor = model
        _check(network, processor)
        return HostedBackend(_moved(network, place), processor, name=name)
    if isinstance(model, PreTrainedModel):
        raise SaccadeError(
            f"a {type(model).__name__} alone cannot read pictures or text; give it with its processor: "
            "open_model((model, processor))"
        )
    if isinstance(model, nn.Module):
        raise SaccadeError(
            f"a {type(model).__name__} answers no questions by itself; give a saccade Reader, a tuple (model, "
            "processor) of transformers, or a Backend that drives it"
        )
    return None


def _check(model: PreTrainedModel, processor: object) -> None:
    """Refuse what cannot be hosted."""
    lacking = [part for part in ("tokenizer", "image_processor", "image_token") if not hasattr(processor, part)]
    if lacking:
        raise SaccadeError(
            f"the processor of {type(model).__name__} is a {type(processor).__name__} without {', '.join(lacking)}; "
            "give the one that was published with the model, as AutoProcessor loads it"
        )
    if getattr(model.config, "image_token_id", None) is None:
        raise SaccadeError(
            f"{type(model).__name__} has no image_token_id in its config, so it reads no pictures; give a model that "
            "AutoModelForImageTextToText loads"
        )


def _moved(model: Model, place: Placement) -> Model:
    """``model`` itself, where it is wanted; where nothing is wanted it stays as it is."""
    first = next(model.parameters())
    device = first.device if place.device == AUTO else device_of(place.device)
    return placed(model, device, dtype_of(place.dtype, first.dtype)) if place != Placement() else model
