"""``saccade.load`` and ``saccade.save_pretrained``: names, folders, hosted models, and refusals."""

from pathlib import Path

import pytest
import torch

import saccade
from saccade.backends.embedded.family import embedded
from saccade.backends.hosted import HostedBackend
from saccade.backends.open import open_model
from saccade.core.errors import SaccadeError
from saccade.runtime.reader import Reader
from tests.backends.hosted.test_loading import JOB, saved


def test_names_and_folders(tmp_path: Path) -> None:
    found = saccade.load("pool-4", dtype="bfloat16")
    assert isinstance(found, Reader)
    assert {tensor.dtype for tensor in found.parameters()} == {torch.bfloat16}
    saccade.save_pretrained(found, tmp_path / "mine")
    again = saccade.load(tmp_path / "mine", dtype="float32")
    assert isinstance(again, Reader)
    assert again.language.model.dtype == torch.float32
    saved("gemma3", tmp_path / "theirs")
    assert isinstance(saccade.load(tmp_path / "theirs"), HostedBackend)
    saved("llava", tmp_path / "ours")
    assert isinstance(saccade.load(str(tmp_path / "ours")), Reader)


@pytest.mark.parametrize(("name", "told"), [
    ("lava", "unknown model 'lava'; did you mean llava"), ("", "empty name"), ("http://localhost:1/v1", "is a server"),
    ("a/b/c", "there is no folder"), (3, "got 3"),
])  # fmt: skip
def test_what_is_not_loaded(name: object, told: str) -> None:
    with pytest.raises(SaccadeError, match=told):
        saccade.load(name)


def test_semantics_are_for_perceivers(tmp_path: Path) -> None:
    saved("gemma3", tmp_path)
    for model in ("llava", tmp_path):
        with pytest.raises(SaccadeError, match="leave it out"):
            saccade.load(model, semantics="hf")


@pytest.mark.parametrize("kind", ["llava", "gemma3", "qwen2_5_vl", "idefics3"])
def test_a_hosted_model_is_saved_whole(kind: str, tmp_path: Path) -> None:
    saved(kind, tmp_path / "one")
    from saccade.backends.hosted import load_hosted

    first = load_hosted(tmp_path / "one")
    saccade.save_pretrained(first, tmp_path / "two")
    again = load_hosted(tmp_path / "two")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    one, two = (model.run([JOB])[0].observation for model in (first, again))
    assert one.tokens == two.tokens  # type: ignore[union-attr]
    with pytest.raises(SaccadeError, match="name a new folder, nothing was written"):
        saccade.save_pretrained(first, tmp_path / "two")
    with pytest.raises(SaccadeError, match="a HostedBackend with a recipe cannot be saved"):
        saccade.save_pretrained(first, tmp_path / "three", recipe={})


def test_a_hosted_model_is_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = saved("llava", tmp_path / "one")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(type(first.processor), "save_pretrained", fail)
    with pytest.raises(OSError, match="no space left"):
        saccade.save_pretrained(first, tmp_path / "two")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_of_an_opened_model_its_reader_is_saved(tmp_path: Path) -> None:
    saccade.save_pretrained(open_model("pool-4"), tmp_path / "mine")
    found = saccade.load(tmp_path / "mine")
    assert isinstance(found, Reader)
    assert found.spec == embedded("pool-4").spec


@pytest.mark.parametrize("model", [3, None, "llava", torch.nn.Linear(2, 2)])
def test_what_cannot_be_saved(model: object, tmp_path: Path) -> None:
    with pytest.raises(SaccadeError, match=rf"a {type(model).__name__} cannot be saved"):
        saccade.save_pretrained(model, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
