import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from saccade.core.errors import SaccadeError
from saccade.weights.files import fill, listing, require


def index(folder, weights: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))


def test_lists_one_file_and_shards(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors")
    assert listing(tmp_path) == {"a": tmp_path / "model.safetensors"}
    save_file({"b": torch.ones(1)}, tmp_path / "other.safetensors")
    index(tmp_path, {"a": "model.safetensors", "b": "other.safetensors"})
    assert listing(tmp_path) == {"a": tmp_path / "model.safetensors", "b": tmp_path / "other.safetensors"}


def test_refuses_an_index_that_is_not_true(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "one.safetensors")
    index(tmp_path, {"a": "one.safetensors", "b": "one.safetensors"})
    with pytest.raises(SaccadeError, match="lacks 1 of 2 weights: b"):
        listing(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(SaccadeError, match="is no index of weights"):
        listing(tmp_path)


def test_an_index_does_not_lead_out_of_its_folder(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "outside.safetensors")
    index(inside, {"a": "../outside.safetensors"})
    with pytest.raises(SaccadeError, match=r"outside\.safetensors is not there"):
        listing(inside)


def test_fills_in_the_type_of_the_target(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"w": torch.full((2, 3), 0.5, dtype=torch.float16), "b": torch.ones(2)}, file)
    part = nn.Linear(3, 2)
    fill(part, {"weight": ((file, "w"),), "bias": ((file, "b"),)})
    assert part.weight.equal(torch.full((2, 3), 0.5))
    assert part.weight.requires_grad
    with pytest.raises(SaccadeError, match=r"w in model\.safetensors is \[2, 3\], but bias .* takes \[2\]"):
        fill(part, {"bias": ((file, "w"),)})


def test_lists_what_does_not_match(tmp_path):
    require({"a", "b"}, {"a", "b"}, tmp_path)
    with pytest.raises(SaccadeError, match=r"lacks 12 of 12 weights: w0, .* and 4 more"):
        require(set(), {f"w{number}" for number in range(12)}, tmp_path)
    with pytest.raises(SaccadeError, match="has left-over 1 of 1 weights: b"):
        require({"a", "b"}, {"a"}, tmp_path)
