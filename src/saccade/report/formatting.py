"""How numbers are written in tables and pages. A dash stands for what was not measured."""

from math import floor, log10

from saccade.evaluation.results import Change, Score

NONE = "–"


def percent(fraction: float) -> str:
    """``96.4``; no sign for per cent."""
    return f"{100 * fraction:.1f}"


def signed(fraction: float) -> str:
    """Percentage points with their sign, ``−3.2``; zero has none."""
    points = round(100 * fraction, 1)
    return "0.0" if points == 0 else f"{points:+.1f}".replace("-", "−")


def spread(found: Score | Change | None) -> str:
    """Half of the interval in percentage points, ``±1.2``; empty without an interval. Never ``±0.0``."""
    if found is None or found.ci95 is None or not (half := _half(found.ci95)):
        return ""
    return f"±{half:.{decimals(found)}f}"


def ends(found: Score | Change | None) -> str:
    """The interval in words, ``95.1 to 97.6``; a dash without one. The two ends never read alike."""
    if found is None or found.ci95 is None or not _half(found.ci95):
        return NONE
    low, high = (f"{100 * end:.{decimals(found)}f}".replace("-", "−") for end in found.ci95)
    return f"{low} to {high}"


def decimals(found: Score | Change) -> int:
    """Decimals of percentage points that show the interval's width: 1, more where it is narrower than ±0.1."""
    half = 0.0 if found.ci95 is None else _half(found.ci95)
    return 1 if half >= 0.1 or not half else -floor(log10(half))


def _half(interval: tuple[float, float]) -> float:
    """Half of the width [percentage points]; 0 only in records that were stored before intervals always had a width."""
    return 50 * (interval[1] - interval[0])


def score(found: Score | None) -> str:
    """``96.4 ±1.2``; a dash for what was not asked."""
    return NONE if found is None else f"{percent(found.accuracy)} {spread(found)}".strip()


def tokens(mean: float | None) -> str:
    """``256``, or ``113.4`` where pictures differ."""
    if mean is None:
        return NONE
    return f"{mean:.0f}" if abs(mean - round(mean)) < 0.05 else f"{mean:.1f}"


def significant(value: float, digits: int = 3) -> str:
    """Three digits that count, never an exponent: ``0.0412``, ``8.73``, ``1,230``."""
    if value == 0:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    return f"{round(value, places):,.{max(0, places)}f}"


def giga(value: float | None) -> str:
    """Units of 10⁹."""
    return NONE if value is None else significant(value / 1e9)


def weights(count: int | None) -> str:
    """A number of weights: ``6.74 B``, ``303 M``, or ``12,512`` where there are few."""
    if count is None:
        return NONE
    if count < 1e6:
        return f"{count:,}"
    return f"{giga(count)} B" if count >= 1e9 else f"{mega(count)} M"


def mega(value: float | None) -> str:
    """Units of 10⁶."""
    return NONE if value is None else significant(value / 1e6)
