import dataclasses
import json

import pytest

from saccade.core.errors import SaccadeError
from saccade.core.plan import NUMBER_BYTES
from saccade.specs.planner.device import BANDWIDTH_EFFICIENCY, EFFICIENCY, Device, device, devices, from_json, to_json

MADE = Device(
    name="one",
    title="One",
    memory=8,
    bandwidth=2.0,
    peak={"float32": 10.0},
    efficiency=(0.5, 1.0),
    bandwidth_efficiency=(0.5, 1.0),
    source="made up",
    provenance="measured",
)


def test_the_table_holds_what_people_ask_for():
    asked = {"h100", "h200", "b200", "a100-40", "a100-80", "l4", "l40s", "a10", "rtx-3090", "rtx-4090", "rtx-5090"}
    assert asked | {"t4", "v100", "mi300x", "m3-max", "jetson-orin-64"} <= set(devices())


@pytest.mark.parametrize("name", sorted(devices()))
def test_every_figure_is_in_the_range_of_its_unit(name: str):
    # A slip of a thousand, bits for bytes, or sparse for dense would leave these ranges.
    made = devices()[name]
    assert made.name == name
    assert 16e9 <= made.memory <= 512e9
    assert 2e11 <= made.bandwidth <= 1e13
    assert made.peak.keys() <= NUMBER_BYTES.keys()
    assert {"float32", "float16"} <= made.peak.keys()
    assert 5e12 <= made.peak["float32"] <= 2e14
    assert made.peak["float32"] <= made.peak["float16"] <= 3e15
    assert made.peak.get("bfloat16", made.peak["float16"]) == made.peak["float16"]
    # FLOPs per byte: half precision of every part of these years.
    assert 25 <= made.peak["float16"] / made.bandwidth <= 420
    assert made.source
    assert made.provenance in ("datasheet", "unverified")


def test_the_figures_of_a_datasheet():
    h100 = device("h100")
    assert (h100.memory, h100.bandwidth) == (80_000_000_000, 3.35e12)
    assert h100.peak == {"bfloat16": 989e12, "float16": 989e12, "float32": 67e12}
    assert device("a100-80").bandwidth == 2.039e12
    assert device("rtx-4090").peak["float16"] == 165.2e12


def test_a_measured_share_is_the_high_end_and_the_band_keeps_its_proportion():
    h100 = device("h100")
    assert h100.efficiency == (pytest.approx(0.8033 * 0.35 / 0.8, abs=5e-4), 0.8033)
    assert h100.bandwidth_efficiency == (pytest.approx(0.867 * 0.6 / 0.9, abs=5e-4), 0.867)
    assert "Measured: matmul" in h100.source


def test_where_nobody_measured_the_default_stands():
    assert device("l40s").efficiency == EFFICIENCY == (0.35, 0.8)
    assert device("h200").bandwidth_efficiency == BANDWIDTH_EFFICIENCY == (0.6, 0.9)
    assert device("h200").efficiency[1] == 0.8033
    assert "Measured" not in device("l40s").source


@pytest.mark.parametrize("typed", ["H100", " h100 ", "RTX 4090", "rtx_4090", "Rtx-4090"])
def test_names_are_read_as_people_type_them(typed: str):
    assert device(typed).name in ("h100", "rtx-4090")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a100", "unknown device 'a100'; did you mean a100-80 or a100-40"),
        ("4090", "unknown device '4090'; did you mean rtx-4090"),
        ("h1000", "did you mean h100"),
        ("banana", "unknown device 'banana'; known: a10, a100-40"),
        ("", "unknown device ''; known: a10, a100-40"),
    ],
)
def test_unknown_names_get_near_matches(typed: str, meant: str):
    with pytest.raises(SaccadeError, match=meant):
        device(typed)


def test_a_type_that_the_device_lacks_is_refused_with_the_cure():
    assert device("t4").rate("float16") == 65e12
    with pytest.raises(SaccadeError, match="NVIDIA T4 16GB has no fast bfloat16; set dtype to float16 or float32"):
        device("t4").rate("bfloat16")
    with pytest.raises(SaccadeError, match="no fast bfloat16"):
        device("v100").rate("bfloat16")
    with pytest.raises(SaccadeError, match="unknown dtype 'bfloat'; did you mean bfloat16"):
        device("h100").rate("bfloat")


def test_the_table_cannot_be_changed_from_outside():
    devices().clear()
    assert "h100" in devices()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": 0}, "above 0 and finite, got memory 0"),
        ({"bandwidth": float("inf")}, "got bandwidth inf"),
        ({"bandwidth": float("nan")}, "got bandwidth nan"),
        ({"peak": {"float32": -1.0}}, "got float32 -1.0"),
        ({"peak": {}}, "got none"),
        ({"efficiency": (0.0, 1.0)}, "got 0.0 to 1.0"),
        ({"efficiency": (0.9, 0.8)}, "got 0.9 to 0.8"),
        ({"bandwidth_efficiency": (0.5, 1.1)}, "got 0.5 to 1.1"),
    ],
)
def test_impossible_figures_are_refused(changes: dict[str, object], message: str):
    with pytest.raises(SaccadeError, match=message):
        dataclasses.replace(MADE, **changes)


@pytest.mark.parametrize("made", [MADE, *devices().values()], ids=lambda made: made.name)
def test_json_and_back(made: Device):
    assert from_json(json.loads(json.dumps(to_json(made), allow_nan=False))) == made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": 1}, "title is text, got 1"),
        ({"memory": 8.5}, "memory is a whole number of bytes, got 8.5"),
        ({"memory": True}, "memory is a whole number of bytes, got True"),
        ({"bandwidth": True}, "bandwidth is a number, got True"),
        ({"bandwidth": "fast"}, "bandwidth is a number, got 'fast'"),
        ({"peak": [1]}, r"peak is a mapping of FLOP/s by dtype, got \[1\]"),
        ({"peak": {"float32": None}}, "peak float32 is a number, got None"),
        ({"efficiency": [0.5]}, r"efficiency is two numbers, low and high, got \[0.5\]"),
        ({"bandwidth_efficiency": 0.5}, "bandwidth_efficiency is two numbers"),
        ({"provenance": "guess"}, "unknown provenance 'guess'"),
        ({"colour": "red"}, "exactly the fields name, title"),
    ],
)
def test_json_that_is_no_device_is_refused(changes: dict[str, object], message: str):
    with pytest.raises(SaccadeError, match=message):
        from_json(to_json(MADE) | changes)


def test_json_with_a_field_missing_is_refused():
    data = to_json(MADE)
    del data["memory"]
    with pytest.raises(SaccadeError, match="exactly the fields"):
        from_json(data)
    with pytest.raises(SaccadeError, match="exactly the fields"):
        from_json(None)
