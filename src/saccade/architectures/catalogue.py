"""Published models as data: presets with provenance, and checkpoint folders, whose own JSON wins.

A preset is a JSON file under ``presets/``: what the checkpoint's ``config.json`` and ``preprocessor_config.json`` say
of shapes and counts, and for each value where it was seen (``released`` file, ``code``, ``paper``, or *unverified*).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

from saccade.architectures import FAMILIES, PRESETS
from saccade.core.errors import SaccadeError, unknown
from saccade.core.registry.plugins import has_plugin, plugin, plugins
from saccade.specs.hf_config.fields import Json
from saccade.specs.planner.system import ModelSpec


@cache
def system(name: str) -> ModelSpec:
    """A preset by name, another package's by ``package/name``, or a checkpoint folder by path.

    Raises SaccadeError with near matches.
    """
    if name in PRESETS:
        return _preset(_read(PRESETS[name]))
    if not Path(name).is_dir() and has_plugin("saccade.models", name):
        return foreign(name)
    if "/" in name or "\\" in name or Path(name).is_dir():
        return folder(Path(name))
    raise unknown("model", name, (*PRESETS, *plugins("saccade.models")))


def foreign(name: str) -> ModelSpec:
    """The model that another package registers as ``name`` in the group ``saccade.models``.

    What is registered, or what it returns when it is called without arguments, is a ``ModelSpec``, the path of a
    checkpoint folder, a mapping with ``config`` and ``processor`` (as the two JSON files of a checkpoint hold them), or
    the path of a JSON file that holds such a mapping. Raises SaccadeError for anything else.
    """
    found = plugin("saccade.models", name)
    if callable(found):
        try:
            found = found()
        except Exception as error:
            raise SaccadeError(f"model {name!r} cannot be made: {type(error).__name__}: {error}") from error
    if isinstance(found, ModelSpec):
        return found
    if isinstance(found, str | Path):
        if Path(found).is_dir():
            return replace(folder(Path(found)), name=name)
        found = _read(Path(found))
    if not isinstance(found, Mapping):
        raise SaccadeError(
            f"model {name!r} is {found!r}, which cannot be planned; register a System, a mapping with config and "
            "processor, or the path of a checkpoint folder or of a JSON file"
        )
    return _given(name, cast(Json, found))


def _given(name: str, data: Json) -> ModelSpec:
    """A model from a mapping that another package gives."""
    parts = {key: data.get(key) for key in ("config", "processor")}
    for key, part in parts.items():
        if not isinstance(part, Mapping):
            raise SaccadeError(f"model {name!r}: {key} is {part!r}; give what the checkpoint's JSON says, as a mapping")
    config, processor = cast(Json, parts["config"]), cast(Json, parts["processor"])
    kind = str(config.get("model_type"))
    if kind not in FAMILIES:
        raise unknown(f"model type of {name}", kind, FAMILIES)
    checkpoint = str(data.get("checkpoint", name))
    return ModelSpec(name=name, family=FAMILIES[kind], config=config, processor=processor, checkpoint=checkpoint)


def folder(path: Path) -> ModelSpec:
    """A checkpoint folder, as transformers writes it: ``config.json`` and what its processors say."""
    if not path.is_dir():
        raise SaccadeError(f"{path} is no folder; give a checkpoint's folder, or one of: {', '.join(PRESETS)}")
    config = _read(path / "config.json")
    kind = str(config.get("model_type"))
    if kind not in FAMILIES:
        raise unknown(f"model type of {path / 'config.json'}", kind, FAMILIES)
    processor: dict[str, object] = {}
    for name in ("processor_config.json", "preprocessor_config.json"):
        if (path / name).is_file():
            found = _read(path / name)
            nested = found.get("image_processor")
            processor |= {**found, **cast(Json, nested)} if isinstance(nested, Mapping) else dict(found)
    for name in ("video_preprocessor_config.json",):
        if (path / name).is_file():
            processor["video"] = _read(path / name)
    if not processor:
        raise SaccadeError(
            f"{path} has neither preprocessor_config.json nor processor_config.json, which say how pictures are cut; "
            "save the processor into the folder too"
        )
    return ModelSpec(name=path.name, family=FAMILIES[kind], config=config, processor=processor, checkpoint=str(path))


def sources(name: str) -> Mapping[str, str]:
    """Where a preset's values were seen, by kind of provenance."""
    return cast(Mapping[str, str], _read(PRESETS[name])["sources"])


def _preset(data: Json) -> ModelSpec:
    kinds = cast(Mapping[str, str], data["provenance"])
    config, processor = cast(Json, data["config"]), cast(Json, data["processor"])
    leaves = (*_leaves("config", config), *_leaves("processor", processor))
    doubtful = tuple(sorted(leaf for leaf in leaves if provenance(leaf, kinds) == "unverified"))
    return ModelSpec(
        name=str(data["name"]),
        family=FAMILIES[str(data["family"])],
        config=config,
        processor=processor,
        checkpoint=str(data["checkpoint"]),
        unverified=doubtful,
        note=str(data.get("note", "")),
    )


def provenance(leaf: str, kinds: Mapping[str, str]) -> str:
    """The kind that the longest prefix of ``leaf`` names; unverified where none does."""
    parts = leaf.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((kinds[prefix] for prefix in prefixes if prefix in kinds), "unverified")


def _leaves(place: str, data: object) -> Iterable[str]:
    if isinstance(data, Mapping):
        for name, value in cast(Mapping[str, object], data).items():
            yield from _leaves(f"{place}.{name}", value)
    else:
        yield place


def _read(path: Path) -> Json:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SaccadeError(f"{path}: there is no such file; a checkpoint folder holds it") from error
    except (OSError, ValueError) as error:
        raise SaccadeError(f"{path} cannot be read as JSON ({error}); get the file again") from error
    if not isinstance(data, dict):
        raise SaccadeError(f"{path} holds {type(data).__name__}, expected a JSON object")
    return cast(Json, data)
