"""Keeping what a calibration found: one file in the user's cache, which planning reads without torch or numpy.

Law     one calibration, of one machine, under ``$XDG_CACHE_HOME/saccade`` (``~/.cache/saccade`` where that is not set).
Used by ``plan``, for times without ``--device``.
Loses   the calibration of another machine that shares the home folder: the last one made stands, and a machine with
        another processor does not take it for its own. A GPU that was changed since is not noticed.
Source  the folder: XDG Base Directory Specification 0.8, which has relative paths ignored.
"""

import json
import platform
from pathlib import Path

from saccade.core.errors import SaccadeError
from saccade.core.records.cache_folder import cache_folder
from saccade.core.records.files import write_whole
from saccade.specs.planner.device import Device, from_json, to_json

SCHEMA = "saccade.calibration/1"


def place() -> Path:
    """Where the calibration stands."""
    return cache_folder() / "calibration.json"


def store(device: Device) -> Path:
    """Write ``device`` for later, whole or not at all, over an earlier one. Returns the file."""
    path = place()
    record = {"schema": SCHEMA, "processor": processor(), "device": to_json(device)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(record, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise SaccadeError(
            f"cannot write {path} ({error.strerror}); set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return path


def stored() -> Device | None:
    """What ``store`` wrote on this machine; None where it wrote nothing. Raises where the file is damaged."""
    path = place()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise _damaged(path, f"it is no {SCHEMA}")
    try:
        device = from_json(record.get("device"))
    except SaccadeError as error:
        raise _damaged(path, str(error)) from error
    return device if record.get("processor") == processor() else None


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name as the system tells it."""
    facts = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.is_file() else ""
    names = [line.partition(":")[2].strip() for line in facts.splitlines() if line.startswith("model name")]
    return (names[0] if names else "") or platform.processor() or platform.machine() or "unknown CPU"


def _damaged(path: Path, why: str) -> SaccadeError:
    return SaccadeError(f"{path} cannot be used: {why}; make it again with saccade plan --calibrate, or delete it")
