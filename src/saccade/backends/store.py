"""Readers and retrievers on disk: saved, loaded again, and published checkpoints loaded as compositions of our parts.

Weights are safetensors and settings JSON; a ``saccade.json`` may name a file of torch's, which is read as tensors
alone. No code from a folder or the Hub is run.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from saccade.architectures import LOADERS, PIECES
from saccade.architectures.architecture import Loader
from saccade.architectures.blip2.checkpoint import INSTRUCTOR
from saccade.architectures.perceiver.checkpoint import PerceiverModel
from saccade.backends.composed.backend import ComposedBackend as Opened
from saccade.backends.devices import built, device_of, dtype_of, placed, saved_dtype
from saccade.backends.hosted import HostedBackend
from saccade.backends.memory import check_room
from saccade.backends.placement import AUTO, Placement
from saccade.compat.hf import without_random_init
from saccade.compat.processors import save_processor
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError, unknown
from saccade.core.interface.arguments import instance, path
from saccade.core.records.recipe import from_dict, to_dict
from saccade.runtime.about import About
from saccade.runtime.reader import Reader
from saccade.runtime.retriever import Retriever
from saccade.specs.matcher import MatcherSpec
from saccade.specs.reader import PARTS, ReaderSpec
from saccade.specs.retriever import RetrieverSpec
from saccade.weights.checkpoint import ComposedCheckpoint, config_of, fetch, settings, tokenizer_of
from saccade.weights.files import SINGLE, Source, fill, kinds, listing, read, require

SETTINGS = "saccade.json"
SCHEMA = "saccade.reader/1"
TYPES: dict[str, type] = {**PARTS, "matcher": MatcherSpec, "reader": ReaderSpec, "retriever": RetrieverSpec}
Saved = Reader | Retriever
"""What answers, or tells which text belongs to which picture: made of parts that a spec names."""
Model = Saved | PerceiverModel
"""What a folder may hold."""
IN_PIECES = "saccade.pieces/1"
WHOLE = tuple(kind for kind, loader in LOADERS.items() if loader.whole)
"""Types in ``config.json`` of models that answer no questions."""


def save_pretrained(model: object, folder: str | os.PathLike[str], recipe: Mapping[str, Any] | None = None) -> None:
    """Write a reader or a retriever to a folder of its own: spec, weights, tokenizer and, where given, the ``recipe``
    that made it. Of an opened model its reader is written, a hosted one with its processor as ``transformers`` does.

    The folder appears whole or not at all. A reader that stands there is replaced by a reader. Raises SaccadeError
    where the folder holds something else, and for models that cannot be saved.
    """
    target = path("folder", folder)
    if recipe is not None:
        instance("recipe", recipe, Mapping, "a mapping of JSON-safe data")
    if isinstance(model, Opened):
        model = model.reader
    if isinstance(model, Saved):
        _replace(target, partial(_write, model, recipe=recipe), _holds_reader)
    elif isinstance(model, HostedBackend) and recipe is None:
        _replace(target, partial(_write_hosted, model), lambda _: False)
    else:
        with_recipe = " with a recipe" if isinstance(model, HostedBackend) else ""
        raise SaccadeError(
            f"a {type(model).__name__}{with_recipe} cannot be saved; what can be are a Reader, a Retriever, and what "
            "open_model makes of a folder or a Hub id"
        )


def _replace(target: Path, write: Callable[[Path], None], replaceable: Callable[[Path], bool]) -> None:
    """Fill a folder beside ``target``, and put it in its place when it is whole."""
    if target.exists() and not replaceable(target) and (not target.is_dir() or any(target.iterdir())):
        raise SaccadeError(f"{target} exists and holds no saved reader; name a new folder, nothing was written")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-", ignore_cleanup_errors=True) as room:
        made, old = Path(room) / "made", Path(room) / "old"
        made.mkdir()
        write(made)
        if target.exists():
            target.rename(old)
        try:
            made.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise


def _write_hosted(model: HostedBackend, folder: Path) -> None:
    model.model.save_pretrained(folder)
    save_processor(model.processor, folder)


def from_pretrained(folder: str | os.PathLike[str], *, device: str = AUTO, dtype: str = AUTO) -> Saved:
    """The reader or retriever that ``save_pretrained`` wrote, ready for use; ``device`` and ``dtype`` as in ``load``.

    Raises SaccadeError for settings of another version and for missing, left-over or misshapen weights.
    """
    place = path("folder", folder)
    found = settings(place / SETTINGS)
    if found.get("schema") != SCHEMA:
        raise SaccadeError(f"{place / SETTINGS} has schema {found.get('schema')!r}, this saccade reads {SCHEMA!r}")
    instructor = tokenizer_of(place / INSTRUCTOR) if (place / INSTRUCTOR).is_dir() else None
    spec = from_dict(found.get("spec"), TYPES)
    sources = {name: ((file, name),) for name, file in listing(place).items()}
    made = _composed(
        ComposedCheckpoint(spec, tokenizer_of(place), sources, instructor), place, Placement(device, dtype)
    )
    if isinstance(made, Reader) and "about" in found:
        made.about = About.read(found["about"])
    return made


def load(
    path_or_id: str | os.PathLike[str],
    revision: str | None = None,
    *,
    semantics: str | None = None,
    device: str = AUTO,
    dtype: str = AUTO,
) -> Model:
    """A reader, a retriever or a Perceiver IO, as the checkpoint is, from a folder or a Hub id, ready for use.

    Takes folders that saccade saved, checkpoints that ``transformers`` saved of the types in ``LOADERS``,
    and folders whose ``saccade.json`` names the pieces of a checkpoint of ``architectures.PIECES``; ``revision`` is for
    Hub ids, ``semantics`` for Perceivers: "authors" (the default) or "hf"; ``device`` and ``dtype`` as in
    ``Placement``. Raises SaccadeError for everything else, with what is supported.
    """
    place = Placement(device, dtype)
    folder = fetch(path_or_id, revision)
    whole = _whole(folder)
    if whole is not None:
        model = whole(folder, config_of(folder), semantics)
        return placed(model, device_of(device), dtype_of(dtype, torch.float32))
    if semantics is not None:
        raise SaccadeError(f"semantics is for {', '.join(WHOLE)}, {folder} holds another model; leave it out")
    if (folder / SETTINGS).is_file():
        found = settings(folder / SETTINGS)
        if found.get("schema") != IN_PIECES:
            return from_pretrained(folder, device=device, dtype=dtype)
        kind = found.get("kind")
        if kind not in PIECES:
            raise unknown("kind of checkpoint in pieces", str(kind), PIECES)
        return _composed(PIECES[kind](folder, found), folder, place)
    if not (folder / "config.json").is_file():
        raise SaccadeError(f"{folder} holds neither {SETTINGS} nor config.json; {_SUPPORTED}")
    config = config_of(folder)
    kind = config.get("model_type")
    if kind not in LOADERS:
        raise SaccadeError(
            f"{folder} holds a model of type {kind!r}; {_SUPPORTED}; saccade.backends.hosted.load_hosted takes any "
            "other that reads pictures and answers, as it is"
        )
    return _composed(LOADERS[kind](folder, config), folder, place)


def load_reader(
    path_or_id: str | os.PathLike[str], revision: str | None = None, *, device: str = AUTO, dtype: str = AUTO
) -> Reader:
    """The same where it must be a reader. Raises SaccadeError for other models."""
    found = load(path_or_id, revision, device=device, dtype=dtype)
    if not isinstance(found, Reader):
        raise SaccadeError(
            f"{path_or_id} holds a {type(found).__name__}, which answers no questions; name a reader, and use this one "
            "from Python: saccade.load(…)"
        )
    return found


_SUPPORTED = (
    "supported are folders that saccade saved, checkpoints as transformers saves them (config.json with one of the "
    f"model types {', '.join(LOADERS)}; safetensors; tokenizer), and a {SETTINGS} that names the pieces of "
    f"a checkpoint ({', '.join(PIECES)})"
)


def _whole(folder: Path) -> Loader | None:
    """The loader of what is no reader, None where ``folder`` may hold one."""
    if (folder / SETTINGS).is_file() or not (folder / "config.json").is_file():
        return None
    found = LOADERS.get(str(config_of(folder).get("model_type")))
    return found if found is not None and found.whole else None


def _composed(made: ComposedCheckpoint, folder: Path, place: Placement) -> Saved:
    device = device_of(place.device)
    files = _files(made.sources)
    dtype = dtype_of(place.dtype, saved_dtype(files))
    check_room(folder.resolve().name, sum(kinds(files).values()) * dtype.itemsize, device, dtype)
    with built(device, dtype):
        model = _blank(made.spec, made.tokenizer, made.instructor)
    _fill(placed(model, device, dtype), made.sources, folder)
    if isinstance(model, Reader):
        # Published readers follow instructions, and read several pictures where the prompt has places for them.
        several = Cap(0) if model.spec.connector.reads_prompt else Cap.MULTI_IMAGE
        model.about = About("exact", Cap.INSTRUCT | several, f"loaded from {folder.resolve().name}")
    return model


def _files(sources: Mapping[str, Source]) -> dict[str, Path]:
    """The file of every published weight, by its name there."""
    return {part[1]: part[0] for source in sources.values() for part in source if part is not None}


def _holds_reader(folder: Path) -> bool:
    """Whether a reader was saved there, and nothing is lost that cannot be made again: pieces are another's files."""
    return (folder / SETTINGS).is_file() and settings(folder / SETTINGS).get("schema") != IN_PIECES


def _write(reader: Saved, folder: Path, recipe: Mapping[str, Any] | None) -> None:
    tied = _tied(reader)
    weights = {name: tensor.contiguous() for name, tensor in reader.state_dict().items() if name not in tied}
    save_file(weights, folder / SINGLE, metadata={"format": "pt"})
    reader.tokenizer.save_pretrained(folder)
    if isinstance(reader, Reader) and reader.instructor is not None:
        reader.instructor.save_pretrained(folder / INSTRUCTOR)
    written: dict[str, Any] = {"schema": SCHEMA, "spec": to_dict(reader.spec, TYPES)}
    if isinstance(reader, Reader):
        written["about"] = reader.about.record()
    if recipe is not None:
        written["recipe"] = recipe
    (folder / SETTINGS).write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _fill(reader: Saved, sources: Mapping[str, Source], folder: Path) -> None:
    """Fill every weight exactly once; a tied output table is left out of files or is there a second time."""
    tied = _tied(reader)
    require(set(sources) - set(tied), set(reader.state_dict()) - set(tied), folder)
    for name, table in tied.items():
        if name in sources and not read(sources[name]).equal(read(sources[table])):
            raise SaccadeError(
                f"{folder} says tie_word_embeddings, but {_spelt(sources[name])} differs from "
                f"{_spelt(sources[table])}; set tie_word_embeddings to false in its settings, or drop one of the two"
            )
    fill(reader, {name: source for name, source in sources.items() if name not in tied})


def _spelt(source: Source) -> str:
    return ", ".join(part[1] for part in source if part is not None)


def _tied(reader: Saved) -> dict[str, str]:
    """Names of weights that are another weight's second name, and that weight's first."""
    first: dict[int, str] = {}
    return {
        name: first[id(weight)]
        for name, weight in reader.named_parameters(remove_duplicate=False)
        if first.setdefault(id(weight), name) != name
    }


def _blank(
    spec: ReaderSpec | RetrieverSpec,
    tokenizer: PreTrainedTokenizerBase,
    instructor: PreTrainedTokenizerBase | None = None,
) -> Saved:
    """A model whose weights are about to be overwritten, so drawing them is saved."""
    with without_random_init():
        if isinstance(spec, RetrieverSpec):
            return Retriever(spec, tokenizer).eval()
        reader = Reader(spec, tokenizer, instructor)
    if spec.language.tied:
        reader.language.model.tie_weights()
    return reader.eval()
