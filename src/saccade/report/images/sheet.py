"""Pictures and paragraphs laid out on one page, with Pillow's own font."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from math import ceil

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

PAGE: Colour = (252, 252, 251)
INK: Colour = (28, 33, 39)
QUIET: Colour = (91, 100, 110)
GAP = 24
"""Pixels between blocks."""

_SPELT = {"×": "x", "–": "-", "—": "-", "−": "-", "→": "->", "≤": "<=", "≥": ">=", "≈": "about ", "²": "^2", "µ": "u"}


def join(blocks: Sequence[Image.Image], gap: int = GAP, *, down: bool = True) -> Image.Image:
    """One under the other, or side by side."""
    sides = [(one.height if down else one.width) + gap for one in blocks]
    long, wide = sum(sides) - gap, max(one.width if down else one.height for one in blocks)
    made, at = Image.new("RGB", (wide, long) if down else (long, wide), PAGE), 0
    for one, side in zip(blocks, sides, strict=True):
        made.paste(one, (0, at) if down else (at, 0))
        at += side
    return made


def flow(blocks: Sequence[Image.Image], width: int) -> list[Image.Image]:
    """Side by side, a new row where ``width`` is used up; nothing where there are no blocks."""
    rows: list[list[Image.Image]] = []
    for one in blocks:
        if not rows or sum(other.width + GAP for other in rows[-1]) + one.width > width:
            rows.append([])
        rows[-1].append(one)
    return [join([join(row, down=False) for row in rows], 16)] if rows else []


def text(words: str, size: int, ink: Colour, width: int) -> Image.Image:
    """A paragraph, broken between words, and within those that are longer than a line."""
    font, rows = ImageFont.load_default(size), [""]
    for word in _plain(words).split():
        longer = f"{rows[-1]} {word}".lstrip()
        if font.getlength(longer) <= width:
            rows[-1] = longer
            continue
        rows += [""] * bool(rows[-1])
        for sign in word:
            if rows[-1] and font.getlength(rows[-1] + sign) > width:
                rows.append("")
            rows[-1] += sign
    pitch = round(1.35 * size)
    made = Image.new("RGB", (ceil(max(map(font.getlength, rows))) or 1, pitch * len(rows)), PAGE)
    for place, row in enumerate(rows):
        ImageDraw.Draw(made).text((0, pitch * place), row, ink, font)
    return made


def _plain(text: str) -> str:
    """Spelt with the signs that Pillow's own font has."""
    return "".join(sign if _drawable(sign) else _spelt(sign) for sign in text)


def _spelt(sign: str) -> str:
    bare = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    spelt = _SPELT.get(sign, bare)
    return spelt if all(map(_drawable, spelt)) else "?"


@cache
def _drawable(sign: str) -> bool:
    """Whether the font has the sign: what it lacks, it draws as it draws a sign that no font has."""
    return sign.isspace() or _drawn(sign) != _drawn("\uffff")


def _drawn(sign: str) -> bytes:
    made = Image.new("L", (48, 48))
    ImageDraw.Draw(made).text((8, 8), sign, 255, ImageFont.load_default(24))
    return made.tobytes()
