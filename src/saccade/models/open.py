"""Any model as policies drive it, by the name that a user gives: embedded, in a folder or on the Hub, or at a URL."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urldefrag

from saccade.core.backend import Backend
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError, unknown
from saccade.models.base import Reader
from saccade.models.cards import cards
from saccade.models.checkpoint import config_of, fetch
from saccade.models.composed import Composed, caps_of
from saccade.models.embedded import embedded
from saccade.models.hosted import load_hosted
from saccade.models.store import LOADERS, SETTINGS, load_reader
from saccade.specs.cross import CrossSpec


def open_model(name: str, revision: str | None = None) -> Backend:
    """The model of that name: an embedded reader, a folder or Hub id (``owner/name``), or ``http://…/v1`` with
    ``#model`` behind it where several are served there.

    What the catalogue composes is composed, every other model of transformers hosted as it is. Raises SaccadeError for
    what is none of these.
    """
    if name in cards():
        return embedded_model(name)
    if name.startswith(("http://", "https://")):
        return _endpoint(name)
    if not Path(name).is_dir() and name.count("/") != 1:
        raise unknown("model", name, cards())
    folder = fetch(name, revision)
    if (folder / SETTINGS).is_file() or config_of(folder).get("model_type") in LOADERS:
        return Composed(Path(name).name, reader := load_reader(folder), loaded_caps(reader))
    return load_hosted(folder)


def embedded_model(name: str, reader: Reader | None = None) -> Composed:
    """An embedded reader. Only those with cross-attention were trained on several pictures, none on instructions."""
    made = embedded(name) if reader is None else reader
    several = Cap.MULTI_IMAGE if isinstance(made.spec.cross, CrossSpec) else Cap(0)
    return Composed(name, made, caps_of(made) | several)


def loaded_caps(reader: Reader) -> Cap:
    """Of a published checkpoint: those that answer questions were tuned to follow instructions, and read several
    pictures where the prompt has places for them.
    """
    return caps_of(reader) | Cap.INSTRUCT | (Cap(0) if reader.spec.instructed else Cap.MULTI_IMAGE)


def _endpoint(url: str) -> Backend:
    if find_spec("openai") is None:
        raise SaccadeError("a model behind a URL needs openai: pip install 'saccade[api]'")
    from saccade.models.endpoint import Endpoint

    place, model = urldefrag(url)
    return Endpoint(place, model or None)
