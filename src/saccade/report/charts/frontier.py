"""The frontier as inline SVG: accuracy against visual tokens, one panel per scale of questions."""

from itertools import pairwise

from saccade.evaluation.results import BASELINES, Results, Row
from saccade.report import formatting as words
from saccade.report.charts.panel import (
    FRAME,
    HEIGHT,
    RADIUS,
    WIDTH,
    ChartMark,
    ScalePanel,
    name,
    numbered,
    panel,
    series,
    y_of,
)
from saccade.report.markup import leaf, number, plain, tag

TITLES = {"detail": "Detail: read one small place", "gist": "Gist: the whole picture", "own": "Your questions"}
PERCENTS = (0, 25, 50, 75, 100)
NUMBERED = 7.0
"""Radius of a mark that holds its number."""
ARM = 2.5
"""Half the width of a whisker's end."""


def frontier(results: Results) -> str:
    """HTML of all panels and their shared legend; colours come from the page's custom properties."""
    panels = [panel(results, scale) for scale in results.scales]
    unnamed = _numbered(panels)
    panels = [numbered(item, unnamed) for item in panels]
    styles = _styles(results)
    drawn = [tag("figure", _svg(results, item, unnamed, styles), class_="panel") for item in panels]
    return tag("div", tag("div", *drawn, class_="panels"), _legend(results, styles, unnamed), class_="frontier")


def _numbered(panels: list[ScalePanel]) -> dict[str, int]:
    """Names that found no room in some panel, with the number that stands in for them."""
    missing = [
        name(mark.row)
        for item in panels
        for mark, label in zip(item.marks, item.names, strict=True)
        if label is None and not mark.row.baseline
    ]
    return {text: place for place, text in enumerate(dict.fromkeys(missing), start=1)}


def _styles(results: Results) -> dict[str, int]:
    """The readers that baselines prune, each with the number of its line style."""
    readers = dict.fromkeys(row.reader for row in results.ranked if row.baseline)
    ordered = sorted(readers, key=lambda reader: reader != results.reference)
    return {reader: place % 3 for place, reader in enumerate(ordered)}


def _svg(results: Results, item: ScalePanel, unnamed: dict[str, int], styles: dict[str, int]) -> str:
    title = TITLES[item.scale]
    told = "; ".join(_told(mark) for mark in item.marks)
    return tag(
        "svg",
        tag("title", plain(f"{title}. Accuracy in % against visual tokens")),
        tag("desc", plain(told)),
        tag("text", plain(title), x=0, y=-10, class_="heading"),
        *_axes(item),
        *_lines(item, styles),
        *(_whisker(mark) for mark in item.marks),
        *(_symbol(mark, label is None, results, styles) for mark, label in zip(item.marks, item.names, strict=True)),
        *_names(item, unnamed),
        viewBox=f"0 -26 {number(WIDTH)} {number(HEIGHT + 26)}",
        role="img",
        aria_label=f"{title}: accuracy in % against visual tokens. {told}",
    )


def _told(mark: ChartMark) -> str:
    told = f"{name(mark.row)}: {words.percent(mark.score.accuracy)} % at {words.tokens(mark.row.visual_tokens)} tokens"
    return told if mark.score.ci95 is None else f"{told} (95 % interval {words.ends(mark.score)})"


def _axes(item: ScalePanel) -> list[str]:
    parts = []
    for percent in PERCENTS:
        y = y_of(percent / 100)
        parts.append(leaf("line", x1=FRAME.left, x2=FRAME.right, y1=y, y2=y, class_="base" if percent == 0 else "rule"))
        parts.append(tag("text", f"{percent}", x=FRAME.left - 7, y=y + 4, class_="tick end"))
    for tokens in item.axis.ticks:
        x = item.axis.x(tokens)
        parts.append(leaf("line", x1=x, x2=x, y1=FRAME.bottom, y2=FRAME.bottom + 4, class_="base"))
        parts.append(tag("text", f"{tokens}", x=x, y=FRAME.bottom + 18, class_="tick middle"))
    middle = FRAME.center[0]
    parts.append(tag("text", "visual tokens a picture", x=middle, y=HEIGHT - 8, class_="tick middle"))
    parts.append(tag("text", "% right", x=0, y=FRAME.top - 16, class_="tick"))
    return parts


def _lines(item: ScalePanel, styles: dict[str, int]) -> list[str]:
    parts = []
    for (reader, policy), run in series(item.marks).items():
        for a, b in pairwise(run):
            looks = f"trail {policy} s{styles[reader]}"
            parts.append(leaf("line", x1=a.x, y1=a.y, x2=b.x, y2=b.y, class_=looks))
    return parts


def _whisker(mark: ChartMark) -> str:
    if mark.whisker is None:
        return ""
    low, high = mark.whisker
    x = number(mark.x)
    ends = "".join(f"M{number(mark.x - ARM)} {number(y)}h{number(2 * ARM)}" for y in (low, high))
    kind = mark.row.policy if mark.row.baseline else "reader"
    return leaf("path", d=f"M{x} {number(low)}V{number(high)}{ends}", class_=f"whisker {kind}")


def _symbol(mark: ChartMark, holds_number: bool, results: Results, styles: dict[str, int]) -> str:
    told = tag("title", plain(_told(mark)))
    if mark.row.baseline:
        looks = f"mark {mark.row.policy} s{styles[mark.row.reader]}"
        return tag("path", told, d=_outline(mark.row.policy, mark.x, mark.y), class_=looks)
    looks = "mark reader leads" if results.leads(mark.row) else "mark reader"
    return tag("circle", told, cx=mark.x, cy=mark.y, r=NUMBERED if holds_number else RADIUS, class_=looks)


def _outline(policy: str, x: float, y: float) -> str:
    """A square, a diamond or a triangle around a point."""
    if policy == "resize":
        return f"M{number(x - 3.2)} {number(y - 3.2)}h6.4v6.4h-6.4z"
    if policy == "random":
        return f"M{number(x)} {number(y - 4.4)}l4.4 4.4l-4.4 4.4l-4.4 -4.4z"
    return f"M{number(x)} {number(y - 4.2)}l4.2 7.2h-8.4z"


def _names(item: ScalePanel, unnamed: dict[str, int]) -> list[str]:
    parts = []
    for mark, label in zip(item.marks, item.names, strict=True):
        if label is not None:
            if label.leader is not None:
                x, y = label.leader
                parts.append(leaf("line", x1=mark.x, y1=mark.y, x2=x, y2=y, class_="leader"))
            # The letters' foot stands a fifth above the foot of their line.
            foot = label.box.bottom - 0.2 * label.box.height
            parts.append(tag("text", plain(label.text), x=label.box.left, y=foot, class_="name"))
        elif not mark.row.baseline:
            parts.append(tag("text", f"{unnamed[name(mark.row)]}", x=mark.x, y=mark.y + 3, class_="inside middle"))
    return parts


def _legend(results: Results, styles: dict[str, int], unnamed: dict[str, int]) -> str:
    rows: dict[tuple[str, str], Row] = {}
    for row in sorted(results.ranked, key=lambda row: BASELINES.index(row.policy) if row.baseline else -1):
        if row.baseline:
            rows.setdefault((row.reader, row.policy), row)
    entries = [tag("li", _key("circle", "reader"), "a reader")]
    if any(results.leads(row) for row in results.rows):
        entries.append(tag("li", _key("circle", "reader leads"), "the full-token reader"))
    for reader, policy in sorted(rows, key=lambda pair: (styles[pair[0]], BASELINES.index(pair[1]))):
        told = plain(f"{reader}, {policy}")
        entries.append(tag("li", _key(policy, f"{policy} s{styles[reader]}"), told))
    entries.extend(tag("li", tag("b", str(place)), f" {plain(text)}") for text, place in unnamed.items())
    return tag("ul", *entries, class_="legend")


def _key(shape: str, looks: str) -> str:
    if shape == "circle":
        inside = leaf("circle", cx=14, cy=7, r=RADIUS, class_=f"mark {looks}")
    else:
        line = leaf("line", x1=0, x2=28, y1=7, y2=7, class_=f"trail {looks}")
        inside = line + leaf("path", d=_outline(shape, 14, 7), class_=f"mark {looks}")
    return tag("svg", inside, viewBox="0 0 28 14", width=28, height=14, aria_hidden="true")
