"""Measuring the machine at hand, in a few seconds.

Law     peak: the best rate of square matrix products, per type of number, at the largest side that the time allows.
        Its low share: the slowest of small products and of a transformer block of modest width, with its norms, softmax
        and GELU, each against the peak of its own type; the worst type counts. Bandwidth: the best rate of copying
        256 MiB, read and written bytes both counted; its low share: 256 MiB of weights applied to one vector, as in
        decoding.
Used by ``plan --calibrate``.
Loses   how busy the machine will be, heat that builds up over minutes, all but the first of several GPUs. On a machine
        that is busy while it is measured everything comes out too slow, and the source says so. A type that
        runs at less than an eighth of float32's speed is emulated, and left out. Without torch, numpy measures float32
        and no block, and the low share is no higher than where nobody measured.
Source  the parts of the roofline, as in ``specs/roofline.py``.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from saccade.specs.device import EFFICIENCY, Device
from saccade.study.engines import BUFFER, Engine, Run, block_cost, engine

NAME = "here"
EMULATED = 1 / 8
MEASUREMENTS = 16
"""The time is shared out among this many: per type two products, a search for the side, a block and a read; a copy."""

Announce = Callable[[str], object]
"""Called with what is measured next."""
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Rate:
    """Work per second: the best round's and the median round's."""

    best: float
    usual: float


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One type of number: peak FLOP/s, and the share of it that small work reaches."""

    peak: float
    low: float


@dataclass(frozen=True, slots=True)
class Bench:
    """An engine, a clock, and how many seconds one measurement should take."""

    engine: Engine
    clock: Clock
    seconds: float

    def rate(self, run: Run, work: float) -> Rate:
        """``work`` per second of ``run``, after a warm run, in as many rounds as the time allows and at least two.

        A round is as many runs as fill a sixteenth of the time, so that waiting for the device weighs little.
        """
        self._spent(run, 1)
        started, runs = self.clock(), 1
        while (spent := self._spent(run, runs)) < self.seconds / 16:
            runs *= 2
        rounds = [spent, self._spent(run, runs)]
        while self.clock() - started < self.seconds:
            rounds.append(self._spent(run, runs))
        return Rate(work * runs / min(rounds), work * runs / statistics.median(rounds))

    def arithmetic(self, dtype: str, enough: float) -> Arithmetic | None:
        """Products and a block. None where the type does not reach ``enough`` FLOP/s."""
        side = self.engine.width
        small = self.rate(self.engine.product(dtype, side), 2 * side**3)
        peak = max(small.best, self._large(dtype, side))
        if peak < enough:
            return None
        slow = [small.usual]
        fitting = int(peak * self.seconds / 4 / block_cost(self.engine.width).flops)
        batch = max(1, min(fitting, self.engine.largest // (4 * self.engine.width)))
        if block := self.engine.block(dtype, batch):
            slow.append(self.rate(block.run, block.flops).usual)
        else:
            slow.append(peak * EFFICIENCY[0] / EFFICIENCY[1])
        return Arithmetic(peak, min(1.0, *(usual / peak for usual in slow)))

    def traffic(self, dtypes: list[str]) -> tuple[float, float]:
        """Bytes a second, and the share of it that the slowest reading reaches."""
        rates = [self.rate(self.engine.copy(), 2 * BUFFER)]
        rates += [self.rate(self.engine.read(dtype), BUFFER) for dtype in dtypes]
        best = max(rate.best for rate in rates)
        return best, min(rate.usual for rate in rates) / best

    def _large(self, dtype: str, side: int) -> float:
        """The best rate at the largest side of which a few products fit into the time."""
        run, took = self.engine.product(dtype, side), 0.0
        while 8 * took <= self.seconds / 4 and side < self.engine.largest:
            side *= 2
            run = self.engine.product(dtype, side)
            self._spent(run, 1)
            took = self._spent(run, 1)
        return self.rate(run, 2 * side**3).best

    def _spent(self, run: Run, runs: int) -> float:
        started = self.clock()
        for _ in range(runs):
            run()
        self.engine.wait()
        return self.clock() - started


def calibrate(
    seconds: float = 3.0,
    progress: Announce | None = None,
    *,
    on: Engine | None = None,
    clock: Clock = time.perf_counter,
) -> Device:
    """The machine at hand, measured in about ``seconds``: a GPU if torch finds one, else the CPU.

    ``on`` and ``clock`` are for tests and for machines of one's own.
    """
    tell, busy = progress or (lambda _: None), _busy()
    machine = on or engine()
    bench = Bench(machine, clock, seconds / MEASUREMENTS)
    found: dict[str, Arithmetic] = {}
    for dtype in machine.dtypes:
        tell(f"matrix products in {dtype}")
        first = next(iter(found.values()), None)
        if made := bench.arithmetic(dtype, first.peak * EMULATED if first else 0.0):
            found[dtype] = made
    tell("memory bandwidth")
    bandwidth, low = bench.traffic(list(found))
    return Device(
        name=NAME,
        title=machine.title,
        memory=machine.memory,
        bandwidth=bandwidth,
        peak={dtype: made.peak for dtype, made in found.items()},
        efficiency=(min(made.low for made in found.values()), 1.0),
        bandwidth_efficiency=(low, 1.0),
        source=f"measured {datetime.now(UTC):%Y-%m-%d} with {machine.software}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}{busy}",
        provenance="measured",
    )


def _busy() -> str:
    """A remark where other work had more than half of the CPUs over the last minute."""
    load, cpus = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    return f"; the machine was busy (load {load:.1f} on {cpus} CPUs), measure it again" if load > cpus / 2 else ""
