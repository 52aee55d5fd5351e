"""Print: characters of several faces as masks of a wanted height.

The faces are the DejaVu family that matplotlib carries; nothing of matplotlib is imported for it.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from saccade.core.errors import SaccadeError

FACES = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
)
CAP_HEIGHT = 0.729
"""Height of a capital or a digit over the face's size: one figure for the whole family."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character: its grey ``mask``, where the mask sits under the pen, and the pen's advance."""

    mask: Image.Image
    left: int
    top: int
    advance: float


@cache
def _folder() -> Path:
    spec = find_spec("matplotlib")
    if spec is None or not spec.submodule_search_locations:
        raise SaccadeError(
            "the generated exam draws with the fonts of matplotlib, which is not installed; pip install 'saccade[run]'"
        )
    return Path(spec.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"


@cache
def _font(face: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_folder() / face), pixels)


@cache
def glyph(face: str, height: int, character: str) -> Glyph:
    """``character`` with capitals ``height`` pixels high; ``top`` is measured from the cap line."""
    font = _font(face, round(height / CAP_HEIGHT))
    left, top, right, bottom = (int(side) for side in font.getbbox(character, anchor="ls"))
    mask = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), character, fill=255, font=font, anchor="ls")
    return Glyph(mask, left, top + height, font.getlength(character))
