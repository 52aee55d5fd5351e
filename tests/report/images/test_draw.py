"""The drawing: cells lie where tokens lie, slices can be told apart, and any picture can be drawn."""

import subprocess
import sys
from itertools import pairwise

import pytest
from PIL import Image, ImageChops

from saccade.architectures.catalogue import system
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import View
from saccade.report.images.draw import EDGE, MAIN, WHOLE, WIDE, DrawnView, colour, draw
from saccade.report.images.sheet import GAP

GREY = (128, 128, 128)
TOP = EDGE + 35 + GAP  # under a title of one line


def grey(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def one(view: View, tokens: Grid | None, width: int = MAIN, height: int = 600) -> Image.Image:
    """A grey picture under one view, drawn pixel for pixel."""
    return draw(grey(width, height), [DrawnView(view=view, tokens=tokens)], title="t")


def at(made: Image.Image, x: float, y: float) -> tuple[int, ...]:
    """The pixel drawn over pixel ``x``, ``y`` of the picture."""
    found = made.getpixel((EDGE + round(x), TOP + round(y)))
    assert isinstance(found, tuple)
    return found


def drawn(name: str, width: int, height: int, **options: object) -> Image.Image:
    path = system(name).path(options)
    views = [DrawnView(view=view, tokens=path.token_grid(view)) for view in path.layout(Size(width, height)).views]
    return draw(grey(width, height), views, title=f"{name} {width}×{height}", lines=("why " * 90, "a note"))


@pytest.mark.parametrize("size", [(640, 480), (8000, 40), (40, 8000), (20, 20), (1, 1), (1190, 1684)], ids=str)
@pytest.mark.parametrize(
    "name", ["llava-1.5-7b", "llava-uhd-144", "idefics3-8b", "deepseek-ocr", "paligemma-3b-448", "ovis2-8b"]
)
def test_any_picture_can_be_drawn(name: str, size: tuple[int, int]):
    made = drawn(name, *size)
    assert made.mode == "RGB"
    assert made.width == WIDE + 2 * EDGE
    assert 300 < made.height < 2500


@pytest.mark.parametrize(
    "view",
    [
        View(Box(0, 0, 1000, 600), Size(336, 336)),
        View(Box(200, 0, 800, 600), Size(336, 336)),
        View(Box(0, 0, 1000, 600), Size(100, 100), content=Box(0, 20, 100, 80)),
        View(Box(0, 0, 1000, 600), Size(90, 120), content=Box(10, 30, 85, 75)),
    ],
    ids=["stretched", "cropped", "padded", "askew"],
)
def test_cells_lie_where_the_view_puts_them(view: View):
    grid, made = Grid(6, 8), one(view, Grid(6, 8))
    across, down = view.size.width / grid.cols, view.size.height / grid.rows
    for row in range(grid.rows):
        for col in range(grid.cols):
            cell = view.to_source(Box(col * across, row * down, (col + 1) * across, (row + 1) * down))
            if cell is None:
                continue
            (x, y), (left, top) = cell.center, (cell.left, cell.top)
            assert at(made, x, y) == GREY
            if left > view.source.left + 1:
                assert at(made, left, y) != GREY
            if top > view.source.top + 1:
                assert at(made, x, top) != GREY


def test_cells_of_a_thin_picture_are_stretched_with_it():
    # 4000×40 px are drawn on 1400×96: a token is 140 px wide and 48 px tall.
    made = one(View(Box(0, 0, 4000, 40), Size(280, 28)), Grid(2, 10), 4000, 40)
    marked = [x for x in range(8, 1392) if at(made, x, 24) != GREY]
    assert marked == [140 * col + side for col in range(1, 10) for side in (-1, 0, 1)]
    assert [y for y in range(8, 88) if at(made, 70, y) != GREY] == [47, 48, 49]


def test_padding_has_no_cells_on_the_picture():
    # The picture fills the lower half of the canvas: of four rows of tokens two lie on it, one line between them.
    made = one(View(Box(0, 0, 1000, 600), Size(100, 100), content=Box(0, 50, 100, 100)), Grid(4, 1))
    marked = [y for y in range(8, 592) if at(made, 300, y) != GREY]
    assert marked == [299, 300, 301]


def test_padding_is_hatched_where_the_model_receives_it():
    made = one(View(Box(0, 0, 1000, 600), Size(100, 100), content=Box(0, 50, 100, 100)), None)
    left = MAIN + GAP
    padding = {at(made, left + WHOLE // 2, y) for y in range(8, WHOLE // 2 - 8)}
    assert len(padding) > 1
    assert GREY not in padding
    assert {at(made, left + WHOLE // 2, y) for y in range(WHOLE // 2 + 8, WHOLE - 8)} == {GREY}


def test_lines_too_near_to_tell_apart_are_thinned_out():
    view = View(Box(0, 0, 1000, 600), Size(400, 400))
    for cols, drawn_cols in [(200, 200), (400, 200), (1000, 250)]:
        made = one(view, Grid(1, cols))
        marked = [x for x in range(8, 992) if at(made, x, 300) != GREY]
        assert len(marked) == pytest.approx(drawn_cols, abs=5)
        assert min(b - a for a, b in pairwise(marked)) >= 4


def test_learned_queries_have_no_cells():
    made = one(View(Box(0, 0, 1000, 600), Size(336, 336)), None)
    inside = made.crop((EDGE + 8, TOP + 8, EDGE + MAIN - 8, TOP + 592))
    assert inside.getcolors() == [(984 * 584, GREY)]


def test_what_no_view_shows_is_darkened():
    made = one(View(Box(200, 0, 800, 600), Size(336, 336)), None)
    assert at(made, 500, 300) == at(made, 210, 300) == at(made, 790, 300) == GREY
    for x in (2, 100, 195, 805, 997):
        assert sum(at(made, x, 300)) < sum(GREY) / 1.5


def test_slices_have_their_own_colours():
    assert len({colour(number) for number in range(1, 65)}) == 64
    views = [View(Box(500 * col, 0, 500 * col + 500, 600), Size(28, 28), "slice", 0, col) for col in range(2)]
    whole = View(Box(0, 0, 1000, 600), Size(28, 28))
    made = draw(grey(1000, 600), [DrawnView(view=view, tokens=None) for view in (*views, whole)], title="t")
    assert at(made, 2, 300) == at(made, 497, 300) == colour(1)
    assert at(made, 502, 300) == at(made, 997, 300) == colour(2)
    assert at(made, 3, 3) == colour(1)  # the number's ground
    assert at(made, MAIN + GAP + 1, 100) == colour(3)


def test_each_view_shows_its_own_pixels():
    picture = grey(1000, 600)
    picture.paste((250, 0, 0), (500, 0, 1000, 600))
    views = [View(Box(500 * col, 0, 500 * col + 500, 600), Size(28, 28), "slice", 0, col) for col in range(2)]
    whole = View(Box(0, 0, 1000, 600), Size(56, 28))
    made = draw(picture, [DrawnView(view=view, tokens=None) for view in (whole, *views)], title="t")
    assert at(made, MAIN + GAP + 40, 90) == GREY
    assert at(made, MAIN + GAP + WHOLE - 40, 90) == (250, 0, 0)
    below = made.crop((EDGE, TOP + 600, EDGE + WIDE, made.height)).getcolors(1 << 20)
    assert below is not None
    counts = {shade: count for count, shade in below}
    assert counts[GREY] == pytest.approx(172**2, rel=0.1)  # a filter blends the edge of its box
    assert counts[250, 0, 0] == pytest.approx(172**2, rel=0.1)  # a filter blends the edge of its box


def test_signs_that_the_font_lacks_are_spelt():
    view = DrawnView(view=View(Box(0, 0, 9, 9), Size(28, 28)), tokens=None)
    made = draw(grey(9, 9), [view], title="café 2×3 – 日", lines=("a → b",))
    spelt = draw(grey(9, 9), [view], title="cafe 2x3 - ?", lines=("a -> b",))
    assert ImageChops.difference(made, spelt).getbbox() is None


def test_long_words_are_broken():
    view = DrawnView(view=View(Box(0, 0, 9, 9), Size(28, 28)), tokens=None)
    made = draw(grey(9, 9), [view], title="m" * 300)
    assert made.width == WIDE + 2 * EDGE
    assert made.height > draw(grey(9, 9), [view], title="m").height + 60


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK"])
def test_pictures_of_other_modes_are_drawn(mode: str):
    red = Image.new("RGB", (1000, 600), (255, 0, 0)).convert(mode)
    made = draw(red, [DrawnView(view=View(Box(0, 0, 1000, 600), Size(28, 28)), tokens=None)], title="t")
    assert made.mode == "RGB"
    assert at(made, 500, 300) == at(made, MAIN + GAP + 90, 90) == (255, 0, 0)


def test_nothing_to_draw_is_refused():
    with pytest.raises(SaccadeError, match="0 views"):
        draw(grey(9, 9), [], title="t")


@pytest.mark.parametrize("box", [Box(0, 0, 10, 9), Box(-1, 0, 9, 9), Box(0, 0, 9, 9.5), Box(0, -0.1, 9, 9)], ids=str)
def test_views_of_another_picture_are_refused(box: Box):
    with pytest.raises(SaccadeError, match=r"a picture of 9×9 px; plan for this picture's size"):
        draw(grey(9, 9), [DrawnView(view=View(box, Size(28, 28)), tokens=None)], title="t")


def test_drawing_needs_no_torch():
    code = "import sys, saccade.report.images.draw; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
