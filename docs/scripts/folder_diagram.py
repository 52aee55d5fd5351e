"""Draw ``docs/architecture.svg`` from the table of folders in ``docs/architecture.md``. ``make docs`` runs it.

A band a row of the table, the top row first. A folder imports from rows below its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parents[1]
PAGE, DRAWING = DOCS / "architecture.md", DOCS / "architecture.svg"
_LINE = re.compile(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", re.MULTILINE)

WIDTH, LEFT, GAP, BAND = 720, 34, 6, 40
"""Pixels: the drawing, the margin of the arrow, between boxes, and of one band."""
INK, QUIET, FILL, EDGE = "#1b1b1f", "#5c5c66", "#e6f2f0", "#5a9e94"
FONT = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Folder:
    """A line of the table: the ``row`` that it stands on, from 1 at the top, its name, and what it holds."""

    row: int
    name: str
    holds: str


def folders(text: str) -> list[Folder]:
    """The lines of the page's table, in order."""
    return [Folder(int(row), name, holds) for row, name, holds in _LINE.findall(text)]


def drawing(found: Sequence[Folder]) -> str:
    """The diagram as SVG."""
    rows = [list(row) for _, row in groupby(found, key=lambda folder: folder.row)]
    height = len(rows) * (BAND + GAP) + GAP
    parts = [_arrow(height)]
    for number, row in enumerate(rows):
        top = GAP + number * (BAND + GAP)
        wide = (WIDTH - LEFT - GAP * len(row)) / len(row)
        for place, folder in enumerate(row):
            parts.append(_box(folder, LEFT + place * (wide + GAP), top, wide, alone=len(row) == 1))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="{FONT}">'
        "<title>Folders of saccade: each imports from the rows below its own</title>"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _arrow(height: int) -> str:
    middle = height / 2
    return (
        f'<path d="M24 {GAP + 4}V{height - GAP - 6}m-4 -7l4 7l4 -7" fill="none" stroke="{QUIET}" stroke-width="1.5"/>'
        f'<text x="14" y="{middle:g}" transform="rotate(-90 14 {middle:g})" text-anchor="middle" font-size="12" '
        f'fill="{QUIET}">imports run down</text>'
    )


def _box(folder: Folder, left: float, top: float, wide: float, *, alone: bool) -> str:
    """A folder's box; one that has its row to itself has room for what it holds."""
    line = top + BAND / 2 + 5
    box = f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{BAND}" rx="4" fill="{FILL}" stroke="{EDGE}"/>'
    if not alone:
        return box + _text(folder.name, left + wide / 2, line, 'text-anchor="middle" font-weight="600"', INK)
    name = _text(folder.name, left + 12, line, 'font-weight="600"', INK)
    return box + name + _text(folder.holds, left + 130, line, "", QUIET)


def _text(text: str, left: float, line: float, style: str, colour: str) -> str:
    return f'<text x="{left:.1f}" y="{line:g}" font-size="14" fill="{colour}" {style}>{escape(text)}</text>'


if __name__ == "__main__":
    DRAWING.write_text(drawing(folders(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
