"""Whether a model fits: bytes of its weights against the memory that a device has free, before anything is read."""

from pathlib import Path

import torch

from saccade.core.errors import SaccadeError
from saccade.core.units import bytes_told

CGROUPS = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def check_room(what: str, needed: int, device: torch.device, dtype: torch.dtype) -> None:
    """Raises SaccadeError, with both numbers, where ``needed`` bytes of weights do not fit on ``device``."""
    free = free_bytes(device)
    if free is None or needed <= free:
        return
    number = str(dtype).removeprefix("torch.")
    cures = ["free some memory", "name another device"]
    if dtype.itemsize > 2:
        half = needed * 2 // dtype.itemsize
        cures.insert(0, f"take dtype=bfloat16 ({bytes_told(half)})")
    if device.type == "cuda":
        cures.append("install accelerate, which spreads hosted models over what there is (device=auto or cuda)")
    raise SaccadeError(
        f"the weights of {what} take {bytes_told(needed)} in {number}, but {device} has {bytes_told(free)} free; "
        f"{', or '.join(cures)}"
    )


def free_bytes(device: torch.device) -> int | None:
    """Bytes that are free on ``device``; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    limits = [limit for limit in (_available(), _cgroup()) if limit is not None]
    return min(limits, default=None)


def _available() -> int | None:
    """What Linux says that programs may still take; None elsewhere."""
    if not MEMINFO.is_file():
        return None
    lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
    found = lines.get("MemAvailable")
    return None if found is None else int(found.split()[0]) * 1024


def _cgroup() -> int | None:
    """What the container's limits leave; None without limits. Files in the cache make way, so they count as free."""
    left = []
    for folder in _groups():
        limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
        if limit is not None and used is not None:
            left.append(limit - used + _inactive(folder))
    old = CGROUPS / "memory"
    limit, used = _number(old / "memory.limit_in_bytes"), _number(old / "memory.usage_in_bytes")
    if limit is not None and used is not None:
        left.append(limit - used + _inactive(old))
    return min(left, default=None)


def _groups() -> list[Path]:
    """This process's control group (version 2) and all above it."""
    own = Path("/proc/self/cgroup")
    lines = own.read_text().splitlines() if own.is_file() else []
    named = next((line[3:] for line in lines if line.startswith("0::")), "/")
    place = CGROUPS / named.lstrip("/")
    return [folder for folder in (place, *place.parents) if folder.is_relative_to(CGROUPS)]


def _inactive(folder: Path) -> int:
    """Bytes of cached files that were not used lately."""
    file = folder / "memory.stat"
    pairs = [line.split() for line in file.read_text().splitlines()] if file.is_file() else []
    return next((int(value) for name, value in pairs if name in ("inactive_file", "total_inactive_file")), 0)


def _number(file: Path) -> int | None:
    """The number in a file; None where there is no file, or it says that there is no limit."""
    text = file.read_text().strip() if file.is_file() else "max"
    return None if text == "max" else int(text)
