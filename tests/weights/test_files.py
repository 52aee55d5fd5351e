import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from saccade.core.errors import SaccadeError
from saccade.weights.files import OpenFiles, contents, fill, listing, read, require, shapes, traced


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


def test_a_weight_may_be_made_of_several(tmp_path):
    one, other = tmp_path / "one.safetensors", tmp_path / "other.bin"
    save_file({"k": torch.rand(2, 3), "q_bias": torch.rand(2)}, one)
    torch.save({"v": torch.rand(1, 3), "v_bias": torch.rand(2)}, other)
    part = nn.Linear(3, 3)
    sources = traced({"weight": ("k", "v")}, {**contents(one), **contents(other)})
    fill(part, sources)
    assert part.weight.equal(torch.cat([read(((one, "k"),)), read(((other, "v"),))]))
    assert part.weight.equal(read(sources["weight"]))
    whole = nn.Linear(1, 6)
    fill(whole, traced({"bias": ("q_bias", None, "v_bias")}, {**contents(one), **contents(other)}))
    expected = torch.cat([read(((one, "q_bias"),)), torch.zeros(2), read(((other, "v_bias"),))])
    assert whole.bias.equal(expected)
    assert whole.bias.equal(read(((one, "q_bias"), None, (other, "v_bias"))))


def test_refuses_parts_that_do_not_make_the_whole(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"k": torch.ones(2, 3), "v": torch.ones(2, 4), "b": torch.ones(2), "n": torch.ones(())}, file)
    part, files = nn.Linear(3, 5), contents(file)
    with pytest.raises(SaccadeError, match=r"k, k in model\.safetensors is \[4, 3\], but weight .* takes \[5, 3\]"):
        fill(part, traced({"weight": ("k", "k")}, files))
    with pytest.raises(SaccadeError, match=r"k, v in .* is \[\[2, 3\], \[2, 4\]\], but weight"):
        fill(part, traced({"weight": ("k", "v")}, files))
    with pytest.raises(SaccadeError, match=r"b, zeros, b in .* is \[6\], but bias as configured takes \[5\]"):
        fill(part, traced({"bias": ("b", None, "b")}, files))
    with pytest.raises(SaccadeError, match=r"n, n in .* is \[\[\], \[\]\], but bias"):
        fill(part, traced({"bias": ("n", "n")}, files))


def test_leading_axes_of_one_are_dropped_and_no_others(tmp_path):
    file = tmp_path / "model.safetensors"
    values = torch.rand(2)
    save_file({"a": values.view(1, 1, 2), "b": torch.rand(1, 2, 1), "c": torch.rand(2, 1)}, file)
    part, files = nn.Linear(3, 2), contents(file)
    fill(part, traced({"bias": "a"}, files))
    assert part.bias.equal(values)
    for name in ("b", "c"):
        with pytest.raises(SaccadeError, match=r"is \[2, 1\], but bias as configured takes \[2\]"):
            fill(part, traced({"bias": name}, files))


@pytest.mark.parametrize("key", [None, "model_state_dict", "state_dict", "model"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older"])
def test_torch_files_are_read_as_tensors(tmp_path, key, zipped):
    file, weight = tmp_path / "w.pth", torch.rand(2, 3)
    held = {"w": weight.half(), "b": torch.rand(2)}
    torch.save(
        held if key is None else {key: held, "epoch": 3, "note": "x"}, file, _use_new_zipfile_serialization=zipped
    )
    assert shapes(file) == {"w": (2, 3), "b": (2,)}
    assert contents(file) == {"w": file, "b": file}
    part = nn.Linear(3, 2)
    fill(part, traced({"weight": "w", "bias": "b"}, contents(file)))
    assert part.weight.equal(weight.half().float())
    assert part.bias.equal(held["b"])


def test_torch_folders_are_listed_only_where_that_was_said(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert listing(tmp_path, pickled=True) == {"a": tmp_path / "pytorch_model.bin"}
    with pytest.raises(SaccadeError, match=r"holds neither .*; pytorch_model\.bin is pickle, which is never read"):
        listing(tmp_path)
    torch.save({"b": torch.ones(1)}, tmp_path / "more.bin")
    weights = {"a": "pytorch_model.bin", "b": "more.bin"}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weights}))
    assert listing(tmp_path, pickled=True) == {name: tmp_path / file for name, file in weights.items()}
    save_file({"c": torch.ones(1)}, tmp_path / "model.safetensors")
    assert listing(tmp_path) == {"c": tmp_path / "model.safetensors"}


class Harmful:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize(("held", "message"), [
    ({"w": torch.ones(1), "x": Harmful()}, "is no file of tensors and plain data alone, .* is never run"),
    ({"w": torch.ones(1), "x": 3, "y": None}, r"holds 2 of 3 entries that are no tensors: x \(int\), y \(NoneType\)"),
    ({"model": {"w": 3}}, r"holds 1 of 1 entries that are no tensors: w \(int\)"),
    (torch.ones(1), "holds a Tensor, expected weights by name"),
])  # fmt: skip
def test_refuses_whatever_else_a_torch_file_holds(tmp_path, capsys, held, message):
    torch.save(held, tmp_path / "w.pt")
    for reads in (shapes, contents, lambda file: read(((file, "w"),))):
        with pytest.raises(SaccadeError, match=message):
            reads(tmp_path / "w.pt")
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize("cut", [0, 5, 60, 400])
def test_refuses_torch_files_that_are_not_whole(tmp_path, cut):
    file = tmp_path / "w.pt"
    for zipped in (True, False):
        torch.save({"w": torch.ones(50)}, file, _use_new_zipfile_serialization=zipped)
        file.write_bytes(file.read_bytes()[:cut])
        with pytest.raises(SaccadeError, match=r"w\.pt is no"):
            shapes(file)


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is watched as Linux tells it")
def test_nothing_of_a_large_file_is_read_before_it_is_asked_for(tmp_path):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    file, size = tmp_path / "w.pt", 20_000_000
    torch.save({"a": torch.zeros(size), "b": torch.ones(1)}, file)
    before, shelf = resident(), OpenFiles()
    assert shelf(file, "b").item() == 1
    assert resident() - before < size  # of four bytes a number
    assert float(shelf(file, "a").sum()) == 0
    assert resident() - before > 3 * size
