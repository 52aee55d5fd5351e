"""The drawing: lines lie where tokens lie, and any picture can be drawn."""

import pytest
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import View
from saccade.specs.catalogue import system
from saccade.views.draw import COLOURS, EDGE, Drawn, draw

GREY = (128, 128, 128)
TOP = EDGE + 40


def grey(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def drawn(name: str, width: int, height: int, **options: object) -> Image.Image:
    path = system(name).path(options)
    views = [Drawn(view=view, tokens=path.token_grid(view)) for view in path.layout(Size(width, height)).views]
    return draw(grey(width, height), views, title=f"{name} {width}×{height}", lines=("why " * 60,))


@pytest.mark.parametrize("size", [(640, 480), (8000, 40), (40, 8000), (20, 20), (1, 1), (1190, 1684)], ids=str)
@pytest.mark.parametrize(
    "name", ["llava-1.5-7b", "llava-uhd-144", "idefics3-8b", "deepseek-ocr", "paligemma-3b-448", "ovis2-8b"]
)
def test_any_picture_can_be_drawn(name: str, size: tuple[int, int]):
    made = drawn(name, *size)
    assert made.mode == "RGB"
    assert 900 <= made.width <= 1300
    assert made.height < 6000


def test_a_line_lies_between_two_tokens():
    view = View(Box(0, 0, 1200, 600), Size(100, 50))
    made = draw(grey(1200, 600), [Drawn(view=view, tokens=Grid(1, 2))], title="t")
    halfway = made.getpixel((EDGE + 600, TOP + 300))
    assert halfway != GREY
    assert made.getpixel((EDGE + 590, TOP + 300)) == made.getpixel((EDGE + 610, TOP + 300)) == GREY


def test_padding_moves_the_lines_off_the_middle():
    # The picture fills the lower half of the canvas: of four rows of tokens two lie on it, one line between them.
    view = View(Box(0, 0, 1200, 600), Size(100, 100), content=Box(0, 50, 100, 100))
    made = draw(grey(1200, 600), [Drawn(view=view, tokens=Grid(4, 1))], title="t")
    column = [made.getpixel((EDGE + 300, TOP + y)) != GREY for y in range(5, 595)]
    assert [y for y, marked in enumerate(column, 5) if marked] == [300]


def test_what_no_view_shows_is_darkened():
    view = View(Box(300, 0, 900, 600), Size(336, 336))
    made = draw(grey(1200, 600), [Drawn(view=view, tokens=None)], title="t")
    inside, outside = made.getpixel((EDGE + 600, TOP + 300)), made.getpixel((EDGE + 100, TOP + 300))
    assert inside == GREY
    assert isinstance(outside, tuple)
    assert sum(outside) < sum(GREY) / 1.5


def test_slices_have_their_own_colours():
    assert len(set(COLOURS)) == len(COLOURS)
    views = [View(Box(600 * col, 0, 600 * col + 600, 600), Size(28, 28), "slice", 0, col) for col in range(2)]
    made = draw(grey(1200, 600), [Drawn(view=view, tokens=None) for view in views], title="t")
    assert made.getpixel((EDGE + 1, TOP + 300)) == COLOURS[0]
    assert made.getpixel((EDGE + 1198, TOP + 300)) == COLOURS[1]


def test_nothing_to_draw_is_refused():
    with pytest.raises(SaccadeError, match="0 views"):
        draw(grey(9, 9), [], title="t")
