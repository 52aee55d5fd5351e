"""Scan paths: what is drawn where."""

import numpy as np
import pytest
from PIL import Image

from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.report.images.draw import EDGE, colour
from saccade.report.images.scan_path import APART, MAIN, ScanStep, draw_path
from saccade.report.images.sheet import GAP

RED, BLUE = (200, 0, 0), (0, 0, 200)


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    made = Image.new("RGB", (width, height), RED)
    made.paste(BLUE, (width // 2, 0, width, height))
    return made


def drawn(picture: Image.Image, *glances: ScanStep, heat: AttentionMap | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its looks, and what stands beside it."""
    page = np.asarray(draw_path(picture, glances, heat, title="What?"))
    width, height = (round(side * MAIN / max(picture.size)) for side in picture.size)
    # No text on the left is of the picture's left half's colour.
    top = int(np.flatnonzero((page[:, EDGE : EDGE + width] == RED).all(axis=2).any(axis=1))[0])
    return page[top : top + height, EDGE : EDGE + width], page[top:, EDGE + width + GAP :]


def where(page: np.ndarray, ink: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The extent of a colour: left, top, right, bottom."""
    down, across = np.nonzero((page == ink).all(axis=2))
    return int(across.min()), int(down.min()), int(across.max()), int(down.max())


def has(page: np.ndarray, ink: tuple[int, int, int]) -> bool:
    return bool((page == ink).all(axis=2).any())


def test_a_box_is_drawn_where_the_look_was_in_tall_pictures_too() -> None:
    main, _ = drawn(halves(200, 400), ScanStep(Box(50, 100, 150, 300), "closer"))
    assert where(main, colour(1)) == pytest.approx((95, 190, 285, 570), abs=1)


def test_a_look_at_all_of_it_is_a_frame_inside_the_picture() -> None:
    main, _ = drawn(halves(400, 400), ScanStep(None, "all"), ScanStep(None, "again"))
    assert where(main, colour(2)) == pytest.approx((4, 4, MAIN - 4, MAIN - 4), abs=4)
    assert (main[MAIN // 2, 2] == colour(1)).all()


def test_a_line_leads_from_each_part_to_the_next() -> None:
    corners = [Box(0, 0, 40, 40), Box(360, 0, 400, 40), Box(360, 360, 400, 400)]
    glances = [ScanStep(box, "part") for box in corners]
    main, _ = drawn(halves(400, 400), ScanStep(None, "all"), *glances)
    assert has(main[20:60, 300:400], colour(3))
    assert has(main[340:420, 700:740], colour(4))
    assert not has(main[340:420, 340:420], colour(4))


def test_each_look_stands_apart_as_large_as_the_others_in_its_own_colour() -> None:
    right = ScanStep(Box(200, 100, 300, 200), "the right half")
    _, apart = drawn(halves(400, 400), right, ScanStep(None, "all"))
    left, top, end, bottom = where(apart, colour(1))
    assert (end - left + 1, bottom - top + 1) == (APART, APART)
    card = apart[top + 3 : bottom - 2, left + 3 : end - 2]
    assert (card == BLUE).all()
    assert has(apart, colour(2))


def test_heat_glows_where_it_is_and_a_map_of_nothing_changes_nothing() -> None:
    picture, glance = halves(400, 400), ScanStep(None, "all")
    boxes = np.asarray([[0.0, 0, 200, 400], [200, 0, 400, 400]])
    plain, _ = drawn(picture, glance)
    hot, _ = drawn(picture, glance, heat=AttentionMap(Size(400, 400), boxes, np.asarray([0.0, 2.0])))
    assert (hot[100, 100], hot[100, 600]) == (pytest.approx(RED), pytest.approx((150, 71, 82), abs=3))
    with np.errstate(all="raise"):
        none, _ = drawn(picture, glance, heat=AttentionMap(Size(400, 400), boxes, np.zeros(2)))
    assert (none == plain).all()


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(SaccadeError, match="0 looks to draw"):
        draw_path(halves(40, 40), [], None, title="What?")


@pytest.mark.parametrize(("size", "before"), [((400, 100), 60), ((4000, 2), 0)])
def test_a_look_at_all_of_it_is_drawn_however_late_and_however_flat(size: tuple[int, int], before: int) -> None:
    glances = [ScanStep(Box(0, 0, size[0] / 8, size[1] / 2), "part")] * before + [ScanStep(None, "all of it")]
    page = np.asarray(draw_path(Image.new("RGB", size), glances, None, title="What?"))
    assert (page == colour(before + 1)).all(axis=2).any()
