"""Folders on disk or the Hub: their settings, their tokenizer, and what a published checkpoint comes to."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from saccade.core.errors import SaccadeError
from saccade.specs.reader import ReaderSpec
from saccade.specs.retriever import RetrieverSpec
from saccade.weights.files import Source

FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What is fetched from the Hub: settings, weights, tokenizers."""


@dataclass(frozen=True, slots=True)
class ComposedCheckpoint:
    """A published checkpoint as parts of ours: ``sources`` say where each weight lies.

    ``instructor`` is the tokenizer of a connector that reads the prompt.
    """

    spec: ReaderSpec | RetrieverSpec
    tokenizer: PreTrainedTokenizerBase
    sources: Mapping[str, Source]
    instructor: PreTrainedTokenizerBase | None = None


def fetch(path_or_id: str | os.PathLike[str], revision: str | None = None, files: Sequence[str] = FILES) -> Path:
    """The folder itself, or the Hub's ``files`` of an id."""
    if Path(path_or_id).is_dir():
        return Path(path_or_id)
    name = os.fspath(path_or_id)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(files)))
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


def settings(file: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SaccadeError(f"there is no {file}; save a reader there with save_pretrained") from error
    except ValueError as error:
        raise SaccadeError(f"{file} is not readable as JSON ({error}); get the file again") from error
    if not isinstance(data, dict):
        raise SaccadeError(f"{file} holds a {type(data).__name__}, expected an object")
    return data


def config_of(folder: Path) -> dict[str, Any]:
    """The model's ``config.json``."""
    if not (folder / "config.json").is_file():
        raise SaccadeError(f"{folder} holds no config.json; name a folder that transformers saved")
    return settings(folder / "config.json")


def tokenizer_of(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in ``folder``; no code of its own is run."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")):
        raise SaccadeError(f"{folder} holds no tokenizer; save it there too (processor.save_pretrained does)")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def ends_of(folder: Path, ends: int | list[int] | None) -> int | list[int] | None:
    """The ids that end an answer: those of ``generation_config.json`` where it names any, else ``ends``."""
    file = folder / "generation_config.json"
    found = settings(file).get("eos_token_id") if file.is_file() else None
    return ends if found is None else found


def id_of(tokenizer: PreTrainedTokenizerBase, token: str, rows: int) -> int:
    """The id of ``token``. Raises SaccadeError where the tokenizer, or the model's table of ``rows``, lacks it."""
    number = tokenizer.get_vocab().get(token)
    if number is None:
        raise SaccadeError(
            f"the tokenizer has no token {token}, by which this checkpoint knows where pictures are; take the "
            "tokenizer that was published with the model"
        )
    if number >= rows:
        raise SaccadeError(
            f"the tokenizer reads {token} as id {number}, but the model's table has {rows} rows; take the tokenizer "
            "and the weights of one checkpoint"
        )
    return number
