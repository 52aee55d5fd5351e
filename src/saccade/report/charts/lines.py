"""Panels of lines with whiskers as one SVG: accuracies against something that grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saccade.evaluation.results import Score
from saccade.report.markup import leaf, number, plain, tag

COLOURS = ("#1f6fb2", "#b8500c", "#0f7b6c", "#7a3fa0", "#8a6d00", "#5b646e")
WIDTH, HEIGHT, LEFT, TOP, GAP = 230.0, 190.0, 34.0, 30.0, 26.0
TICK, NAME = 48.0, 170.0
"""Room that a tick needs below the panel, and a name in the legend."""
QUIET = "#5b646e"
LETTERS = "font-family: system-ui, sans-serif; font-size: 11px"


@dataclass(frozen=True, slots=True)
class LinePanel:
    """A ``title``; what stands ``below`` the ``ticks``, which are evenly spaced; and scores at some of them by line."""

    title: str
    below: str
    ticks: tuple[str, ...]
    lines: Mapping[str, Mapping[str, Score]]


def drawing(panels: Sequence[LinePanel]) -> str:
    """The panels side by side: per cent right, whiskers the 95 % intervals. Lines of one name have one colour."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    across = max(WIDTH, 60 + TICK * max(len(panel.ticks) - 1 for panel in panels))
    drawn = [
        tag("g", *_panel(panel, names, across), transform=f"translate({number(place * (across + GAP))} 0)")
        for place, panel in enumerate(panels)
    ]
    wide = len(panels) * (across + GAP)
    beside = max(1, int((wide - LEFT) // NAME))
    legend = [
        tag("text", plain(name), x=LEFT + NAME * (place % beside), y=TOP + HEIGHT + 46 + 15 * (place // beside),
            fill=COLOURS[place % len(COLOURS)])
        for place, name in enumerate(names)
    ]  # fmt: skip
    ground = leaf("rect", width="100%", height="100%", fill="#fcfcfb")
    size = f"0 0 {number(wide)} {number(TOP + HEIGHT + 58 + 15 * ((len(names) - 1) // beside))}"
    return tag(
        "svg", ground, *drawn, *legend, xmlns="http://www.w3.org/2000/svg", viewBox=size, width=wide, style=LETTERS
    )


def _panel(panel: LinePanel, names: list[str], across: float) -> list[str]:
    parts = [tag("text", plain(panel.title), x=LEFT, y=16, font_weight="600")]
    for percent in (0, 50, 100):
        y = _y(percent / 100)
        parts.append(leaf("line", x1=LEFT, x2=LEFT + across - 40, y1=y, y2=y, stroke="#e4e6e8"))
        parts.append(tag("text", str(percent), x=LEFT - 6, y=y + 4, text_anchor="end", fill=QUIET))
    places = [(tick, _x(tick, panel.ticks, across), TOP + HEIGHT + 16) for tick in panel.ticks]
    for text, x, y in (*places, (panel.below, LEFT + (across - 40) / 2, TOP + HEIGHT + 30)):
        parts.append(tag("text", plain(text), x=x, y=y, text_anchor="middle", fill=QUIET))
    for place, name in enumerate(names):
        if name in panel.lines:
            shift = 3.0 * (place - (len(names) - 1) / 2)  # whiskers stand beside each other
            parts += _line(panel.lines[name], panel.ticks, across, COLOURS[place % len(COLOURS)], shift)
    return parts


def _line(scores: Mapping[str, Score], ticks: tuple[str, ...], across: float, colour: str, shift: float) -> list[str]:
    places: list[tuple[float, float]] = []
    parts: list[str] = []
    for tick in ticks:
        score = scores.get(tick)
        if score is None:
            continue
        x, y = _x(tick, ticks, across) + shift, _y(score.accuracy)
        places.append((x, y))
        parts.append(leaf("circle", cx=x, cy=y, r=3.2, fill=colour))
        if score.ci95 is not None:
            low, high = map(_y, score.ci95)
            parts.append(leaf("line", x1=x, x2=x, y1=low, y2=high, stroke=colour, stroke_opacity=0.6))
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
    return [leaf("path", d=path, fill="none", stroke=colour, stroke_width=1.4), *parts]


def _x(tick: str, ticks: tuple[str, ...], across: float) -> float:
    """Evenly spaced: what is counted doubles."""
    return LEFT + 10 + ticks.index(tick) * (across - 60) / max(1, len(ticks) - 1)


def _y(share: float) -> float:
    return TOP + HEIGHT * (1 - share)
