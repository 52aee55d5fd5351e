"""One panel of the frontier: where its marks, whiskers and names stand, in plot units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor, log2

from saccade.core.box import Box
from saccade.evaluation.results import Results, Row, Score
from saccade.study.labels import Placed, place
from saccade.tasks.exam import Scale

WIDTH, HEIGHT = 420.0, 320.0
FRAME = Box(34, 26, WIDTH - 10, HEIGHT - 46)
"""Where marks may stand, from 0 to 100 %."""
ROOM = Box(FRAME.left, 6, FRAME.right, FRAME.bottom)
"""Where names may stand: also a little above 100 %, where good readers crowd."""
RADIUS = 4.5
STEP = 2 * RADIUS + 1
"""How far marks that would cover each other are moved apart."""


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
class Mark:
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
class Panel:
    """Marks of one scale with their placed ``names``: None for baselines, and for readers where no room was."""

    scale: Scale
    axis: Axis
    marks: tuple[Mark, ...]
    names: tuple[Placed | None, ...]


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


def panel(results: Results, scale: Scale) -> Panel:
    """Lay out one scale."""
    across = axis(results)
    scored = [(row, score) for row in results.ranked if (score := row.score(scale)) is not None]
    marks: list[Mark] = []
    for row, score in scored:
        marks.append(_apart(_mark(row, score, across.x(row.visual_tokens)), marks))
    readers = [mark for mark in marks if not mark.row.baseline]
    lines = [Box(mark.x - 1, mark.whisker[1], mark.x + 1, mark.whisker[0]) for mark in marks if mark.whisker]
    wanted = [(mark.x, mark.y, name(mark.row)) for mark in readers]
    placed = place(wanted, [mark.box for mark in marks], [*lines, *_trails(marks)], ROOM)
    names = dict(zip(map(id, readers), placed, strict=True))
    return Panel(scale, across, tuple(marks), tuple(names.get(id(mark)) for mark in marks))


def series(marks: Sequence[Mark]) -> dict[tuple[str, str], list[Mark]]:
    """Baseline marks by reader and policy, from few tokens to many."""
    found: dict[tuple[str, str], list[Mark]] = {}
    for mark in sorted(marks, key=lambda mark: mark.row.visual_tokens):
        if mark.row.baseline:
            found.setdefault((mark.row.reader, mark.row.policy), []).append(mark)
    return found


def _mark(row: Row, score: Score, x: float) -> Mark:
    whisker = None if score.ci95 is None else (y_of(score.ci95[0]), y_of(score.ci95[1]))
    return Mark(row, score, x, y_of(score.accuracy), whisker)


def _apart(mark: Mark, others: Sequence[Mark]) -> Mark:
    """The mark where it belongs, or as little beside it as keeps it off the others."""
    for turn in range(4 * len(others) + 1):
        shift = STEP / 2 * ((turn + 1) // 2) * (1 if turn % 2 else -1)
        moved = replace(mark, x=mark.x + shift)
        if all(abs(moved.x - other.x) >= STEP - 0.01 or abs(moved.y - other.y) >= STEP for other in others):
            return moved
    return mark


def _trails(marks: Sequence[Mark]) -> list[Box]:
    """Small boxes along the lines between a baseline's marks, for names to keep off."""
    boxes = []
    for run in series(marks).values():
        for a, b in pairwise(run):
            steps = [step / 12 for step in range(1, 12)]
            points = [(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t) for t in steps]
            boxes.extend(Box(x, y, x, y).grow(1) for x, y in points)
    return boxes
