"""The few-shot study as a table for the terminal and as a drawing."""

from rich import box
from rich.table import Table

from saccade.study import words
from saccade.study.markdown import pipes
from saccade.study.markup import leaf, number, plain, tag
from saccade.study.results import Score
from saccade.study.shots import ShotRow, Shots

SCALES = {
    "unspelt": "Gist, question left out",
    "gist": "Gist, question spelt out",
    "detail": "Detail, question spelt out",
}
"""What is drawn, one panel each: a field of a row and the panel's title."""
COLOURS = ("#1f6fb2", "#b8500c", "#0f7b6c", "#7a3fa0")
WIDTH, HEIGHT, LEFT, TOP, GAP = 230.0, 190.0, 34.0, 30.0, 26.0
QUIET = "#5b646e"
LETTERS = "font-family: system-ui, sans-serif; font-size: 11px"


def shots_table(found: Shots) -> Table:
    """One row for each reader and number of examples; per cent right with half of the 95 % interval."""
    made = Table(
        title=f"{found.exam}: examples in the prompt",
        caption="unspelt: the question is left out, only the examples tell what is asked; ±: half of the 95 % interval",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
    )
    made.add_column("reader", overflow="fold")
    for name in ("shots", "detail", "gist", "unspelt gist"):
        made.add_column(name, justify="right", no_wrap=True)
    for row, below in zip(found.rows, (*found.rows[1:], None), strict=True):
        cells = (str(row.shots), *(words.score(one) for one in (row.detail, row.gist, row.unspelt)))
        made.add_row(row.reader, *cells, end_section=below is not None and below.reader != row.reader)
    return made


def shots_markdown(found: Shots) -> str:
    """The same as a Markdown table."""
    heads = ("reader", "shots", "detail", "gist", "unspelt gist")
    cells = ((row.reader, str(row.shots), *map(words.score, (row.detail, row.gist, row.unspelt))) for row in found.rows)
    return pipes(heads, cells, right=range(1, 5)) + "\n"


def drawing(found: Shots) -> str:
    """An SVG of one panel a scale: per cent right against examples, whiskers the 95 % intervals."""
    readers = list(dict.fromkeys(row.reader for row in found.rows))
    counts = sorted({row.shots for row in found.rows})
    panels = [
        tag("g", *_panel(found, scale, readers, counts), transform=f"translate({number(place * (WIDTH + GAP))} 0)")
        for place, scale in enumerate(SCALES)
    ]
    legend = [
        tag("text", plain(reader), x=LEFT + 130 * place, y=TOP + HEIGHT + 46, fill=COLOURS[place % len(COLOURS)])
        for place, reader in enumerate(readers)
    ]
    wide = len(SCALES) * (WIDTH + GAP)
    ground = leaf("rect", width="100%", height="100%", fill="#fcfcfb")
    size = f"0 0 {number(wide)} {number(TOP + HEIGHT + 58)}"
    return tag(
        "svg", ground, *panels, *legend, xmlns="http://www.w3.org/2000/svg", viewBox=size, width=wide, style=LETTERS
    )


def _panel(found: Shots, scale: str, readers: list[str], counts: list[int]) -> list[str]:
    parts = [tag("text", plain(SCALES[scale]), x=LEFT, y=16, font_weight="600")]
    for percent in (0, 50, 100):
        y = _y(percent / 100)
        parts.append(leaf("line", x1=LEFT, x2=LEFT + WIDTH - 40, y1=y, y2=y, stroke="#e4e6e8"))
        parts.append(tag("text", str(percent), x=LEFT - 6, y=y + 4, text_anchor="end", fill=QUIET))
    below = {str(count): (_x(count, counts), TOP + HEIGHT + 16) for count in counts}
    below["examples"] = (LEFT + (WIDTH - 40) / 2, TOP + HEIGHT + 30)
    parts += [tag("text", text, x=x, y=y, text_anchor="middle", fill=QUIET) for text, (x, y) in below.items()]
    for place, reader in enumerate(readers):
        rows = [row for row in found.rows if row.reader == reader]
        parts += _line(rows, scale, counts, COLOURS[place % len(COLOURS)], shift=3.0 * (place - (len(readers) - 1) / 2))
    return parts


def _line(rows: list[ShotRow], scale: str, counts: list[int], colour: str, shift: float) -> list[str]:
    places: list[tuple[float, float]] = []
    parts: list[str] = []
    for row in rows:
        score: Score = getattr(row, scale)
        x, y = _x(row.shots, counts) + shift, _y(score.accuracy)
        places.append((x, y))
        parts.append(leaf("circle", cx=x, cy=y, r=3.2, fill=colour))
        if score.ci95 is not None:
            low, high = map(_y, score.ci95)
            parts.append(leaf("line", x1=x, x2=x, y1=low, y2=high, stroke=colour, stroke_opacity=0.6))
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
    return [leaf("path", d=path, fill="none", stroke=colour, stroke_width=1.4), *parts]


def _x(count: int, counts: list[int]) -> float:
    """Evenly spaced: numbers of examples double."""
    step = (WIDTH - 60) / max(1, len(counts) - 1)
    return LEFT + 10 + counts.index(count) * step


def _y(share: float) -> float:
    return TOP + HEIGHT * (1 - share)
