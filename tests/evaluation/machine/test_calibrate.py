"""Measuring on made-up machines and a made-up clock, so that what comes out is known."""

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, cycle, repeat

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from saccade.core.errors import SaccadeError
from saccade.evaluation.machine import calibrate as measuring
from saccade.evaluation.machine import engines
from saccade.evaluation.machine.calibrate import MachineBenchmark, calibrate
from saccade.evaluation.machine.engines import (
    BUFFER,
    BenchmarkBlock,
    Engine,
    NumpyEngine,
    Run,
    TorchEngine,
    block_cost,
    physical_memory,
)
from saccade.specs.laws.roofline import time_of
from saccade.specs.planner.device import EFFICIENCY, Device


@dataclass
class Machine(Engine):
    """A machine whose rates are given, by side of product; its clock moves only when it works.

    A run is only started; the time goes by in ``wait``, as on a GPU.
    """

    rates: dict[str, Callable[[int], float]]
    blocks: dict[str, float]
    reads: dict[str, float]
    copies: float = 1e10
    width: int = 256
    largest: int = 4096
    title: str = "Machine"
    software: str = "software 1.0"
    memory: int = 10**9
    now: float = 0.0
    under_way: float = 0.0
    asked: list[tuple[str, object]] = field(default_factory=list)

    @property
    def dtypes(self) -> tuple[str, ...]:
        return tuple(self.rates)

    def _run(self, seconds: float, *what: object) -> Run:
        self.asked.append((str(what[0]), what[1]))

        def run() -> None:
            self.under_way += seconds

        return run

    def product(self, dtype: str, side: int) -> Run:
        return self._run(2 * side**3 / self.rates[dtype](side), f"product {dtype}", side)

    def block(self, dtype: str) -> BenchmarkBlock | None:
        flops = block_cost(self.width).flops
        return (
            BenchmarkBlock(self._run(flops / self.blocks[dtype], f"block {dtype}", None), flops)
            if self.blocks
            else None
        )

    def copy(self) -> Run:
        return self._run(2 * BUFFER / self.copies, "copy", None)

    def read(self, dtype: str) -> Run:
        return self._run(BUFFER / self.reads[dtype], f"read {dtype}", None)

    def wait(self) -> None:
        self.now, self.under_way = self.now + self.under_way, 0.0

    def clock(self) -> float:
        return self.now

    def measured(self, seconds: float = 3.0) -> Device:
        return calibrate(seconds, on=self, clock=self.clock)


def machine() -> Machine:
    """float32 1e11 (half of it for small products), bfloat16 3e11, float16 emulated; blocks slower still."""
    return Machine(
        rates={
            "float32": lambda side: 5e10 if side < 512 else 1e11,
            "bfloat16": lambda side: 3e11,
            "float16": lambda side: 3e9,
        },
        blocks={"float32": 6e10, "bfloat16": 1.2e11, "float16": 1.0},
        reads={"float32": 8e9, "bfloat16": 4e9, "float16": 1.0},
    )


def test_every_figure_is_what_the_machine_does():
    made = machine().measured()
    assert made.name == "here"
    assert (made.title, made.memory, made.provenance) == ("Machine", 10**9, "measured")
    assert made.peak == {"float32": pytest.approx(1e11), "bfloat16": pytest.approx(3e11)}
    # The block in bfloat16 has 0.4 of its peak, less than the small product in float32 with its 0.5.
    assert made.efficiency == (pytest.approx(0.4), 1.0)
    assert made.bandwidth == pytest.approx(1e10)
    assert made.bandwidth_efficiency == (pytest.approx(0.4), 1.0)


def test_small_products_count_where_they_are_the_slowest():
    made = machine()
    made.blocks = dict.fromkeys(made.blocks, 1e12)
    assert made.measured().efficiency == (pytest.approx(0.5), 1.0)


def test_the_peak_is_of_the_best_size():
    made = machine()
    made.rates["float32"] = lambda side: 2e11 if side == 256 else 1e11
    assert made.measured().peak["float32"] == pytest.approx(2e11)


def test_an_emulated_type_is_left_out_and_not_measured_further():
    made = machine()
    device = made.measured()
    assert "float16" not in device.peak
    assert not {"block float16", "read float16"} & {what for what, _ in made.asked}
    with pytest.raises(SaccadeError, match="Machine has no fast float16; set dtype to bfloat16 or float32"):
        time_of(1, 1, device, "float16")
    made.blocks["float16"], made.reads["float16"] = 1e10, 1e10
    made.rates["float16"] = lambda side: 1e11 / 8.1
    assert "float16" not in made.measured().peak
    made.rates["float16"] = lambda side: 1e11 / 7.9
    assert "float16" in made.measured().peak


def test_reading_may_be_faster_than_copying():
    made = machine()
    made.reads["float32"] = 4e10
    assert made.measured().bandwidth == pytest.approx(4e10)


def test_the_largest_side_is_measured_in_rounds_too():
    class Waking(Machine):
        """Products are slow in their first three runs."""

        def product(self, dtype: str, side: int) -> Run:
            turns = chain([3, 3, 3], repeat(1))
            seconds = 2 * side**3 / self.rates[dtype](side)

            def run() -> None:
                self.under_way += seconds * next(turns)

            return run

    made = Waking(rates={"float32": lambda side: 1e9 if side < 512 else 1e11}, blocks={}, reads={"float32": 1e10})
    assert made.measured().peak["float32"] == pytest.approx(1e11)


def test_the_side_grows_until_a_product_takes_too_long():
    def sides(rate: float, largest: int) -> int:
        made = machine()
        made.rates, made.largest = {"float32": lambda side: rate}, largest
        made.measured()
        return max(side for what, side in made.asked if what == "product float32" and isinstance(side, int))

    assert sides(1e15, 4096) == 4096
    assert sides(1e15, 8192) == 8192
    # 3 s in 16 parts: a quarter of one is 47 ms. A product of 1,024 rows takes 21 ms, one of 2,048 eight times that.
    assert sides(1e11, 4096) == 1024
    # Nothing larger than the first step is tried on a machine this slow: 34 ms, then 268.
    assert sides(1e9, 4096) == 512


@pytest.mark.parametrize("speed", [1e10, 1e11, 1e13])
def test_the_time_asked_for_is_about_kept(speed: float):
    made = machine()
    made.rates = dict.fromkeys(made.rates, lambda side: speed)
    made.blocks, made.reads = dict.fromkeys(made.rates, speed), dict.fromkeys(made.rates, 1e10)
    made.measured(3.0)
    assert 2.0 <= made.now <= (4.0 if speed > 1e10 else 5.5)


def test_a_slow_round_lowers_the_usual_rate_and_not_the_best():
    made = machine()
    turns = cycle([3.0, 3.0, 3.0, 1.0, 3.0])

    def run() -> None:
        made.under_way += next(turns) / 5

    rate = MachineBenchmark(made, made.clock, 2.0).rate(run, 1.0)
    assert rate.best == pytest.approx(5)
    assert rate.usual == pytest.approx(5 / 3)


class Unsteady(Machine):
    """Every other run of what is ``unsteady`` takes four times as long."""

    unsteady = ""

    def _run(self, seconds: float, *what: object) -> Run:
        turns = cycle([4, 1, 4]) if what[0] == self.unsteady and what[1] in (None, self.width) else cycle([1])

        def run() -> None:
            self.under_way += seconds * next(turns)

        return run


@pytest.mark.parametrize("what", ["product float32", "block float32", "read float32", "copy"])
def test_peaks_are_of_the_best_rounds_and_low_shares_of_the_usual(what: str):
    # Slow enough for two rounds of one run each: 1 and 4 times as long, 2.5 in the median.
    slow = 1e8
    made = Unsteady(
        rates={"float32": lambda side: slow}, blocks={"float32": slow}, reads={"float32": slow}, copies=slow
    )
    made.unsteady = what
    device = made.measured()
    assert device.peak["float32"] == pytest.approx(slow)
    assert device.bandwidth == pytest.approx(slow)
    assert device.efficiency[0] == pytest.approx(0.4 if what in ("product float32", "block float32") else 1)
    assert device.bandwidth_efficiency[0] == pytest.approx(0.4 if what == "read float32" else 1)


def test_what_slows_one_pass_down_does_not_count():
    class Disturbed(Machine):
        """At a tenth of its speed from ``since`` to ``until``."""

        since = until = 0.0

        def wait(self) -> None:
            slow = self.since <= self.now < self.until
            self.now, self.under_way = self.now + self.under_way * (10 if slow else 1), 0.0

    def measured(since: float, until: float) -> Device:
        made = Disturbed(**vars(machine()))
        made.since, made.until = since, until
        device = made.measured()
        assert made.now > 3
        return device

    quiet = measured(0, 0)
    for disturbed in (measured(0, 1.5), measured(1.8, 99)):
        assert disturbed.peak == pytest.approx(quiet.peak, rel=1e-3)
        assert disturbed.efficiency == pytest.approx(quiet.efficiency, rel=1e-3)
        assert disturbed.bandwidth == pytest.approx(quiet.bandwidth, rel=1e-3)
        assert disturbed.bandwidth_efficiency == pytest.approx(quiet.bandwidth_efficiency, rel=1e-3)


def test_a_round_is_long_enough_for_waiting_to_weigh_little():
    made = machine()
    waits = []

    def wait() -> None:
        waits.append(made.under_way)
        made.now, made.under_way = made.now + made.under_way + 1e-3, 0.0

    made.wait = wait
    rate = MachineBenchmark(made, made.clock, 1.0).rate(made._run(1e-5, "short", None), 1.0)
    # One run at a time would give 990 a second.
    assert rate.best > 0.95 * 1e5
    assert waits[-1] >= 1 / 16 - 1e-3


def test_without_a_block_the_low_share_is_no_higher_than_where_nobody_measured():
    made = machine()
    made.blocks = {}
    made.rates = {"float32": lambda side: 1e11}
    assert made.measured().efficiency == (pytest.approx(EFFICIENCY[0] / EFFICIENCY[1]), 1.0)
    made.rates = {"float32": lambda side: 2e10 if side < 512 else 1e11}
    assert made.measured().efficiency == (pytest.approx(0.2), 1.0)


def test_the_source_names_day_software_and_system_and_a_busy_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (2.0, 9.0, 9.0))
    source = machine().measured().source
    assert f"measured {datetime.now(UTC):%Y-%m-%d} with software 1.0, Python {platform.python_version()}, " in source
    assert source.endswith(platform.release())
    monkeypatch.setattr(os, "getloadavg", lambda: (2.1, 0.0, 0.0))
    assert machine().measured().source.endswith("; the machine was busy (load 2.1 on 4 CPUs), measure it again")


def test_progress_is_told_before_each_part():
    told: list[str] = []
    made = machine()
    calibrate(1.0, told.append, on=made, clock=made.clock)
    assert told == 2 * [*(f"arithmetic in {dtype}" for dtype in made.dtypes), "memory bandwidth"]


def counted(run: Run) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def test_what_torch_runs_is_what_is_counted(monkeypatch: pytest.MonkeyPatch):
    made = TorchEngine("cpu")
    monkeypatch.setattr(made, "_place", "meta")
    assert counted(made.product("float32", 96)) == 2 * 96**3
    for batch in (1, 3):
        monkeypatch.setattr(made, "_batch", batch)
        block = made.block("bfloat16")
        assert counted(block.run) == block.flops == batch * block_cost(256).flops


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_torch_reads_and_copies_is_the_whole_buffer_and_finite(dtype: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "BUFFER", 2**24)
    made = TorchEngine("cpu")
    read = made.read(dtype)()
    assert isinstance(read, list)
    size = getattr(torch, dtype).itemsize
    assert len(read) * 8 * 2**20 == 2**24 * 4 // size
    assert {(part.dtype, part.shape) for part in read} == {(getattr(torch, dtype), (1, 2048))}
    assert all(bool(part.isfinite().all()) and part.count_nonzero() == 2048 for part in read)
    made._buffer.copy_(torch.arange(made._buffer.numel()))
    target = made.copy()()
    assert isinstance(target, torch.Tensor)
    assert target.numel() * target.itemsize == 2**24
    assert target.data_ptr() != made._buffer.data_ptr()
    assert torch.equal(target, made._buffer)


def test_torch_leaves_out_types_that_it_does_not_multiply(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "BUFFER", 2**24)
    real = TorchEngine.product

    def product(self: TorchEngine, dtype: str, side: int) -> Run:
        if dtype == "bfloat16":
            raise TypeError("BFloat16 is not supported on this device")
        return real(self, dtype, side)

    assert TorchEngine("cpu").dtypes == ("float32", "bfloat16", "float16")
    monkeypatch.setattr(TorchEngine, "product", product)
    assert TorchEngine("cpu").dtypes == ("float32", "float16")


def test_numpy_reads_and_copies_the_whole_buffer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "BUFFER", 2**24)
    made = NumpyEngine()
    read = made.read("float32")()
    assert isinstance(read, list)
    assert [(part.shape, part.dtype) for part in read] == [((2048,), np.float32)] * 2
    assert all((part == 1024).all() for part in read)
    product = made.product("float32", 8)()
    assert isinstance(product, np.ndarray)
    assert (product.shape, product.dtype) == ((8, 8), np.float32)
    made.copy()()
    assert made.block("float32") is None


def test_numpy_stands_in_where_torch_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "BUFFER", 2**24)
    assert isinstance(engines.engine(), TorchEngine)
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "torch", None)
    made = calibrate(0.01)
    assert "with numpy" in made.source
    assert set(made.peak) == {"float32"}
    assert made.efficiency[0] <= EFFICIENCY[0] / EFFICIENCY[1] + 1e-9


def test_a_real_calibration_is_a_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "BUFFER", 2**24)
    monkeypatch.setattr(measuring, "BUFFER", 2**24)
    made = calibrate(0.05)
    assert "float32" in made.peak
    assert made.memory > 10**8
    assert "with torch" in made.source


def test_an_accelerator_without_room_is_refused(monkeypatch: pytest.MonkeyPatch):
    class Properties:
        name, total_memory = "Card", 8 * 10**9

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda place: Properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (10**9, 8 * 10**9))
    with pytest.raises(SaccadeError, match=r"Card has 1.0 GB free, a calibration takes 3.2 GB; stop what else runs"):
        TorchEngine("cuda")


def test_memory_is_the_systems_or_the_containers_if_that_is_less(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__)
    limit = tmp_path / "memory.max"
    assert physical_memory(limit) == 4096 * 1000
    limit.write_text("max\n")
    assert physical_memory(limit) == 4096 * 1000
    limit.write_text("5000\n")
    assert physical_memory(limit) == 5000
    limit.write_text("99999999999\n")
    assert physical_memory(limit) == 4096 * 1000


def test_a_system_that_tells_no_memory_is_refused(tmp_path, monkeypatch: pytest.MonkeyPatch):
    def sysconf(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", sysconf)
    with pytest.raises(SaccadeError, match=r"does not say how much memory it has.*name a device instead"):
        physical_memory(tmp_path / "none")
