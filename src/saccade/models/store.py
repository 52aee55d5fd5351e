"""Readers on disk: saved, loaded again, and published checkpoints loaded as compositions of our parts.

Weights are safetensors and settings JSON. Nothing is unpickled and no code from a folder or the Hub is run.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors.torch import save_file
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights

from saccade.core.errors import SaccadeError
from saccade.core.recipe import from_dict, to_dict
from saccade.models.base import Reader
from saccade.models.hub_llava import spec_of_folder
from saccade.specs.reader import PARTS, ReaderSpec
from saccade.specs.vit import HubTowerSpec
from saccade.weights import llava
from saccade.weights.files import SINGLE, fill, listing, read, require

SETTINGS = "saccade.json"
SCHEMA = "saccade.reader/1"
TYPES: dict[str, type] = {**PARTS, "reader": ReaderSpec}
FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What is fetched from the Hub: settings, weights, tokenizers."""
_TABLE, _HEAD = "language.model.model.embed_tokens.weight", "language.model.lm_head.weight"


def save_pretrained(reader: Reader, folder: str | os.PathLike[str], recipe: Mapping[str, Any] | None = None) -> None:
    """Write spec, weights, tokenizer and, where given, the ``recipe`` that made the reader, to a folder of its own.

    The folder appears whole or not at all. A reader that stands there is replaced. Raises SaccadeError where the
    folder holds something else.
    """
    target = Path(folder)
    if target.exists() and not (target / SETTINGS).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise SaccadeError(f"{target} exists and holds no saved reader; name a new folder, nothing was written")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-", ignore_cleanup_errors=True) as room:
        made, old = Path(room) / "made", Path(room) / "old"
        made.mkdir()
        _write(reader, made, recipe)
        if target.exists():
            target.rename(old)
        try:
            made.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise


def from_pretrained(folder: str | os.PathLike[str]) -> Reader:
    """The reader that ``save_pretrained`` wrote, ready to answer.

    Raises SaccadeError for settings of another version and for missing, left-over or misshapen weights.
    """
    place = Path(folder)
    settings = _json(place / SETTINGS)
    if settings.get("schema") != SCHEMA:
        raise SaccadeError(f"{place / SETTINGS} has schema {settings.get('schema')!r}, this saccade reads {SCHEMA!r}")
    reader = _blank(from_dict(settings.get("spec"), TYPES), _tokenizer(place))
    files = listing(place)
    _fill(reader, {name: (file, name) for name, file in files.items()}, place)
    return reader


def load(path_or_id: str | os.PathLike[str], revision: str | None = None) -> Reader:
    """A reader from a folder or a Hub id, in float32, ready to answer.

    Takes folders that saccade saved and LLaVA checkpoints that ``transformers`` saved; ``revision`` is for Hub ids.
    Raises SaccadeError for everything else, with what is supported.
    """
    folder = _folder(path_or_id, revision)
    if (folder / SETTINGS).is_file():
        return from_pretrained(folder)
    if not (folder / "config.json").is_file():
        raise SaccadeError(f"{folder} holds neither {SETTINGS} nor config.json; {_SUPPORTED}")
    config = _json(folder / "config.json")
    if config.get("model_type") != "llava":
        raise SaccadeError(f"{folder} holds a model of type {config.get('model_type')!r}; {_SUPPORTED}")
    tokenizer = _tokenizer(folder)
    spec = spec_of_folder(folder, config, tokenizer)
    reader = _blank(spec, tokenizer)
    files = listing(folder)
    assert isinstance(spec.tower, HubTowerSpec)
    names = llava.rename(files, spec.tower)
    _fill(reader, {ours: (files[theirs], theirs) for ours, theirs in names.items()}, folder)
    return reader


_SUPPORTED = (
    "supported are folders that saccade saved and LLaVA checkpoints as transformers saves them (config.json with "
    "model_type 'llava', safetensors, tokenizer)"
)


def _write(reader: Reader, folder: Path, recipe: Mapping[str, Any] | None) -> None:
    weights = {name: tensor.contiguous() for name, tensor in reader.state_dict().items() if name not in _tied(reader)}
    save_file(weights, folder / SINGLE, metadata={"format": "pt"})
    reader.tokenizer.save_pretrained(folder)
    settings: dict[str, Any] = {"schema": SCHEMA, "spec": to_dict(reader.spec, TYPES)}
    if recipe is not None:
        settings["recipe"] = recipe
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _fill(reader: Reader, sources: dict[str, tuple[Path, str]], folder: Path) -> None:
    """Fill every weight exactly once; a tied output table is left out of files or is there a second time."""
    tied = _tied(reader)
    require(set(sources) - tied, set(reader.state_dict()) - tied, folder)
    for name in tied & set(sources):
        if not read(sources[name]).equal(read(sources[_TABLE])):
            raise SaccadeError(
                f"{folder} says tie_word_embeddings, but {sources[name][1]} differs from {sources[_TABLE][1]}; set "
                "tie_word_embeddings to false in its settings, or drop one of the two"
            )
    fill(reader, {name: source for name, source in sources.items() if name not in tied})


def _tied(reader: Reader) -> set[str]:
    """Names of weights that are another weight's second name."""
    return {_HEAD} if reader.spec.language.tied else set()


def _blank(spec: ReaderSpec, tokenizer: PreTrainedTokenizerBase) -> Reader:
    """A reader whose weights are about to be overwritten, so drawing them is saved."""
    with no_init_weights():
        reader = Reader(spec, tokenizer)
    if spec.language.tied:
        reader.language.model.tie_weights()
    return reader.eval()


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")):
        raise SaccadeError(f"{folder} holds no tokenizer; save it there too (processor.save_pretrained does)")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SaccadeError(f"there is no {file}; save a reader there with save_pretrained") from error
    except ValueError as error:
        raise SaccadeError(f"{file} is not readable as JSON ({error}); get the file again") from error
    if not isinstance(data, dict):
        raise SaccadeError(f"{file} holds a {type(data).__name__}, expected an object")
    return data


def _folder(path_or_id: str | os.PathLike[str], revision: str | None) -> Path:
    """The folder itself, or the Hub's files of an id."""
    if Path(path_or_id).is_dir():
        return Path(path_or_id)
    name = os.fspath(path_or_id)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except HFValidationError as error:
        raise SaccadeError(f"{name} is neither a folder nor a Hub id (owner/name); check the path") from error
    except LocalEntryNotFoundError as error:
        raise SaccadeError(
            f"{name} is no folder here, the Hub cannot be reached, and its cache does not hold it; check the path, or "
            "fetch the model on a machine with a network and name its folder"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise SaccadeError(
            f"{name} could not be fetched from the Hub: {error}; check the id and the revision"
        ) from error
