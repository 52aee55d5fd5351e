"""Where the names of marks stand, so that none covers another.

Each label tries places around its mark and takes the cheapest: covering a mark or a label is out,
covering a whisker or a line is dear, and so is standing nearer to another mark or behind one;
distance is cheap. The most crowded go first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, inf

from saccade.core.box import Box

SIZE = 11.5
"""Height of the letters' line in plot units."""
WIDTH = 0.62
"""Mean width of a letter over its height; wide faces come near it, so that narrow ones fit as well."""
DIRECTIONS = ((1, 0), (-1, 0), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7), (0, -1), (0, 1))
REACHES = (8.0, 14.0, 22.0, 32.0, 44.0)
FAR = (*REACHES, 60.0, 80.0, 104.0, 132.0)
"""Reaches of labels that have to stand somewhere."""
LONG = 15.0
"""From this reach on a thin leader ties the label to its mark."""
STOPS = tuple(step / 8 for step in range(1, 8))
CROWDED = 60.0
LINE, DOUBT, BEHIND = 12.0, 15.0, 40.0
"""Prices, in units of distance: for a line covered, a mark nearer than the own one, a thing that the leader crosses."""


@dataclass(frozen=True, slots=True)
class PlacedLabel:
    """``text`` in ``box``; ``leader`` is the end of the line from the mark, None where the label is close."""

    text: str
    box: Box
    leader: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class LabelObstacles:
    """What stands already: ``marks`` and ``labels`` must stay clear, ``lines`` should; all of it inside ``room``."""

    marks: list[Box]
    labels: list[Box]
    lines: list[Box]
    room: Box


def place(
    wanted: Sequence[tuple[float, float, str]],
    marks: Sequence[Box],
    lines: Sequence[Box],
    room: Box,
    reaches: Sequence[float] = REACHES,
) -> list[PlacedLabel | None]:
    """A place in ``room`` for each ``(x, y, text)``, or None where every place covers a mark or a label.

    ``reaches`` are how far from its mark a label may stand.
    """
    scenery = LabelObstacles(list(marks), [], list(lines), room)
    crowd = [sum(hypot(x - other.center[0], y - other.center[1]) < CROWDED for other in marks) for x, y, _ in wanted]
    found: dict[int, PlacedLabel] = {}
    for index in sorted(range(len(wanted)), key=lambda place: -crowd[place]):
        x, y, text = wanted[index]
        options = [(_cost(box, reach, x, y, scenery), reach, box) for box, reach in _tries(x, y, text, reaches)]
        cost, reach, box = min(options, key=lambda option: option[0])
        if cost < inf:
            found[index] = PlacedLabel(text, box, _nearest(box, x, y) if reach >= LONG else None)
            scenery.labels.append(box)
            scenery.lines.extend(_leader(box, reach, x, y))
    return [found.get(index) for index in range(len(wanted))]


def _tries(x: float, y: float, text: str, reaches: Sequence[float]) -> list[tuple[Box, float]]:
    """Boxes that touch a ring around the mark with their nearest side or corner, near rings first."""
    wide, tall = len(text) * SIZE * WIDTH, SIZE
    tries = []
    for reach in reaches:
        for across, down in DIRECTIONS:
            left = x + across * reach - (wide if across < 0 else wide / 2 if across == 0 else 0)
            top = y + down * reach - tall / 2 + down * tall / 2
            tries.append((Box(left, top, left + wide, top + tall), reach))
    return tries


def _cost(box: Box, reach: float, x: float, y: float, scenery: LabelObstacles) -> float:
    inside = box.intersect(scenery.room)
    taken = [*scenery.marks, *scenery.labels]
    if inside is None or inside.area < box.area - 1e-6 or any(box.intersect(other) for other in taken):
        return inf
    covered = sum(box.intersect(line) is not None for line in scenery.lines)
    others = [mark for mark in scenery.marks if mark.center != (x, y)]
    own = _gap(box, x, y)
    nearer = sum(_gap(box, *mark.center) < own + 4 for mark in others)
    stops = _leader(box, reach, x, y)
    crossed = sum(any(thing.intersect(stop) for stop in stops) for thing in (*others, *scenery.labels))
    return reach + LINE * covered + DOUBT * nearer + BEHIND * crossed


def _leader(box: Box, reach: float, x: float, y: float) -> list[Box]:
    """Small boxes along the leader, none where there is no leader."""
    across, down = _nearest(box, x, y)
    points = [(x + (across - x) * t, y + (down - y) * t) for t in STOPS] if reach >= LONG else []
    return [Box(px, py, px, py).grow(1) for px, py in points]


def _gap(box: Box, x: float, y: float) -> float:
    across, down = _nearest(box, x, y)
    return hypot(x - across, y - down)


def _nearest(box: Box, x: float, y: float) -> tuple[float, float]:
    return (min(max(x, box.left), box.right), min(max(y, box.top), box.bottom))
