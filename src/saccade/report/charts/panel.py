"""One panel of the frontier: where its marks, whiskers and names stand, in plot units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor, log2

from saccade.core.box import Box
from saccade.evaluation.results import Results, Row, Score
from saccade.report.charts.labels import FAR, PlacedLabel, place
from saccade.tasks.exam import Scale

WIDTH, HEIGHT = 420.0, 320.0
FRAME = Box(34, 26, WIDTH - 10, HEIGHT - 46)
"""Where marks may stand, from 0 to 100 %."""
ROOM = Box(FRAME.left, 6, FRAME.right, FRAME.bottom)
"""Where names may stand: also a little above 100 %, where good readers crowd."""
RADIUS = 4.5
STEP = 2 * RADIUS + 1
"""How far marks that would cover each other are moved apart."""
SHIFTS = tuple(sign * turn * STEP / 2 for turn in range(9) for sign in ((1, -1) if turn else (1,)))
"""How far a mark may stand from its number of tokens, the least first."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Visual tokens on a scale of powers of two, from ``low`` to ``high`` (exponents)."""

    low: float
    high: float

    def x(self, tokens: float) -> float:
        """Plot units. Fewer than one token stand where one would."""
        return FRAME.left + (log2(max(tokens, 1.0)) - self.low) / (self.high - self.low) * FRAME.width

    @property
    def ticks(self) -> list[int]:
        """Powers of two inside, every second one where there are many."""
        powers = range(ceil(self.low), floor(self.high) + 1)
        return [2**power for power in powers if len(powers) <= 6 or power % 2 == 0]


@dataclass(frozen=True, slots=True)
class ChartMark:
    """A row at ``(x, y)`` with its score; ``whisker`` holds the plot units of its interval's ends, or None."""

    row: Row
    score: Score
    x: float
    y: float
    whisker: tuple[float, float] | None

    @property
    def box(self) -> Box:
        """What no name may cover."""
        return Box(self.x, self.y, self.x, self.y).grow(RADIUS + 1)


@dataclass(frozen=True, slots=True)
class ScalePanel:
    """Marks of one scale with their placed ``names``: None for baselines, and for readers where no room was.

    ``lines`` are what names should not cover.
    """

    scale: Scale
    axis: Axis
    marks: tuple[ChartMark, ...]
    names: tuple[PlacedLabel | None, ...]
    lines: tuple[Box, ...] = ()


def y_of(fraction: float) -> float:
    """Plot units of an accuracy."""
    return FRAME.bottom - fraction * FRAME.height


def name(row: Row) -> str:
    """The reader, and its policy where that is not the plain one."""
    return row.reader if row.policy == "once" else f"{row.reader} {row.policy}"


def axis(results: Results) -> Axis:
    """One axis for all panels, wider than the rows on both sides to leave room for names."""
    exponents = [log2(max(row.visual_tokens, 1.0)) for row in results.rows]
    return Axis(min(exponents) - 1.15, max(exponents) + 0.6)


def panel(results: Results, scale: Scale) -> ScalePanel:
    """Lay out one scale."""
    across = axis(results)
    scored = [(row, score) for row in results.ranked if (score := row.score(scale)) is not None]
    marks: list[ChartMark] = []
    for row, score in scored:
        marks.append(_apart(_mark(row, score, across.x(row.visual_tokens)), marks))
    readers = [mark for mark in marks if not mark.row.baseline]
    lines = [Box(mark.x - 1, mark.whisker[1], mark.x + 1, mark.whisker[0]) for mark in marks if mark.whisker]
    wanted = [(mark.x, mark.y, name(mark.row)) for mark in readers]
    lines += _trails(marks)
    placed = place(wanted, [mark.box for mark in marks], lines, ROOM)
    names = dict(zip(map(id, readers), placed, strict=True))
    return ScalePanel(scale, across, tuple(marks), tuple(names.get(id(mark)) for mark in marks), tuple(lines))


def numbered(item: ScalePanel, numbers: Mapping[str, int]) -> ScalePanel:
    """The panel with the number of each name that found no room, where the number finds some."""
    missing = [place for place, one in enumerate(item.names) if one is None and not item.marks[place].row.baseline]
    wanted = [(one.x, one.y, str(numbers[name(one.row)])) for one in (item.marks[place] for place in missing)]
    taken = [mark.box for mark in item.marks] + [one.box for one in item.names if one is not None]
    found = dict(zip(missing, place(wanted, taken, item.lines, ROOM, FAR), strict=True))
    return replace(item, names=tuple(found.get(place, one) for place, one in enumerate(item.names)))


def series(marks: Sequence[ChartMark]) -> dict[tuple[str, str], list[ChartMark]]:
    """Baseline marks by reader and policy, from few tokens to many."""
    found: dict[tuple[str, str], list[ChartMark]] = {}
    for mark in sorted(marks, key=lambda mark: mark.row.visual_tokens):
        if mark.row.baseline:
            found.setdefault((mark.row.reader, mark.row.policy), []).append(mark)
    return found


def _mark(row: Row, score: Score, x: float) -> ChartMark:
    whisker = None if score.ci95 is None else (y_of(score.ci95[0]), y_of(score.ci95[1]))
    return ChartMark(row, score, x, y_of(score.accuracy), whisker)


def _apart(mark: ChartMark, others: Sequence[ChartMark]) -> ChartMark:
    """The mark where it belongs, or a little beside it, inside the frame, where it covers no other.

    Where all of that is taken it stands as far from others as it can.
    """
    places = [mark.x + shift for shift in SHIFTS if FRAME.left + RADIUS <= mark.x + shift <= FRAME.right - RADIUS]
    gaps = {x: min((_gap(x, mark.y, other) for other in others), default=STEP) for x in places or [mark.x]}
    free = next((x for x, gap in gaps.items() if gap >= STEP - 0.01), None)
    return replace(mark, x=max(gaps, key=gaps.__getitem__) if free is None else free)


def _gap(x: float, y: float, other: ChartMark) -> float:
    """How far a mark at ``(x, y)`` is from another one, along the axis on which it is farther."""
    return max(abs(x - other.x), abs(y - other.y))


def _trails(marks: Sequence[ChartMark]) -> list[Box]:
    """Small boxes along the lines between a baseline's marks, for names to keep off."""
    boxes = []
    for run in series(marks).values():
        for a, b in pairwise(run):
            steps = [step / 12 for step in range(1, 12)]
            points = [(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t) for t in steps]
            boxes.extend(Box(x, y, x, y).grow(1) for x, y in points)
    return boxes
