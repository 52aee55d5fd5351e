import itertools
import re
from xml.etree import ElementTree

import pytest

from saccade.core.box import Box
from saccade.evaluation.results import Results
from saccade.report.charts.frontier import frontier
from saccade.report.charts.labels import place
from saccade.report.charts.panel import FRAME, RADIUS, ROOM, SHIFTS, axis, name, numbered, panel, y_of
from saccade.tasks.exam import Scale
from tests.report.fakes import results, row


def drawn(found: Results) -> ElementTree.Element:
    return ElementTree.fromstring(frontier(found))


def marks(figure: ElementTree.Element) -> list[ElementTree.Element]:
    return [shape for shape in figure.iter() if "mark" in shape.get("class", "").split()]


def test_one_panel_per_scale_and_one_mark_per_row():
    figures = drawn(results()).findall(".//figure")
    assert len(figures) == 2
    for figure in figures:
        assert len(marks(figure)) == len(results().rows)
        assert len([shape for shape in figure.iter("path") if shape.get("class", "").startswith("whisker")]) == 26


def test_own_questions_have_one_panel():
    own = results(row(detail=None, gist=None, own=0.8, half=None))
    figures = drawn(own).findall(".//figure")
    assert len(figures) == 1
    assert len(marks(figures[0])) == 1
    assert "whisker" not in frontier(own)


def test_positions_say_tokens_and_accuracy():
    found = results(row("llava", 256, 1.0, 0.0), row("a", 64, 0.5, 0.5), row("b", 16, 0.25, 0.5))
    detail, across = panel(found, "detail"), axis(found)
    xs = {mark.row.reader: mark.x for mark in detail.marks}
    assert xs["llava"] - xs["a"] == pytest.approx(xs["a"] - xs["b"])
    assert xs["a"] == pytest.approx(across.x(64))
    assert [mark.y for mark in detail.marks] == [FRAME.top, y_of(0.5), y_of(0.25)]
    whisker = detail.marks[1].whisker
    assert whisker == pytest.approx((y_of(0.48), y_of(0.52)))
    assert 16 in across.ticks
    assert 256 in across.ticks


@pytest.mark.parametrize("scale", ["detail", "gist"])
def test_nothing_covers_a_name_or_a_mark(scale: Scale):
    laid = panel(results(), scale)
    labels = [label.box for label in laid.names if label is not None]
    assert len(labels) == 8
    boxes = [mark.box for mark in laid.marks]
    for a, b in itertools.combinations(labels, 2):
        assert a.intersect(b) is None
    for label, mark in itertools.product(labels, boxes):
        assert label.intersect(mark) is None
    for label in labels:
        assert label.left >= ROOM.left
        assert label.right <= ROOM.right
    for a, b in itertools.combinations(laid.marks, 2):
        assert max(abs(a.x - b.x), abs(a.y - b.y)) > 8


def test_a_mark_moves_only_where_it_must():
    found = results(row("llava", 64, 0.9, 0.9), row("a", 64, 0.5, 0.9), row("b", 64, 0.5, 0.9))
    detail, gist = panel(found, "detail"), panel(found, "gist")
    exact = axis(found).x(64)
    assert [mark.x for mark in detail.marks[:2]] == [exact, exact]
    assert detail.marks[2].x != exact
    assert len({mark.x for mark in gist.marks}) == 3


def test_names_without_room_get_a_number_in_the_legend():
    crowd = results(row(), *(row(f"a-very-long-reader-name-{place:02}", 256.0, 0.9, 0.9) for place in range(25)))
    root, laid = drawn(crowd), panel(crowd, "detail")
    missing = [mark.row.reader for mark, label in zip(laid.marks, laid.names, strict=True) if label is None]
    assert missing
    legend = " ".join("".join(item.itertext()) for item in root.iter("li"))
    shown = [text.text for text in root.findall(".//figure[1]//text") if re.fullmatch("[0-9]+", text.text or "")]
    for number, reader in enumerate(missing, start=1):
        assert str(number) in shown
        assert f"{number} {reader}" in legend


def test_marks_of_many_policies_stay_inside_the_frame_and_near_their_tokens():
    looped = [row("llava", 64.0 + 8 * place, 0.98, 0.98, policy=f"zoom-{place}") for place in range(40)]
    crowd = results(row(), *looped)
    laid = panel(crowd, "gist")
    filled = numbered(laid, {name(mark.row): number for number, mark in enumerate(laid.marks, start=1)})
    for mark in laid.marks:
        assert FRAME.left <= mark.x - RADIUS
        assert mark.x + RADIUS <= FRAME.right
        shift = abs(mark.x - laid.axis.x(mark.row.visual_tokens))
        assert shift <= max(SHIFTS) + 0.01
    assert sum(label is not None for label in filled.names) > sum(label is not None for label in laid.names)
    labels = [label.box for label in filled.names if label is not None]
    for a, b in itertools.combinations(labels, 2):
        assert a.intersect(b) is None
    assert all(ROOM.left <= box.left and box.right <= ROOM.right for box in labels)


def test_a_label_with_no_room_at_all_is_none():
    assert place([(50, 50, "name")], [Box(0, 0, 100, 100)], [], Box(0, 0, 100, 100)) == [None]


def test_baselines_are_hollow_joined_and_keyed():
    root = drawn(results())
    figure = root.findall(".//figure")[0]
    trails = [line for line in figure.iter("line") if "trail" in line.get("class", "")]
    # Six series of three marks make twelve lines.
    assert len(trails) == 12
    assert sorted(line.get("class", "").split()[-1] for line in trails) == ["s0"] * 6 + ["s1"] * 6
    assert all(mark.tag == "path" for mark in marks(figure) if "reader" not in mark.get("class", ""))
    keys = ["".join(item.itertext()) for item in root.iter("li")]
    for reader, policy in itertools.product(("llava", "llava-elastic"), ("resize", "random", "uniform")):
        assert f"{reader}, {policy}" in keys
    looks = {mark.get("class") for mark in marks(figure)}
    assert {"mark resize s0", "mark resize s1", "mark reader leads", "mark reader"} <= looks


def test_it_can_be_read_aloud():
    for picture in drawn(results()).findall(".//figure/svg"):
        assert picture.get("role") == "img"
        told = picture.get("aria-label", "")
        assert "pool-16" in told
        assert picture.find("title") is not None
        assert all(mark.find("title") is not None for mark in marks(picture))


def test_colours_come_from_the_page():
    assert not re.search(r"#[0-9a-fA-F]{3,6}|rgb\(|style=", frontier(results()))


def test_fewer_tokens_than_one_stand_at_the_edge():
    laid = panel(results(row("llava", 4, 0.5, 0.5), row("blind", 0, 0.1, 0.1)), "detail")
    assert laid.marks[1].x == laid.axis.x(1)
