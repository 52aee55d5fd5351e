"""Checkpoints in the Hub's layout, loaded as hosted models: their own class, their own processor, no code of theirs.

Law     every weight of the class comes from the folder; pixels are made by Pillow on every machine, so that answers do
        not hang on what else is installed.
Loses   videos: the parts of processors that read them need torchvision, and are left out.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedModel

from saccade.backends.devices import device_of, dtype_of, saved_dtype
from saccade.backends.hosted.backend import HostedBackend
from saccade.backends.hosted.families import KINDS
from saccade.backends.identity import Origin, identity_of
from saccade.backends.memory import check_room, free_bytes
from saccade.backends.placement import AUTO, Placement
from saccade.compat.hf import without_progress_bars
from saccade.compat.processors import image_processor_of, processor_from_parts
from saccade.core.errors import SaccadeError
from saccade.weights.checkpoint import config_of, fetch, tokenizer_of
from saccade.weights.files import kinds, listing


def load_hosted(
    path_or_id: str | os.PathLike[str],
    revision: str | None = None,
    *,
    device: str = AUTO,
    dtype: str = AUTO,
    name: str | None = None,
) -> HostedBackend:
    """Any model of ``transformers`` that reads pictures and answers, from a folder or a Hub id, ready for use.

    ``device`` and ``dtype`` as in ``Placement``; ``name`` is what results call it. Raises SaccadeError for folders
    without its files, for weights that are missing or misshapen, for types that the installed library does not have,
    for processors that need what is not installed, and for weights that are larger than the device's free memory,
    unless ``accelerate`` is there to spread them over several.
    """
    place = Placement(device, dtype)
    where = device_of(place.device)
    folder = fetch(path_or_id, revision)
    kind = str(config_of(folder).get("model_type"))
    processor = _known(folder, kind) if kind in KINDS else _other(folder, kind)
    called = name or (folder.resolve().name if Path(path_or_id).is_dir() else str(path_or_id))
    files = listing(folder)
    numbers = dtype_of(place.dtype, saved_dtype(files))
    spread = _spread(called, sum(kinds(files).values()) * numbers.itemsize, where, numbers, place)
    model = _model(folder, kind, numbers, spread)
    made = model if spread else cast(Any, model).to(where)
    origin = Origin("hosted", f"the model of {called} as its authors published it", identity_of(path_or_id, folder))
    return HostedBackend(made, processor, name=called, origin=origin)


def _spread(called: str, needed: int, where: torch.device, numbers: torch.dtype, place: Placement) -> str | None:
    """The library's word for weights over all devices there are, where ``needed`` bytes do not fit on one of them.

    Raises SaccadeError, with both numbers, where they cannot be spread either.
    """
    several = where.type == "cuda" and place.device in (AUTO, "cuda") and find_spec("accelerate") is not None
    free = free_bytes(where)
    if several and free is not None and needed > free:
        return "auto"
    check_room(called, needed, where, numbers)
    if where.type != "cpu":
        check_room(called, needed, torch.device("cpu"), numbers)  # they come through here
    return None


def _model(folder: Path, kind: str, numbers: torch.dtype, spread: str | None) -> PreTrainedModel:
    """The model of ``folder`` with all of its weights, in ``numbers``."""
    try:
        with without_progress_bars():
            model, found = cast(Any, AutoModelForImageTextToText).from_pretrained(
                folder,
                dtype=numbers,
                device_map=spread,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise SaccadeError(
            f"{folder} does not load as a model of type {kind!r} that reads pictures: {_first(error)}; get its "
            "config.json and safetensors again, or take a checkpoint that the installed transformers knows"
        ) from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise SaccadeError(
            f"{folder} lacks {len(missing)} weights of {type(model).__name__}, the first is {missing[0]}; get the "
            "checkpoint again"
        )
    return model


def _known(folder: Path, kind: str) -> Any:  # noqa: ANN401 (the library's base class says nothing of what is taken here)
    """The processor in parts, its videos left out."""
    try:
        parts = {"image_processor": image_processor_of(folder), "tokenizer": tokenizer_of(folder)}
        return processor_from_parts(KINDS[kind].processor, folder, parts)
    except (OSError, ValueError, ImportError, TypeError) as error:
        raise _unmade(folder, error) from error


def _other(folder: Path, kind: str) -> Any:  # noqa: ANN401 (the library's base class says nothing of what is taken here)
    """The processor as the library makes it."""
    try:
        return AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, TypeError, KeyError) as error:
        needed = f"; processors of type {kind!r} may need torchvision: pip install torchvision"
        raise _unmade(folder, error, needed if "orchvision" in str(error) else "") from error


def _unmade(folder: Path, error: Exception, more: str = "") -> SaccadeError:
    return SaccadeError(
        f"{folder} gives no processor: {_first(error)}{more}; save it into the folder too (processor.save_pretrained)"
    )


def _first(error: Exception) -> str:
    """The first line of what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
