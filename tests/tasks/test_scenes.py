"""The generated exam: what it promises about its pictures, its questions and the evidence."""

import re
from collections import Counter
from hashlib import sha256
from itertools import combinations

import numpy as np
import pytest

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.tasks.canvas import BACKGROUNDS, COLOURS, LIGHT
from saccade.tasks.exam import BenchmarkImage, Exam, Question
from saccade.tasks.scenes import CORNERS, DIGITS, LAYOUTS, LETTERS, SPLITS, VERSION, Item, Scene, Scenes

COUNT = 300
ASKED = re.compile(r"What (digit|code) is (in|on|beside) the (.+)\?")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(Scenes("calibration", COUNT))


def pixels(scene: Scene, box: Box) -> np.ndarray:
    """Height × width × 3 of what ``box``, which has whole sides, shows of the picture."""
    left, top, right, bottom = (max(0, int(side)) for side in box.sides)
    return np.asarray(scene.image())[top:bottom, left:right].astype(int)


def shared(box: Box, other: Box) -> float:
    """How much of ``box`` lies on ``other``, as a share."""
    common = box.intersect(other)
    return common.area / box.area if common is not None else 0.0


def details(scene: Scene) -> list[tuple[Question, Item]]:
    """Each question of detail with the one item that it names."""
    named = {item.name: item for item in scene.items}
    asked = [question for question in scene.questions if question.scale == "detail"]
    return [(question, named[ASKED.fullmatch(question.text)[3]]) for question in asked]  # pyright: ignore


def gist(scene: Scene) -> dict[str, Question]:
    return {question.kind: question for question in scene.questions if question.scale == "gist"}


def test_it_is_an_exam():
    exam = Scenes("test", 3, first=5)
    assert isinstance(exam, Exam)
    assert all(isinstance(scene, BenchmarkImage) for scene in exam)
    assert len(exam) == len(list(exam)) == 3
    assert [scene.name for scene in exam] == ["test-00005", "test-00006", "test-00007"]
    assert exam.name == f"{VERSION} test 5:8"


@pytest.mark.parametrize("long_side", [None, 128])
def test_equal_seeds_draw_equal_pictures_in_any_order(long_side):
    there = [Scene("train", index, long_side) for index in range(12)]
    back = [Scene("train", index, long_side) for index in reversed(range(12))]
    asked = [scene.questions for scene in back][::-1]
    for one, other in zip(there, reversed(back), strict=True):
        assert one.image().tobytes() == other.image().tobytes()
        assert one.size == other.size
    assert [scene.questions for scene in there] == asked


def test_no_picture_repeats_within_or_across_splits():
    found = {sha256(scene.image().tobytes()).digest() for split in SPLITS for scene in Scenes(split, COUNT)}
    assert len(found) == COUNT * len(SPLITS)


def test_sizes_are_native_or_as_asked(scenes):
    longs = [scene.size.long for scene in scenes]
    assert min(longs) >= 128
    assert max(longs) <= 512
    assert np.median(longs) == pytest.approx(256, abs=32)  # as many below as above: spread by the logarithm
    for scene in scenes:
        assert 0.65 <= min(scene.size.width, scene.size.height) / scene.size.long <= 1
        assert scene.image().size == (scene.size.width, scene.size.height)
        assert scene.image().mode == "RGB"
    assert {scene.size.width > scene.size.height for scene in scenes} == {True, False}
    assert all(scene.size.long == 200 for scene in (Scene("test", index, 200) for index in range(10)))


def test_markers_lie_apart_inside_the_picture(scenes):
    for scene in scenes:
        markers = [item.marker for item in scene.items if item.marker is not None]
        assert all(shared(marker, Box.of(scene.size)) == 1 for marker in markers), scene.name
        assert all(shared(one, two) == 0 for one, two in combinations(markers, 2)), scene.name


def test_print_lies_apart_inside_the_picture(scenes):
    for scene in scenes:
        printed = [item.print for item in scene.items if item.print is not None]
        markers = [item.marker for item in scene.items if item.marker is not None]
        for one in printed:
            # Round letters stand out by a pixel; the tail of a J, below the line, is not kept clear of anything.
            tailed = "J" in one.text
            assert shared(one.box, Box.of(scene.size).grow(0 if tailed else 1)) >= (0.75 if tailed else 1), scene.name
            for other in (*markers, *(other.box for other in printed if other is not one)):
                assert shared(one.box, other) <= 0.3, (scene.name, one.text)


def test_evidence_holds_ink(scenes):
    for scene in scenes:
        ink = 10 if scene.background in LIGHT else 245
        for question, item in details(scene):
            assert item.print is not None
            assert question.evidence == (item.print.box,)
            assert len(item.print.characters) == len(item.print.text)
            for character in item.print.characters:
                assert character.intersect(item.print.box) == character
                seen = pixels(scene, character)
                assert seen.std() > 0
                assert np.abs(seen - ink).max(axis=2).min() <= 110, (scene.name, question.text)
        assert all(question.evidence == (Box.of(scene.size),) for question in gist(scene).values())


def test_answers_of_detail_are_the_print(scenes):
    for scene in scenes:
        for question, item in details(scene):
            assert item.print is not None
            assert question.answers == (item.print.text,)
            if question.kind == "digit":
                assert item.print.text in tuple(DIGITS)
            else:
                assert question.kind == "code"
                assert len(item.print.text) == 2
                assert set(item.print.text) <= set(LETTERS)
            where = "in" if not item.colour else "on" if scene.layout == "chart" else "beside"
            assert question.text == f"What {question.kind} is {where} the {item.name}?"


def test_every_print_that_can_be_named_is_asked_for_once(scenes):
    for scene in scenes:
        texts = [question.text for question in scene.questions]
        assert len(set(texts)) == len(texts)
        names = Counter(item.name for item in scene.items)
        wanted = [item.name for item in scene.items if item.print is not None and names[item.name] == 1]
        assert [item.name for _, item in details(scene)] == wanted


def test_glyph_heights_are_swept_within_bounds(scenes):
    relative = []
    for scene in scenes:
        for question, item in details(scene):
            assert item.print is not None
            assert question.glyph == item.print.height
            assert 5 <= question.glyph <= round(22 * scene.size.long / 128)
            for character, box in zip(item.print.text, item.print.characters, strict=True):
                assert box.height == pytest.approx(question.glyph, abs=2 + question.glyph / 25) or character == "J"
            relative.append(question.glyph * 128 / scene.size.long)
        assert all(question.glyph == 0 for question in gist(scene).values())
    assert np.quantile(relative, 0.1) < 6
    assert np.quantile(relative, 0.9) > 16


def test_markers_have_their_colour(scenes):
    for scene in scenes:
        for item in scene.items:
            assert bool(item.colour) is (item.marker is not None) is (item.shape not in CORNERS)
            if item.marker is not None:
                x, y = (int(side) for side in item.marker.center)
                seen = pixels(scene, Box(x, y, x + 1, y + 1))
                assert np.abs(seen - COLOURS[item.colour]).max() <= 12, (scene.name, item.name)


def test_gist_answers_recomputed(scenes):
    for scene in scenes:
        found = {kind: question.answers for kind, question in gist(scene).items()}
        paper = np.array(max(scene.image().getcolors(scene.size.area))[1])
        (background,) = (name for name, colour in BACKGROUNDS.items() if np.abs(paper - colour).max() <= 8)
        assert found["background"] == (background,)
        colours = Counter(item.colour for item in scene.items if item.marker is not None)
        count = colours.total()
        assert found["count"] == ("few" if count < 4 else "some" if count < 7 else "many",)
        charted = [item.shape == "bar" for item in scene.items if item.marker is not None]
        assert (found["layout"] == ("chart",)) is all(charted) is any(charted)
        if found["layout"] == ("page",):
            assert len({item.marker.left for item in scene.items if item.marker is not None}) == 1
        first, second = [*colours.most_common(2), ("", 0)][:2]
        leads = len(colours) > 1 and first[1] >= second[1] + 2
        assert found.get("majority") == ((first[0],) if leads else None)


def test_everything_occurs(scenes):
    questions = [question for scene in scenes for question in scene.questions]
    kinds = ("digit", "code", "background", "layout", "count", "majority")
    assert {question.kind for question in questions} == set(kinds)
    given = {kind: {question.answers[0] for question in questions if question.kind == kind} for kind in kinds}
    assert given["digit"] == set(DIGITS)
    assert {character for code in given["code"] for character in code} == set(LETTERS)
    assert given["background"] == set(BACKGROUNDS)
    assert given["layout"] == set(LAYOUTS)
    assert given["count"] == {"few", "some", "many"}
    assert given["majority"] == set(COLOURS)
    assert {item.shape for scene in scenes for item in scene.items} >= set(CORNERS)


def test_refusals():
    for make in (Scene, Scenes):
        with pytest.raises(SaccadeError, match="unknown split 'tset'; did you mean test"):
            make("tset", 1)
    with pytest.raises(SaccadeError, match="at least 1 picture, got 0"):
        Scenes("test", 0)
    with pytest.raises(SaccadeError, match="first picture is 0 or later, got -1"):
        Scenes("test", 1, first=-1)
