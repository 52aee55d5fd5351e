"""Quantities as people write them, read and told: ``24GB``, ``300ms``, ``32k``, ``1024x768``.

GB is 1e9 bytes and GiB is 2^30; as a count, 32k is 32,768.
"""

import re
from math import floor, isfinite, log10

from saccade.core.errors import SaccadeError
from saccade.core.size import Size

DPI = 144
"""Pixels an inch at which PDF pages are drawn: twice PDF's own unit."""

_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_COUNTS = {"": 1, "k": 1024, "m": 1024**2}


def _split(text: str) -> tuple[float, str] | None:
    """A number and what follows it."""
    found = re.fullmatch(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?|\.[0-9]+)\s*([a-zA-Zµ]*)\s*", text)
    if found is None:
        return None
    value = float(found[1].replace(",", "").replace("_", ""))
    return (value, found[2].lower()) if isfinite(value) else None


def read_bytes(text: str, what: str) -> int:
    """``24GB`` → 24,000,000,000; ``24GiB`` → 25,769,803,776. Raises SaccadeError naming ``what``."""
    found = _split(text)
    if found is None or found[1] not in _BYTES or found[0] <= 0:
        raise SaccadeError(f"{what} takes an amount of memory above 0 such as 24GB or 24GiB, got {text!r}")
    return int(found[0] * _BYTES[found[1]])


def read_seconds(text: str, what: str) -> float:
    """``300ms`` → 0.3. Raises SaccadeError naming ``what``."""
    found = _split(text)
    if found is None or found[1] not in _SECONDS or found[0] <= 0:
        raise SaccadeError(f"{what} takes a time above 0 such as 300ms or 2s, got {text!r}")
    return found[0] * _SECONDS[found[1]]


def read_count(text: str, what: str) -> int:
    """``512`` → 512; ``32k`` → 32,768. Raises SaccadeError naming ``what``."""
    found = _split(text)
    if (
        found is None
        or found[1] not in _COUNTS
        or found[0] * _COUNTS.get(found[1], 1) < 1
        or (found[0] % 1 and not found[1])
    ):
        raise SaccadeError(f"{what} takes a whole number of at least 1 such as 512 or 32k, got {text!r}")
    return int(found[0] * _COUNTS[found[1]])


def read_size(text: str, what: str) -> Size:
    """``1024x768`` → width 1024, height 768. Raises SaccadeError naming ``what``."""
    found = re.fullmatch(r"\s*(-?[0-9]+)\s*[x×X*]\s*(-?[0-9]+)\s*", text)
    if found is None:
        raise SaccadeError(f"{what} takes width x height in pixels such as 1024x768, got {text!r}")
    width, height = int(found[1]), int(found[2])
    if min(width, height) < 1:
        raise SaccadeError(f"{what} needs at least 1x1 pixels, got {width}x{height}")
    return Size(width, height)


def significant(value: float, digits: int = 3) -> str:
    """Three digits that count, never an exponent: ``0.0412``, ``8.73``, ``1,230``."""
    if value == 0:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    return f"{round(value, places):,.{max(0, places)}f}"


def scaled(value: float) -> str:
    """A count with its letter: ``999``, ``1.24 T``, ``530 G``."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{significant(value / size)} {letter}"
    return significant(value)


def bytes_told(size: float) -> str:
    """Bytes for people, 1e9 a GB: ``21.3 GB``, ``840 MB``."""
    return f"{significant(size / 1e9)} GB" if size >= 1e9 else f"{significant(size / 1e6)} MB"


def seconds_told(low: float, high: float) -> str:
    """A band of seconds for people: ``34 to 71 ms``, ``1.2 to 3.4 s``."""
    size, unit = (1, "s") if low >= 1 else (1e-3, "ms")
    return f"{significant(low / size, 2)} to {significant(high / size, 2)} {unit}"
