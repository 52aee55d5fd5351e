"""Sights: which pixels are shown, where the frame lies, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.request import WHOLE, Ask, ImageRegion
from saccade.core.size import Size
from saccade.core.view import View
from saccade.views.image_region import extent, placed, plain, shown, shown_size, source
from tests.parts import picture

IMAGE = picture(90, 60)
PIXELS = np.asarray(IMAGE)


def red(image: Image.Image) -> np.ndarray:
    return (np.asarray(image) == (255, 0, 0)).all(axis=-1)


def grey(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), (100, 100, 100))


def test_all_of_it_is_the_picture_itself():
    assert shown(IMAGE, WHOLE) is IMAGE
    assert shown(IMAGE, ImageRegion(box=Box(-5, -5, 200, 200), side=90)) is IMAGE


def test_a_box_is_its_whole_pixels_and_ends_at_the_picture():
    found = shown(IMAGE, ImageRegion(box=Box(10.6, 5.2, 20.1, 9)))
    assert np.array_equal(np.asarray(found), PIXELS[5:9, 10:21])
    found = shown(IMAGE, ImageRegion(box=Box(80, 50, 300, 300)))
    assert np.array_equal(np.asarray(found), PIXELS[50:, 80:])
    found = shown(IMAGE, ImageRegion(box=Box(10.2, 5.2, 10.4, 5.3)))
    assert np.array_equal(np.asarray(found), PIXELS[5:6, 10:11])


def test_shrinks_and_never_enlarges():
    assert shown(IMAGE, ImageRegion(side=30)).size == (30, 20)
    assert shown(IMAGE, ImageRegion(side=91)).size == (90, 60)
    assert shown(IMAGE, ImageRegion(box=Box(0, 0, 20, 40), side=10)).size == (5, 10)
    assert shown(grey(300, 2), ImageRegion(side=3)).size == (3, 1)
    whole = np.asarray(shown(IMAGE, ImageRegion(side=30)), dtype=float)
    blocks = PIXELS.reshape(20, 3, 30, 3, 3).mean(axis=(1, 3))
    assert abs(whole - blocks).mean() < 8  # shrunk by averages, not by skipping


def test_what_shows_the_same_is_equal_when_plain():
    size = Size(90, 60)

    def ask(*sights: ImageRegion, question: str = "?", reason: str = "") -> Ask:
        return Ask(sights=sights, question=question, reason=reason)

    assert plain(ask(ImageRegion(side=90), reason="because"), size) == plain(ask(WHOLE), size)
    assert plain(ask(ImageRegion(side=89)), size) != plain(ask(WHOLE), size)
    corner = Box(0, 0, 20, 40)
    assert plain(ask(ImageRegion(box=corner, side=40)), size) == plain(ask(ImageRegion(box=corner)), size)
    assert plain(ask(ImageRegion(box=corner, side=39)), size) != plain(ask(ImageRegion(box=corner)), size)
    assert plain(ask(WHOLE), size) != plain(ask(WHOLE, question="!"), size)
    assert plain(ask(WHOLE), size) != plain(ask(WHOLE, WHOLE), size)


def test_the_frame_lies_around_the_mark():
    found = red(shown(grey(400, 300), ImageRegion(mark=Box(100, 50, 200, 120))))
    inside = np.zeros((300, 400), dtype=bool)
    inside[48:122, 98:202] = True
    inside[50:120, 100:200] = False
    assert np.array_equal(found, inside)


def test_the_frame_at_the_edges_is_seen_and_beyond_them_it_is_not():
    found = red(shown(grey(400, 300), ImageRegion(mark=Box(0, 0, 400, 300))))
    frame = np.ones((300, 400), dtype=bool)
    frame[2:-2, 2:-2] = False
    assert np.array_equal(found, frame)
    # Two sides of the mark lie beyond the part.
    found = red(shown(grey(400, 300), ImageRegion(box=Box(50, 50, 350, 250), mark=Box(10, 20, 150, 100))))
    frame = np.zeros((200, 300), dtype=bool)
    frame[:52, 100:102] = True
    frame[50:52, :102] = True
    assert np.array_equal(found, frame)
    beyond = ImageRegion(box=Box(50, 50, 350, 250), mark=Box(0, 0, 50, 50))
    assert not red(shown(grey(400, 300), beyond)).any()


def test_the_frame_is_drawn_after_shrinking():
    found = red(shown(grey(2000, 1000), ImageRegion(side=400, mark=Box(500, 250, 1000, 500))))
    rows, cols = np.nonzero(found)
    assert (rows.min(), rows.max() + 1, cols.min(), cols.max() + 1) == (48, 102, 98, 202)
    assert not found[50:100, 100:200].any()


def test_shows_nothing_of_what_is_given_away():
    image = grey(50, 40)
    shown(image, ImageRegion(mark=Box(0, 0, 10, 10)))
    assert not red(image).any()


def test_back_to_source_pixels():
    size, sight = Size(900, 600), ImageRegion(box=Box(100, 200, 500, 400), side=100)
    assert source(sight, Box(10, 5, 20, 25), size) == Box(140, 220, 180, 300)
    assert source(sight, Box(-10, -10, 300, 300), size) == Box(100, 200, 500, 400)
    assert source(sight, Box(200, 0, 300, 50), size).area == 0
    assert source(WHOLE, Box(1, 2, 3, 4), size) == Box(1, 2, 3, 4)
    view = View(Box(50, 0, 100, 50), Size(28, 28), "slice", 0, 1)
    moved = placed(sight, view, size)
    assert moved == View(Box(300, 200, 500, 400), Size(28, 28), "slice", 0, 1)


SIDES = st.integers(1, 400)


@given(SIDES, SIDES, st.integers(1, 500), st.tuples(*[st.floats(-1, 2)] * 4))
def test_shown_lies_in_the_picture(width, height, side, ends):
    size = Size(width, height)
    left, right = sorted(ends[:2])
    top, bottom = sorted(ends[2:])
    box = Box(left * width, top * height, right * width, bottom * height)
    if box.intersect(Box.of(size)) is None:
        return
    sight = ImageRegion(box=box, side=side, mark=box)
    part, out = extent(sight, size), shown_size(sight, size)
    assert part.intersect(Box.of(size)) == part
    assert part.area >= 1
    assert shown(Image.new("RGB", (width, height)), sight).size == (out.width, out.height)
    assert out.long <= side
    assert out.width <= part.width
    assert out.height <= part.height
    assert source(sight, Box.of(out), size).sides == pytest.approx(part.sides)


def test_refuses():
    with pytest.raises(SaccadeError, match=r"\(90, 0, 95, 10\) shows nothing of a picture of 90×60"):
        shown(IMAGE, ImageRegion(box=Box(90, 0, 95, 10)))
    with pytest.raises(SaccadeError, match=r"this one is L; open it with open_picture"):
        shown(IMAGE.convert("L"), WHOLE)
