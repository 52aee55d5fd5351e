"""Any model as policies drive it: by name, folder, Hub id or URL, or an object that is one.

Importing this, and opening what a server serves, needs neither torch nor transformers.
"""

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urldefrag

from saccade.backends.embedded.manifest import cards, is_embedded
from saccade.backends.placement import AUTO, Placement
from saccade.core.backend import Backend
from saccade.core.errors import SaccadeError, unknown
from saccade.core.interface.arguments import text
from saccade.core.registry.plugins import has_plugin, plugin

TAKEN = (
    "an embedded reader's name, a checkpoint folder, a Hub id (owner/name), the URL of a server (http://host:8000/v1), "
    "an installed package's package/kind, a saccade Reader or Backend, or a tuple (model, processor) of transformers"
)
"""What ``open_model`` takes, in words."""
Kind = Literal["embedded", "url", "folder", "plug-in", "hub"]
"""What a name means."""
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def open_model(
    model: object,
    *,
    revision: str | None = None,
    device: str = AUTO,
    dtype: str = AUTO,
    name: str | None = None,
) -> Backend:
    """Open ``model`` for any verb.

    Args:
        model: An embedded reader's name; a checkpoint folder; a Hub id (``owner/name``); ``http://…/v1`` with
            ``#model`` behind it where several are served there; a ``Backend``, which is returned as it is; a
            ``Reader``; or ``(model, processor)`` of transformers. A name is an embedded reader's first, then a
            folder's, then that of an installed package's model or backend (``package/kind``, with ``:rest`` behind it
            for what a backend takes), then the Hub's. What the catalogue composes is composed, all else is hosted.
        revision: The branch, tag or commit of a Hub id.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. Objects are moved there; under ``auto`` they stay
            where they are. Refused for a server and for a ``Backend``: they run where they run.
        dtype: ``auto`` (as the checkpoint was saved), ``float32``, ``bfloat16`` or ``float16``; objects as above.
        name: What results call it, instead of its own name.

    Raises SaccadeError for everything else, and where this machine has no such device.
    """
    place = Placement(device, dtype)
    if place != Placement() and not runs_here(model):
        raise SaccadeError(_elsewhere([model], place))
    if name is not None:
        text("name", name)
    if isinstance(model, str | os.PathLike):
        return _named(model, kind_of(model, revision), revision, place, name)
    if revision is not None:
        raise SaccadeError(f"revision={revision!r} is for Hub ids, got a {type(model).__name__}; leave it out")
    if isinstance(model, Backend):
        if name not in (None, model.name):
            raise SaccadeError(f"{model.name} is open and keeps its name, got name={name!r}; leave name out")
        return model
    # Where torch was never imported, nothing can be one of its modules.
    made = _local().open_object(model, place, name) if sys.modules.get("torch") is not None else None
    if made is None:
        raise SaccadeError(f"a model is {TAKEN}; got {_shown(model)}")
    return made


def runs_here(model: object) -> bool:
    """Whether ``device`` and ``dtype`` hold for ``model``: not for servers, nor for backends, which are open already or
    open what they drive themselves. Nothing is opened.
    """
    if isinstance(model, Backend) or is_server(model):
        return False
    return not (isinstance(model, str) and has_plugin("saccade.backends", model.partition(":")[0]))


def is_server(model: object) -> bool:
    """Whether ``model`` is the URL of a server, or one that is open. Nothing is opened."""
    if isinstance(model, str):
        return model.startswith(("http://", "https://"))
    endpoint = sys.modules.get("saccade.backends.endpoint")  # where it was never imported, nothing is one
    return endpoint is not None and isinstance(model, endpoint.Endpoint)


def check_placement(models: Sequence[object], device: str, dtype: str) -> None:
    """Raises SaccadeError where ``device`` or ``dtype`` is given and holds for none of ``models``."""
    place = Placement(device, dtype)
    if place != Placement() and not any(map(runs_here, models)):
        raise SaccadeError(_elsewhere(models, place))


def open_one_of(model: object, *, device: str, dtype: str, revision: str | None = None) -> Backend:
    """Open one of several models, with ``device`` and ``dtype`` where they hold for it; see ``check_placement``."""
    if not runs_here(model):
        device = dtype = AUTO
    return open_model(model, revision=revision, device=device, dtype=dtype)


def _elsewhere(models: Sequence[object], place: Placement) -> str:
    """Why ``place`` is refused for models that run elsewhere."""
    option = f"device={place.device}" if place.device != AUTO else f"dtype={place.dtype}"
    named = ", ".join(one if isinstance(one, str) else _shown(one) for one in models)
    return (
        f"{option} is for models that are loaded here, and {named} is a server or a backend, which runs where it runs; "
        f"leave out {option.partition('=')[0]}"
    )


def _named(
    model: str | os.PathLike[str], kind: Kind, revision: str | None, place: Placement, name: str | None
) -> Backend:
    """By what a user writes."""
    if kind == "url":
        return _endpoint(str(model), name)
    if kind == "plug-in":
        return _foreign(str(model), place, name)
    if kind == "embedded":
        return _local().open_embedded(model, place, name)
    return _local().open_folder(model, revision, place, name)


def kind_of(model: object, revision: str | None = None) -> Kind:
    """What a name or path means; nothing is opened.

    Raises SaccadeError for what means nothing, with near matches, and for a ``revision`` of what is no Hub id.
    """
    if not isinstance(model, str | os.PathLike):
        raise SaccadeError(f"a model is {TAKEN}; got {_shown(model)}")
    found = _folder(Path(model)) if isinstance(model, os.PathLike) else _kind(model)
    if found != "hub" and revision is not None:
        raise SaccadeError(f"revision={revision!r} is for Hub ids, {model} is none; leave it out")
    return found


def _kind(model: str) -> Kind:
    if not model.strip():
        raise SaccadeError(f"a model is {TAKEN}; got an empty name")
    if is_embedded(model):
        return "embedded"
    if is_server(model):
        return "url"
    if Path(model).exists():
        return _folder(Path(model))
    if has_plugin("saccade.backends", model.partition(":")[0]) or has_plugin("saccade.models", model):
        return "plug-in"
    return "hub" if _HUB.fullmatch(model) else _folder(Path(model))


def _folder(path: Path) -> Kind:
    if path.is_dir():
        return "folder"
    if path.is_file():
        raise SaccadeError(f"{path} is a file; name the folder that it lies in, with config.json and the tokenizer")
    if len(path.parts) == 1:
        raise unknown("model", str(path), cards())
    raise SaccadeError(f"there is no folder {path}; a model is {TAKEN}")


def _foreign(model: str, place: Placement, name: str | None) -> Backend:
    """What an installed package brings under ``package/kind``.

    A backend's factory is called with what stands behind a colon, ``package/kind:rest``; a model is a folder, or made
    by a factory without arguments.
    """
    kind, _, rest = model.partition(":")
    if has_plugin("saccade.backends", kind):
        return _backend(kind, _called(kind, plugin("saccade.backends", kind), rest), name)
    found = plugin("saccade.models", model)
    made = _called(model, found) if callable(found) else found
    if isinstance(made, str | os.PathLike):
        _folder(Path(made))
        return _local().open_folder(Path(made), None, place, name or model)
    if isinstance(made, Backend):
        return _backend(model, made, name)
    opened = _local().open_object(made, place, name or model)
    if opened is None:
        raise SaccadeError(
            f"the model {model!r} is a {type(made).__name__}; its package has to give a Reader, a ReaderSpec, a "
            "Backend, a tuple (model, processor), a folder, or a function that returns one of these"
        )
    return opened


def _backend(kind: str, made: object, name: str | None) -> Backend:
    if not isinstance(made, Backend):
        raise SaccadeError(f"the backend {kind!r} gave a {type(made).__name__}, which is no saccade Backend")
    return open_model(made, name=name)


def _called(kind: str, factory: object, *arguments: str) -> object:
    """What a plug-in's ``factory`` makes. Raises SaccadeError, with the cause, where it fails."""
    if not callable(factory):
        raise SaccadeError(f"the plug-in {kind!r} is a {type(factory).__name__}; it has to be a function or a class")
    try:
        return factory(*arguments)
    except SaccadeError:
        raise
    except Exception as error:
        raise SaccadeError(
            f"the plug-in {kind!r} raised {type(error).__name__}: {error}; check what it was given, or ask its authors"
        ) from error


def _endpoint(url: str, name: str | None) -> Backend:
    if find_spec("openai") is None:
        raise SaccadeError("a model behind a URL needs openai: pip install 'saccade[api]'")
    from saccade.backends.endpoint import Endpoint

    place, model = urldefrag(url)
    return Endpoint(place, model or None, name=name)


def _local() -> Any:  # noqa: ANN401 (a module that needs torch)
    """What opens models that run here. Raises SaccadeError where it cannot be imported."""
    try:
        return import_module("saccade.backends.local")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "saccade":
            raise
        raise SaccadeError(f"a model that runs here needs {error.name}: pip install 'saccade[run]'") from error


def _shown(model: object) -> str:
    """``model`` in a message: short, whatever it is."""
    said = repr(model)
    return f"{said if len(said) <= 60 else said[:57] + '…'} ({type(model).__name__})"
