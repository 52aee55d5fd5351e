"""Laying out."""

import pytest
from PIL import Image

from saccade.report.images.sheet import GAP, INK, PAGE, flow, join, text


def block(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), INK)


def test_blocks_stand_under_each_other_or_beside():
    blocks = [block(10, 20), block(30, 5)]
    assert join(blocks).size == (30, 25 + GAP)
    assert join(blocks, down=False).size == (40 + GAP, 20)
    assert join(blocks).getpixel((20, 5)) == PAGE


@pytest.mark.parametrize(("width", "rows"), [(3 * 40 + 2 * GAP, 1), (3 * 40 + 2 * GAP - 1, 2), (40, 3)])
def test_a_row_ends_where_the_width_is_used_up(width: int, rows: int):
    (made,) = flow([block(40, 10)] * 3, width)
    assert made.height == rows * 10 + (rows - 1) * 16
    assert made.width <= width
    assert flow([], width) == []


@pytest.mark.parametrize("words", ["one two three four five six", "a-single-word-that-is-longer-than-a-line"])
def test_paragraphs_keep_to_their_width(words: str):
    made = text(words, 15, INK, 90)
    assert made.width <= 90
    assert made.height > text("one", 15, INK, 90).height


@pytest.mark.parametrize(("sign", "spelt"), [("×", "x"), ("é", "e"), ("\u2192", "->"), ("\u6f22", "?")])
def test_signs_that_the_font_lacks_are_spelt_out(sign: str, spelt: str):
    assert text(sign, 15, INK, 90).tobytes() == text(spelt, 15, INK, 90).tobytes()
