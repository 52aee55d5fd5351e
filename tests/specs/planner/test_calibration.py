import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from saccade.core.errors import SaccadeError
from saccade.specs.planner import calibration
from saccade.specs.planner.calibration import place, processor, store, stored
from saccade.specs.planner.device import Device

HERE = Device(
    name="here",
    title="A CPU, 2 threads",
    memory=25_276_510_208,
    bandwidth=32182397822.348286,
    peak={"float32": 187853460067.0134, "bfloat16": 402442907577.9129},
    efficiency=(0.5169295504213558, 1.0),
    bandwidth_efficiency=(0.46928362419758507, 1.0),
    source="measured",
    provenance="measured",
)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_nothing_is_stored_at_first():
    assert stored() is None


def test_what_was_stored_comes_back_exactly():
    assert store(HERE) == place()
    assert stored() == HERE


def test_a_later_one_replaces_an_earlier_and_leaves_nothing_beside_it():
    store(HERE)
    path = store(replace(HERE, bandwidth=1.0))
    again = stored()
    assert again is not None
    assert again.bandwidth == 1.0
    assert [file.name for file in path.parent.iterdir()] == ["calibration.json"]


def test_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert place() == tmp_path / "cache" / "saccade" / "calibration.json"
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    usual = tmp_path / "home" / ".cache" / "saccade" / "calibration.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert place() == usual
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/folder")
    assert place() == usual
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert place() == usual


def test_the_file_says_what_it_is():
    record = json.loads(store(HERE).read_text())
    assert record["schema"] == "saccade.calibration/1"
    assert record["processor"] == processor()
    assert record["device"]["title"] == HERE.title


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ('{"schema": "saccade.cal', "Unterminated string"),
        ("[]", "it is no saccade.calibration/1"),
        ('{"schema": "saccade.calibration/2"}', "it is no saccade.calibration/1"),
        ('{"schema": "saccade.calibration/1"}', "a device has exactly the fields"),
        ('{"schema": "saccade.calibration/1", "device": {}}', "a device has exactly the fields"),
        (b"\xff\xfe\x00", "can't decode"),
    ],
)
def test_a_damaged_file_is_refused_with_the_cure(text: str | bytes, why: str):
    path = store(HERE)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SaccadeError, match=f"calibration.json cannot be used: .*{why}.*") as caught:
        stored()
    assert "make it again with saccade plan --calibrate" in str(caught.value)
    assert "\n" not in str(caught.value)
    store(HERE)
    assert stored() == HERE


@pytest.mark.parametrize(("field", "value"), [("bandwidth", -1), ("memory", "24GB"), ("efficiency", [2, 3])])
def test_impossible_figures_are_refused(field: str, value: object):
    path = store(HERE)
    record = json.loads(path.read_text())
    record["device"][field] = value
    path.write_text(json.dumps(record))
    with pytest.raises(SaccadeError, match=f"cannot be used: .*{value if field == 'memory' else field[:4]}"):
        stored()


def test_a_folder_in_its_place_is_refused():
    place().mkdir(parents=True)
    with pytest.raises(SaccadeError, match="cannot be used"):
        stored()
    with pytest.raises(SaccadeError, match=r"cannot write .*; set XDG_CACHE_HOME to a folder that can be written"):
        store(HERE)


def test_a_cache_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SaccadeError, match=r"cannot write .*; set XDG_CACHE_HOME to a folder that can be written"):
        store(HERE)


def test_another_machines_calibration_is_not_this_ones(monkeypatch: pytest.MonkeyPatch):
    store(HERE)
    monkeypatch.setattr(calibration, "processor", lambda: "another")
    assert stored() is None


def test_the_processors_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    facts = tmp_path / "cpuinfo"
    facts.write_text("processor\t: 0\nmodel name\t: A: fast CPU\nprocessor\t: 1\nmodel name\t: Another\n")
    assert processor(facts) == "A: fast CPU"
    monkeypatch.setattr(calibration.platform, "processor", lambda: "arm")
    facts.write_text("model name\t:\nHardware\t: board\n")
    assert processor(facts) == "arm"
    assert processor(tmp_path / "none") == "arm"
    monkeypatch.setattr(calibration.platform, "processor", lambda: "")
    monkeypatch.setattr(calibration.platform, "machine", lambda: "")
    assert processor(tmp_path / "none") == "unknown CPU"


def test_reading_it_needs_neither_torch_nor_numpy():
    heavy = "(name for name in ('torch', 'numpy') if name in sys.modules)"
    code = f"import sys, saccade.specs.planner.calibration; print(*{heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
