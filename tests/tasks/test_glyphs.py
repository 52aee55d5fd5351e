"""Characters: as high as asked for, in every face."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from saccade.core.errors import SaccadeError
from saccade.tasks import glyphs
from saccade.tasks.glyphs import FACES, Glyph, glyph
from saccade.tasks.scenes import DIGITS, LETTERS

HEIGHTS = (5, 6, 8, 11, 16, 23, 38, 60, 88)
CHARACTERS = sorted({*DIGITS, *LETTERS} - {"J"})
"""Without the J, which hangs below the line in one face."""


def ink(drawn: Glyph) -> np.ndarray:
    return np.asarray(drawn.mask) > 0


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("face", FACES)
def test_capitals_and_digits_have_the_wanted_height(face, height):
    round_ones = height / 25  # what round letters stand out, above and below together
    for character in CHARACTERS:
        drawn = glyph(face, height, character)
        assert drawn.mask.mode == "L"
        assert drawn.mask.height == pytest.approx(height, abs=1 + round_ones), character
        rows = np.flatnonzero(ink(drawn).any(axis=1))
        assert rows[-1] + 1 - rows[0] == pytest.approx(height, abs=1 + round_ones), character
    assert glyph(face, height, "H").mask.height == pytest.approx(height, abs=1)
    assert abs(glyph(face, height, "H").top) <= 1  # a flat letter hangs from the cap line


@pytest.mark.parametrize("face", FACES)
def test_the_mask_holds_the_whole_character(face):
    for character in (*CHARACTERS, "J"):
        drawn = glyph(face, 40, character)
        sheet, pen = Image.new("L", (200, 200)), 80
        ImageDraw.Draw(sheet).text((pen, pen + 40), character, fill=255, font=glyphs._font(face, 55), anchor="ls")
        box = (pen + drawn.left, pen + drawn.top)
        assert sheet.crop((*box, box[0] + drawn.mask.width, box[1] + drawn.mask.height)) == drawn.mask
        sheet.paste(0, (*box, box[0] + drawn.mask.width, box[1] + drawn.mask.height))
        assert sheet.getbbox() is None, character


@pytest.mark.parametrize("face", FACES)
def test_advances_are_positive_and_grow_with_the_height(face):
    for character in (*CHARACTERS, "J"):
        small, large = glyph(face, 10, character).advance, glyph(face, 40, character).advance
        assert 0 < small < large
        assert large == pytest.approx(4 * small, rel=0.15)


def test_faces_differ_and_glyphs_are_kept():
    assert len({glyph(face, 30, "R").mask.tobytes() for face in FACES}) == len(FACES)
    assert glyph(FACES[0], 30, "R") is glyph(FACES[0], 30, "R")


def test_without_matplotlib_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(glyphs, "find_spec", lambda name: None)
    for kept in (glyphs._folder, glyphs._font, glyph):
        kept.cache_clear()
    try:
        with pytest.raises(SaccadeError, match=r"fonts of matplotlib, which is not installed; pip install 'saccade\["):
            glyph(FACES[0], 77, "R")
    finally:
        glyphs._folder.cache_clear()
