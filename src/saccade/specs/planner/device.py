"""Machines that a model may run on: memory, bandwidth and arithmetic, as data.

Peaks and bandwidths are what the maker prints, dense (never with sparsity) and with sums kept in float32; memory is the
nominal size at 1e9 bytes a GB, which is a little less than what the driver shows. No program reaches these figures, so
a device also says which share of them real work gets, as a band:

``efficiency``            of the peak, in matrix products. High: the largest products. Low: products of a few thousand
                          rows, and whole models. Default 0.35 to 0.8: an A100 gets 0.83 of its peak at 8,192 rows and
                          0.35 at 2,048 (gau-nernst/learn-cuda), training Llama 3 got 0.38 to 0.43 (arXiv:2407.21783).
``bandwidth_efficiency``  of the bandwidth. High: copies of large arrays. Low: weights read while decoding. Default 0.6
                          to 0.9: copies get 0.87 of an H100's and 0.88 of an A100's; a compiled 7B model that decodes
                          one request reads its weights at 0.69 of an A100's (pytorch-labs/gpt-fast).

Where the high end was measured on the device itself, the low end keeps the default's proportion to it. Products were
measured in bfloat16; float32 is taken to be alike.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args

from saccade.core.errors import SaccadeError, unknown
from saccade.core.plan import NUMBER_BYTES

Provenance = Literal["datasheet", "measured", "unverified"]
"""datasheet: as the maker prints it. measured: on the machine itself. unverified: derived, or read in copies only."""
SCHEMA = "saccade.devices/1"
EFFICIENCY = (0.35, 0.8)
BANDWIDTH_EFFICIENCY = (0.6, 0.9)


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """One machine: ``memory`` in bytes, ``bandwidth`` in bytes/s, ``peak`` FLOP/s by type of number.

    A type that is absent from ``peak`` is one that the device has no arithmetic for. The two efficiencies are (low,
    high) shares, 0 < low ≤ high ≤ 1.
    """

    name: str
    title: str
    memory: int
    bandwidth: float
    peak: Mapping[str, float]
    efficiency: tuple[float, float]
    bandwidth_efficiency: tuple[float, float]
    source: str
    provenance: Provenance

    def __post_init__(self) -> None:
        figures = {"memory": self.memory, "bandwidth": self.bandwidth, **self.peak}
        wrong = [f"{name} {value}" for name, value in figures.items() if not 0 < value < math.inf]
        if wrong or not self.peak:
            raise SaccadeError(
                f"{self.name}: a device's figures are above 0 and finite, got {', '.join(wrong) or 'none'}"
            )
        for low, high in (self.efficiency, self.bandwidth_efficiency):
            if not 0 < low <= high <= 1:
                raise SaccadeError(f"{self.name}: an efficiency is 0 < low ≤ high ≤ 1, got {low} to {high}")

    def rate(self, dtype: str) -> float:
        """Peak FLOP/s for numbers of type ``dtype``. Raises where the device has no arithmetic for it."""
        if dtype not in NUMBER_BYTES:
            raise unknown("dtype", dtype, NUMBER_BYTES)
        if dtype not in self.peak:
            raise SaccadeError(f"{self.title} has no fast {dtype}; set dtype to {' or '.join(sorted(self.peak))}")
        return self.peak[dtype]


def devices() -> dict[str, Device]:
    """The table, by name."""
    return dict(_table())


def device(name: str) -> Device:
    """One device of the table; capitals do not count, and a space or an underscore is a hyphen."""
    key = name.strip().casefold().replace(" ", "-").replace("_", "-")
    table = _table()
    if key not in table:
        # What was typed is often a part of one name or of several: a100, 4090.
        raise unknown("device", name, [known for known in table if key in known] or table)
    return table[key]


def to_json(made: Device) -> dict[str, Any]:
    """``made`` as JSON-safe data, exactly."""
    return asdict(made) | {"peak": dict(made.peak)}


def from_json(data: object) -> Device:
    """What ``to_json`` wrote. Raises where a field is missing, unknown or of another type."""
    if not isinstance(data, Mapping) or set(data) != set(Device.__dataclass_fields__):
        raise SaccadeError(f"a device has exactly the fields {', '.join(Device.__dataclass_fields__)}")
    words = {name: _text(name, data[name]) for name in ("name", "title", "source", "provenance")}
    memory, peak = data["memory"], data["peak"]
    if words["provenance"] not in get_args(Provenance):
        raise unknown("provenance", words["provenance"], get_args(Provenance))
    if isinstance(memory, bool) or not isinstance(memory, int):
        raise SaccadeError(f"memory is a whole number of bytes, got {memory!r}")
    if not isinstance(peak, Mapping):
        raise SaccadeError(f"peak is a mapping of FLOP/s by dtype, got {peak!r}")
    return Device(
        name=words["name"],
        title=words["title"],
        memory=memory,
        bandwidth=_number("bandwidth", data["bandwidth"]),
        peak={str(dtype): _number(f"peak {dtype}", value) for dtype, value in peak.items()},
        efficiency=_pair("efficiency", data["efficiency"]),
        bandwidth_efficiency=_pair("bandwidth_efficiency", data["bandwidth_efficiency"]),
        source=words["source"],
        provenance=cast(Provenance, words["provenance"]),
    )


@cache
def _table() -> dict[str, Device]:
    data = json.loads((files("saccade.specs.planner") / "devices.json").read_text(encoding="utf-8"))
    if data["schema"] != SCHEMA:
        raise SaccadeError(
            f"the table of devices is {data['schema']}, this version reads {SCHEMA}; install saccade again"
        )
    return {row["name"]: _row(row) for row in data["devices"]}


def _row(row: dict[str, Any]) -> Device:
    measured: dict[str, Any] = row["measured"] or {}
    facts = {key: value for key, value in row.items() if key not in ("measured", "source")}
    return Device(
        **facts,
        source=f"{row['source']}. Measured: {measured['source']}" if measured else row["source"],
        efficiency=_band(EFFICIENCY, measured.get("matmul")),
        bandwidth_efficiency=_band(BANDWIDTH_EFFICIENCY, measured.get("bandwidth")),
    )


def _band(default: tuple[float, float], measured: float | None) -> tuple[float, float]:
    """The default, or as wide a band below what was measured."""
    low, high = default
    return default if measured is None else (round(measured * low / high, 3), measured)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise SaccadeError(f"{name} is text, got {value!r}")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SaccadeError(f"{name} is a number, got {value!r}")
    return value


def _pair(name: str, value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise SaccadeError(f"{name} is two numbers, low and high, got {value!r}")
    return _number(name, value[0]), _number(name, value[1])
