"""The presets as data: every value has a provenance, every provenance a source, and every text is fit to print."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from saccade import architectures
from saccade.architectures import FAMILIES, PRESETS, catalogue

FOLDER = Path(architectures.__file__).parent
KINDS = {"released", "code", "paper", "unverified"}
FORBIDDEN = re.compile(r"find_string|helper|session|memory|/tmp|/work|audit", re.IGNORECASE)

presets = pytest.mark.parametrize("name", PRESETS)


def load(name: str) -> dict[str, Any]:
    return json.loads(PRESETS[name].read_text(encoding="utf-8"))


def leaves(place: str, data: object) -> Iterator[str]:
    """Every value that is no object, by its dotted name; an empty object counts as a value."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from leaves(f"{place}.{key}", value)
    else:
        yield place


def values(data: dict[str, Any]) -> list[str]:
    return [*leaves("config", data["config"]), *leaves("processor", data["processor"])]


def texts(data: object) -> Iterator[str]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts(value)
    elif isinstance(data, str):
        yield data


def exists(path: str, data: dict[str, Any]) -> bool:
    here: object = data
    for key in path.split("."):
        if not isinstance(here, Mapping) or key not in here:
            return False
        here = here[key]
    return True


def test_every_name_has_a_file_and_every_file_a_name():
    assert sorted(PRESETS.values()) == sorted(FOLDER.glob("*/presets/*.json"))


@presets
def test_the_file_says_what_it_is_called(name: str):
    data = load(name)
    assert data["name"] == name
    assert data["family"] in FAMILIES
    assert data["checkpoint"]


@presets
def test_every_prefix_is_in_the_data(name: str):
    data = load(name)
    assert [prefix for prefix in data["provenance"] if not exists(prefix, data)] == []
    assert {prefix.split(".")[0] for prefix in data["provenance"]} == {"config", "processor"}


@presets
def test_every_value_has_a_kind(name: str):
    data = load(name)
    kinds = data["provenance"]
    assert set(kinds.values()) <= KINDS
    # Asked of the prefixes themselves too: provenance() calls unverified what no prefix names.
    prefixes = tuple(kinds)
    bare = [leaf for leaf in values(data) if not any(f"{leaf}.".startswith(f"{prefix}.") for prefix in prefixes)]
    assert bare == []
    assert {catalogue.provenance(leaf, kinds) for leaf in values(data)} == set(kinds.values())


@presets
def test_every_kind_has_a_source_and_no_other(name: str):
    data = load(name)
    assert set(catalogue.sources(name)) == set(data["provenance"].values())
    assert all(text.strip() for text in data["sources"].values())
    assert data["note"].strip()


@presets
def test_the_texts_are_fit_to_print(name: str):
    data = load(name)
    assert [text for text in texts(data) if FORBIDDEN.search(text)] == []
    assert [text for text in (*data["sources"].values(), data["note"]) if len(text) > 320] == []
    assert not re.search(r"\d{10}", " ".join(texts([data["sources"], data["note"]])))


def test_the_longest_prefix_decides():
    kinds = {"config": "code", "config.text": "released", "config.text.size": "paper"}
    assert catalogue.provenance("config.text.size", kinds) == "paper"
    assert catalogue.provenance("config.text.sizes", kinds) == "released"
    assert catalogue.provenance("config.texts", kinds) == "code"
    assert catalogue.provenance("processor.size", kinds) == "unverified"
