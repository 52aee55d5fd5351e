"""Measuring the machine at hand, in a few seconds.

Law     peak: the best round of square matrix products, per type of number, up to the largest side that the time allows.
        Its low share: the slower of small products and of a transformer block of modest width, with its norms, softmax
        and GELU, in the median round and each against the peak of its own type; the worst type counts. Bandwidth: the
        best round of copying 256 MiB, read and written bytes both counted; its low share: the median round of applying
        256 MiB of weights to one vector, as in decoding. All that is done twice, and the better pass counts, because
        what else runs on a machine only ever slows it down.
Used by ``plan --calibrate``.
Loses   how busy the machine will be, heat that builds up over minutes, all but the first of several GPUs. On a machine
        that is busy while it is measured everything comes out too slow, and the source says so. A type that runs at
        less than an eighth of float32's speed is emulated, and left out. Without torch, numpy measures float32 and no
        block, and the low share is no higher than where nobody measured.
Source  the parts of the roofline, as in ``specs/laws/roofline.py``.
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from saccade.evaluation.machine.engines import BUFFER, Engine, Run, engine
from saccade.specs.planner.device import EFFICIENCY, Device

NAME = "here"
EMULATED = 1 / 8
PASSES = 2
MEASUREMENTS = 16
"""A pass shares its time out among this many: per type two products, a search for the side, a block, a read; a copy."""

Announce = Callable[[str], object]
"""Called with what is measured next."""
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Rate:
    """Work per second: in the best round, and in the median one."""

    best: float
    usual: float


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """One type of number: FLOP/s at best and usually in small work, usual bytes/s of weights on one vector."""

    peak: float
    small: float
    read: float

    def or_better(self, other: "MeasuredSpeed | None") -> "MeasuredSpeed":
        """The higher of each."""
        if other is None:
            return self
        return MeasuredSpeed(max(self.peak, other.peak), max(self.small, other.small), max(self.read, other.read))


@dataclass(frozen=True, slots=True)
class MachineBenchmark:
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
        return Rate(work * runs / min(rounds), work * runs / median(rounds))

    def speed(self, dtype: str, enough: float) -> MeasuredSpeed | None:
        """Products, a block and a read. None where the type does not reach ``enough`` FLOP/s."""
        width = self.engine.width
        small = self.rate(self.engine.product(dtype, width), 2 * width**3)
        peak = max(small.best, self._large(dtype, width))
        if peak < enough:
            return None
        block = self.engine.block(dtype)
        whole = self.rate(block.run, block.flops).usual if block else peak * EFFICIENCY[0] / EFFICIENCY[1]
        return MeasuredSpeed(peak, min(small.usual, whole), self.rate(self.engine.read(dtype), BUFFER).usual)

    def copy(self) -> float:
        """Bytes a second, read and written."""
        return self.rate(self.engine.copy(), 2 * BUFFER).best

    def _large(self, dtype: str, side: int) -> float:
        """The best rate of larger products, up to a side of which a few fit into the time."""
        run, took, best = self.engine.product(dtype, side), 0.0, 0.0
        while 8 * took <= self.seconds / 4 and side < self.engine.largest:
            side *= 2
            run = self.engine.product(dtype, side)
            self._spent(run, 1)
            took = self._spent(run, 1)
            best = max(best, 2 * side**3 / took)
        return max(best, self.rate(run, 2 * side**3).best)

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
    bench = MachineBenchmark(machine, clock, seconds / PASSES / MEASUREMENTS)
    speeds: dict[str, MeasuredSpeed] = {}
    copied = 0.0
    for _ in range(PASSES):
        for dtype in machine.dtypes:
            tell(f"arithmetic in {dtype}")
            if speed := bench.speed(dtype, _enough(speeds)):
                speeds[dtype] = speed.or_better(speeds.get(dtype))
        tell("memory bandwidth")
        copied = max(copied, bench.copy())
    return _device(machine, speeds, copied, busy)


def _device(machine: Engine, speeds: dict[str, MeasuredSpeed], copied: float, busy: str) -> Device:
    found = {dtype: speed for dtype, speed in speeds.items() if speed.peak >= _enough(speeds)}
    moved = [copied, *(speed.read for speed in found.values())]
    return Device(
        name=NAME,
        title=machine.title,
        memory=machine.memory,
        bandwidth=max(moved),
        peak={dtype: speed.peak for dtype, speed in found.items()},
        efficiency=(min(1.0, *(speed.small / speed.peak for speed in found.values())), 1.0),
        bandwidth_efficiency=(min(moved) / max(moved), 1.0),
        source=f"measured {datetime.now(UTC):%Y-%m-%d} with {machine.software}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()}{busy}",
        provenance="measured",
    )


def _enough(speeds: dict[str, MeasuredSpeed]) -> float:
    """FLOP/s below which a type is emulated: a share of the first type's, which is float32."""
    return next(iter(speeds.values())).peak * EMULATED if speeds else 0.0


def _busy() -> str:
    """A remark where other work had more than half of the CPUs over the last minute."""
    load, cpus = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    return f"; the machine was busy (load {load:.1f} on {cpus} CPUs), measure it again" if load > cpus / 2 else ""
