"""The embedded family: what the manifest says is what the files hold, and it reads the exam."""

import hashlib
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from saccade.api.catalogue import known
from saccade.backends.embedded.family import embedded, family
from saccade.backends.embedded.manifest import TYPES, cards, checked, is_embedded, shelf
from saccade.backends.open import kind_of, open_model
from saccade.core.errors import SaccadeError
from saccade.core.records.recipe import from_dict, to_dict
from saccade.tasks.exam import is_right
from saccade.tasks.scenes import RESOLVABLE, Scenes


def test_files_are_named_by_their_bytes_and_shared() -> None:
    named = {file for card in cards().values() for file in card.parts.values()}
    for file in named:
        data = (shelf() / file).read_bytes()
        assert file == f"{hashlib.sha256(data).hexdigest()[:16]}.safetensors"
    towers = [file for card in cards().values() for part, file in card.parts.items() if part.startswith("tower")]
    assert len(towers) == len(cards())
    assert len(set(towers)) == 1  # that which reads regions too
    shared = [card.parts["language"] for name, card in cards().items() if name != "llava-thin"]
    assert len(set(shared)) == 1


def test_every_file_is_pinned_by_the_hash_of_its_bytes() -> None:
    pins = json.loads((shelf() / "manifest.json").read_text())["files"]
    there = {file.name for file in shelf().iterdir() if file.suffix in (".safetensors", ".json")}
    assert set(pins) == there - {"manifest.json"}
    for file in pins:
        assert checked(file) == shelf() / file


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.SimpleNamespace]:
    """A package in the place of the real one, which a test may spoil."""
    (tmp_path / "manifest.json").write_text((shelf() / "manifest.json").read_text())
    package = types.SimpleNamespace(__version__="0.1.7", folder=lambda: tmp_path, __spec__=True)
    for one in (shelf, checked, cards):
        one.cache_clear()
    monkeypatch.setitem(sys.modules, "saccade_embedded", package)  # pyright: ignore[reportArgumentType]
    yield package
    for one in (shelf, checked, cards):
        one.cache_clear()


def test_a_file_with_other_bytes_is_refused(bad: types.SimpleNamespace) -> None:
    file = cards()["pool-4"].parts["tower"]
    with pytest.raises(SaccadeError, match=r"has SHA-256 nothing, its manifest says .*pip install --force-reinstall"):
        embedded("pool-4")
    (bad.folder() / file).write_bytes(b"other")
    with pytest.raises(SaccadeError, match=r"has SHA-256 [0-9a-f]{64}, its manifest says"):
        checked(file)


def test_another_version_and_no_package_are_one_line(
    bad: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad.__version__ = "0.2.0"
    with pytest.raises(SaccadeError, match=r"reads saccade-embedded 0\.1, found 0\.2\.0 .*pip install"):
        cards()
    monkeypatch.setitem(sys.modules, "saccade_embedded", None)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr("saccade.backends.embedded.manifest.find_spec", lambda name: None)
    with pytest.raises(SaccadeError, match=r"saccade-embedded, which is not installed: pip install"):
        open_model("llava")
    assert not is_embedded("llava")
    assert kind_of("http://127.0.0.1:9/v1") == "url"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert kind_of("mine") == "folder"
    assert {one.kind for one in known()} >= {"published", "reader"}
    assert not [one for one in known() if one.kind == "embedded"]


def test_the_family_is_small() -> None:
    assert sum(len(entry.read_bytes()) for entry in shelf().iterdir() if entry.is_file()) < 40e6


@pytest.mark.parametrize("name", sorted(cards()))
def test_each_card_is_its_path_in_the_code(name: str) -> None:
    card = cards()[name]
    assert card.spec == family()["llava" if name == "llava-thin" else name]
    assert from_dict(to_dict(card.spec, TYPES), TYPES) == card.spec
    assert card.fidelity in {"exact", "faithful", "survey"}


def test_the_full_token_reader_reads_what_its_view_resolves() -> None:
    reader = embedded("llava")
    right: dict[str, list[bool]] = {"digit": [], "gist": []}
    pictures = list(Scenes("test", 40))
    encoded = reader.encode([picture.image() for picture in pictures])
    answers = reader.ask(encoded, [[q.text for q in picture.questions] for picture in pictures])
    for picture, said in zip(pictures, answers, strict=True):
        for question, answer in zip(picture.questions, said, strict=True):
            hit = is_right(answer.text, question.answers)
            if question.scale == "gist":
                right["gist"].append(hit)
            elif question.kind == "digit" and question.glyph * 128 / picture.size.long >= RESOLVABLE:
                right["digit"].append(hit)
    # Far above chance (a tenth and about a quarter); the figures themselves are measured, not tested.
    assert sum(right["digit"]) > 0.5 * len(right["digit"])
    assert sum(right["gist"]) > 0.8 * len(right["gist"])


def test_every_weight_came_from_the_file() -> None:
    one, other = embedded("pool-4"), embedded("pool-4")
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(
        one.connector.state_dict()["project.linear_1.weight"],
        embedded("pool-16").connector.state_dict()["project.linear_1.weight"],
    )


def test_unknown_names_get_near_matches() -> None:
    with pytest.raises(SaccadeError, match="did you mean pool-16"):
        embedded("pool-61")
