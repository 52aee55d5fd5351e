import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saccade.backends.loading import load
from saccade.backends.random_init import from_spec, spec_of
from saccade.backends.store import from_pretrained, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.runtime.reader import Reader
from saccade.specs.language.decoder import DecoderSpec


@pytest.fixture
def reader() -> Reader:
    return from_spec(spec_of("llava"), seed=3)


def tied(reader: Reader) -> Reader:
    config = {**reader.spec.language.fields, "tie_word_embeddings": True}
    return from_spec(replace(reader.spec, language=DecoderSpec(config=json.dumps(config))))


def test_a_folder_holds_all_of_the_reader_and_its_recipe(reader, tmp_path):
    folder = tmp_path / "deep" / "reader"
    save_pretrained(reader, folder, recipe={"steps": 3})
    names = {file.name for file in folder.iterdir()}
    assert {"saccade.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    settings = json.loads((folder / "saccade.json").read_text())
    assert settings["schema"] == "saccade.reader/1"
    assert settings["recipe"] == {"steps": 3}
    assert [file.name for file in folder.parent.iterdir()] == ["reader"]
    again = load(folder)
    assert again.spec == reader.spec
    assert not again.training
    assert again.tokenizer.get_vocab() == reader.tokenizer.get_vocab()


def test_tied_tables_are_stored_once_and_tied_again(reader, tmp_path):
    made = tied(reader)
    save_pretrained(made, tmp_path / "reader")
    assert "language.model.lm_head.weight" not in load_file(tmp_path / "reader" / "model.safetensors")
    again = from_pretrained(tmp_path / "reader")
    assert all(tensor.equal(made.state_dict()[key]) for key, tensor in again.state_dict().items())
    assert again.language.model.lm_head.weight is again.language.model.get_input_embeddings().weight


def test_saving_again_replaces_the_reader(reader, tmp_path):
    save_pretrained(reader, tmp_path / "reader")
    other = from_spec(reader.spec, seed=4)
    save_pretrained(other, tmp_path / "reader")
    assert [file.name for file in tmp_path.iterdir()] == ["reader"]
    assert from_pretrained(tmp_path / "reader").language.model.lm_head.weight.equal(other.language.model.lm_head.weight)


def test_an_empty_folder_may_be_filled(reader, tmp_path):
    save_pretrained(reader, tmp_path / "new")
    (tmp_path / "empty").mkdir()
    save_pretrained(reader, tmp_path / "empty")
    assert from_pretrained(tmp_path / "empty").spec == reader.spec


def test_nothing_half_written_is_left(reader, tmp_path, monkeypatch):
    save_pretrained(reader, tmp_path / "reader")
    before = (tmp_path / "reader" / "saccade.json").read_bytes()

    def fail(folder: object) -> None:
        raise OSError(28, "no space left", str(folder))

    monkeypatch.setattr(reader.tokenizer, "save_pretrained", fail)
    for name in ("reader", "new"):
        with pytest.raises(OSError, match="no space left"):
            save_pretrained(reader, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["reader"]
    assert (tmp_path / "reader" / "saccade.json").read_bytes() == before


def test_the_old_reader_comes_back_when_the_new_one_cannot_take_its_place(reader, tmp_path, monkeypatch):
    save_pretrained(reader, tmp_path / "reader")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "made":
            raise OSError(5, "cannot move")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="cannot move"):
        save_pretrained(from_spec(reader.spec, seed=9), tmp_path / "reader")
    assert [file.name for file in tmp_path.iterdir()] == ["reader"]
    assert from_pretrained(tmp_path / "reader").language.model.lm_head.weight.equal(
        reader.language.model.lm_head.weight
    )


def test_refuses_to_write_over_other_files(reader, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SaccadeError, match="holds no saved reader; name a new folder, nothing was written"):
        save_pretrained(reader, tmp_path)
    with pytest.raises(SaccadeError, match="holds no saved reader"):
        save_pretrained(reader, tmp_path / "thesis.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_names_missing_and_left_over_weights(reader, tmp_path):
    save_pretrained(reader, tmp_path)
    file = tmp_path / "model.safetensors"
    held = load_file(file)
    save_file({key: tensor for key, tensor in held.items() if key != "connector.project.linear_1.bias"}, file)
    with pytest.raises(SaccadeError, match=rf"lacks 1 of {len(held)} weights: connector\.project\.linear_1\.bias"):
        from_pretrained(tmp_path)
    save_file({**held, "connector.extra": torch.ones(1)}, file)
    with pytest.raises(SaccadeError, match=rf"has left-over 1 of {len(held)} weights: connector\.extra"):
        from_pretrained(tmp_path)


def test_refuses_other_versions_and_broken_settings(reader, tmp_path):
    save_pretrained(reader, tmp_path)
    file = tmp_path / "saccade.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "schema": "saccade.reader/9"}))
    with pytest.raises(SaccadeError, match=r"schema 'saccade\.reader/9', this saccade reads 'saccade\.reader/1'"):
        from_pretrained(tmp_path)
    file.write_text(json.dumps({**settings, "spec": {**settings["spec"], "toewr": 1}}))
    with pytest.raises(SaccadeError, match=r"unknown key in recipe .* 'toewr'; did you mean tower"):
        from_pretrained(tmp_path)
    file.write_text("[]")
    with pytest.raises(SaccadeError, match="holds a list, expected an object"):
        from_pretrained(tmp_path)
    file.unlink()
    with pytest.raises(SaccadeError, match=r"there is no .*saccade\.json"):
        from_pretrained(tmp_path)
