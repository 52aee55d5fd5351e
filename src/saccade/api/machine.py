"""Measuring the machine at hand, for times without a datasheet."""

from collections.abc import Callable
from pathlib import Path

from saccade.core.units import bytes_told, scaled
from saccade.evaluation.machine.calibrate import calibrate as measure
from saccade.specs.planner.calibration import store
from saccade.specs.planner.device import Device


def calibrate(progress: Callable[[str], object] | None = None) -> tuple[Device, Path]:
    """Measure for a few seconds and keep the result; the machine and the file."""
    found = measure(progress=progress)
    return found, store(found)


def told(found: Device) -> list[str]:
    """What was measured, in lines."""
    rates = ", ".join(f"{scaled(peak)}FLOP/s in {dtype}" for dtype, peak in found.peak.items())
    low, slow = (100 * share for share in (found.efficiency[0], found.bandwidth_efficiency[0]))
    return [
        f"{found.title}: {bytes_told(found.memory)} of memory",
        f"  matrix products {rates} at best, {low:.0f} % of that in small work",
        f"  memory {scaled(found.bandwidth)}B/s at best, {slow:.0f} % of that in the slowest reading",
        f"  {found.source}",
    ]
