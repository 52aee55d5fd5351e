"""A model that is larger than the free memory is refused before its weights are read, with both numbers."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from saccade.backends import memory as room
from saccade.backends.embedded.family import embedded
from saccade.backends.hosted import loading
from saccade.backends.open import open_model
from saccade.backends.store import save_pretrained
from saccade.core.errors import SaccadeError
from saccade.weights import files
from tests.backends.hosted.test_loading import saved

CPU = torch.device("cpu")


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has 10 kB free, where nobody may read weights."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(room, "_available", lambda: 10_000)
    monkeypatch.setattr(files.OpenFiles, "__call__", never)
    monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", never)


def test_larger_than_the_memory(tmp_path: Path, little: None) -> None:
    save_pretrained(embedded("pool-4"), tmp_path / "mine")
    saved("llava", tmp_path / "theirs")
    for name in ("mine", "theirs"):
        with pytest.raises(
            SaccadeError,
            match=rf"^the weights of {name} take \S+ \S+ in float32, but cpu has .* free; take dtype=bfloat16",
        ):
            open_model(tmp_path / name)
        with pytest.raises(SaccadeError, match=r"in bfloat16, but cpu has .* free; free some memory"):
            open_model(tmp_path / name, dtype="bfloat16")


def test_spread_over_several_devices_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, half = torch.device("cuda"), torch.bfloat16
    from saccade.backends.placement import Placement

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 200))
    monkeypatch.setattr(loading, "find_spec", lambda _: object())
    assert loading._spread("x", 101, cuda, half, Placement("cuda")) == "auto"
    assert loading._spread("x", 101, cuda, half, Placement("auto")) == "auto"
    assert loading._spread("x", 100, cuda, half, Placement("auto")) is None
    with pytest.raises(SaccadeError, match=r"take .* in bfloat16, but cuda:1 has .* free"):
        loading._spread("x", 101, torch.device("cuda:1"), half, Placement("cuda:1"))
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    with pytest.raises(SaccadeError, match="install accelerate"):
        loading._spread("x", 101, cuda, half, Placement("auto"))


def test_the_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CGROUPS", tmp_path)
    monkeypatch.setattr(room, "_groups", lambda: [tmp_path / "job", tmp_path])
    monkeypatch.setattr(room, "MEMINFO", tmp_path / "meminfo")
    assert room.free_bytes(CPU) is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   5 kB\n")
    assert room.free_bytes(CPU) == 5 * 1024
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "memory.max").write_text("max\n")
    (tmp_path / "job" / "memory.current").write_text("1000\n")
    assert room.free_bytes(CPU) == 5 * 1024
    (tmp_path / "job" / "memory.max").write_text("3000\n")
    assert room.free_bytes(CPU) == 2000
    (tmp_path / "job" / "memory.stat").write_text("anon 7\ninactive_file 500\n")
    assert room.free_bytes(CPU) == 2500
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("1500")
    (old / "memory.usage_in_bytes").write_text("1400")
    assert room.free_bytes(CPU) == 100


def test_this_machine_says_what_is_free() -> None:
    free = room.free_bytes(CPU)
    assert free is None or free > 0
