import math

import numpy as np
import pytest

from saccade.core.answer import Answer
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.heat import Heat
from saccade.core.request import Ask, Watch, YesNo
from saccade.core.size import Size
from saccade.policies.base import Policy, Sample
from saccade.policies.boxes import Windows
from saccade.policies.refine import Refine
from saccade.policies.scales import Scales
from saccade.policies.scheduler import Scheduler
from saccade.policies.self_box import SelfBox, read_box
from saccade.policies.tree import Tree, quarters
from saccade.policies.wording import named, wording
from saccade.policies.zoom import Attention, Values
from tests.policies.fake import Blank, Fake, answer, extent, grid, peak

SIZE = Size(400, 300)
SPOT = (300.0, 60.0)
"""Where the evidence is: a model is sure once it is shown large enough."""
QUESTION = "What digit is beside the red square?"


def holds(box: Box) -> bool:
    return box.left <= SPOT[0] <= box.right and box.top <= SPOT[1] <= box.bottom


def reads(request: Ask, size: Size) -> Answer:
    """Right and sure in a part with the evidence, unsure in all of it, surely wrong nowhere."""
    if not request.sights:
        return answer("the red square, a digit")
    box = extent(request.sights[-1], size)
    if not holds(box):
        return answer("nothing", 0.2)
    return answer("seven", 0.95) if box.area < 0.4 * size.area else answer("one", 0.4)


def looks(request: Watch, size: Size) -> tuple[Heat, ...]:
    """The first question looks at the evidence, a second one (a neutral one) at a border that both like."""
    border = np.full((16, 16), 0.01)
    border[:, 0] = 5.0
    at = peak(size, SPOT[0] / size.width, SPOT[1] / size.height)
    liked = Heat(size, at.boxes, at.weights + border.reshape(-1))
    return (liked, Heat(size, at.boxes, border.reshape(-1)))[: len(request.questions)]


def plainly(request: Watch, size: Size) -> tuple[Heat, ...]:
    """Every question looks at the evidence alone."""
    return (peak(size, SPOT[0] / size.width, SPOT[1] / size.height),) * len(request.questions)


def sees(request: YesNo, size: Size) -> float:
    """Whether the evidence is in what is shown, and large enough."""
    box = extent(request.sights[-1], size)
    if "enough" in request.question:
        return 0.97 if holds(box) and box.area < 0.2 * size.area else 0.1
    return 0.9 if holds(box) else 0.1


def run(policy: Policy, fake: Fake, budget: int | None = None):
    (result,) = Scheduler({"fake": fake}).run(policy, [Sample(Blank(), QUESTION, 0, budget)])
    return result


ALONE = ~Cap.MULTI_IMAGE & ~Cap.INSTRUCT
ZOOMS: dict[str, Policy] = {
    "attention": Attention(),
    "values": Values(),
    "tree": Tree(),
    "scales": Scales(),
    "refine": Refine(),
}


@pytest.mark.parametrize("name", ZOOMS)
@pytest.mark.parametrize("caps", [~Cap(0), ALONE], ids=["instructed", "alone"])
def test_every_zoom_finds_what_the_whole_picture_does_not_show(name: str, caps: Cap) -> None:
    look = looks if name == "attention" else plainly
    fake = Fake(asked=reads, look=look, chance=sees, caps=caps)
    result = run(ZOOMS[name], fake)
    assert result.outcome.answer.text == "seven"
    assert result.outcome.confidence == pytest.approx(0.95)
    assert any(holds(box) for box in result.outcome.boxes)


@pytest.mark.parametrize("name", ["attention", "values", "scales", "refine"])
def test_a_whole_picture_that_is_enough_ends_it(name: str) -> None:
    fake = Fake(asked=lambda *_: answer("sure", 0.93), look=looks, chance=sees)
    result = run(ZOOMS[name], fake)
    assert len(result.trace.looks) == 1
    assert result.outcome.boxes == ()


@pytest.mark.parametrize("name", ZOOMS)
def test_a_closer_look_that_is_less_sure_does_not_win(name: str) -> None:
    def asked(request: Ask, size: Size) -> Answer:
        whole = not request.sights or request.sights[-1].box is None
        return answer("whole", 0.6) if whole else answer("crop", 0.3)

    fake = Fake(asked=asked, look=looks, chance=lambda *_: 0.1, caps=ALONE)
    assert run(ZOOMS[name], fake).outcome.answer.text == "whole"


@pytest.mark.parametrize("name", ZOOMS)
def test_a_budget_ends_a_zoom_with_what_it_has(name: str) -> None:
    fake = Fake(asked=reads, look=looks, chance=sees, caps=ALONE)
    result = run(ZOOMS[name], fake, budget=150)
    assert len(result.trace.looks) == 1
    assert result.outcome.answer.text == "one"


def test_relative_attention_is_free_of_what_both_questions_like() -> None:
    relative = run(Attention(), Fake(asked=reads, look=looks, caps=ALONE))
    assert any(map(holds, relative.outcome.boxes))
    plain = run(Attention(relative=False), Fake(asked=reads, look=looks, caps=ALONE))
    assert not any(map(holds, plain.outcome.boxes))
    (watch,) = [look.request for look in relative.trace.looks if isinstance(look.request, Watch)]
    assert watch.questions == (QUESTION, wording().neutral)


def test_attention_of_words_names_those_that_the_question_is_about() -> None:
    fake = Fake(asked=reads, look=looks, caps=ALONE)
    result = run(Attention(words=True, relative=False, layers=(0.0, 0.25)), fake)
    (watch,) = [look.request for look in result.trace.looks if isinstance(look.request, Watch)]
    assert (watch.targets, watch.layers) == (("red square",), (0.0, 0.25))


def test_a_flat_map_keeps_the_whole_picture() -> None:
    flat = Fake(asked=reads, look=lambda r, size: (grid(size, np.ones((8, 8))),) * 2, caps=ALONE)
    result = run(Attention(), flat)
    assert result.outcome.boxes == ()
    assert result.outcome.answer.text == "one"
    assert len(result.trace.looks) == 2


def test_crops_stand_beside_the_whole_picture_where_several_are_read() -> None:
    result = run(Attention(gate=2), Fake(asked=reads, look=looks))
    last = result.trace.looks[-1].request.sights
    assert len(last) == 2
    assert last[0].box is None
    alone = run(Attention(gate=2, both=False), Fake(asked=reads, look=looks))
    assert len(alone.trace.looks[-1].request.sights) == 1


def test_margins_widen_and_sides_bound_every_look() -> None:
    narrow, wide = (
        run(Attention(margin=margin, side=96, gate=2), Fake(asked=reads, look=looks, caps=ALONE)) for margin in (0, 0.5)
    )
    boxes = [result.trace.looks[-1].request.sights[0].box for result in (narrow, wide)]
    assert boxes[1].width == pytest.approx(2 * boxes[0].width)
    assert all(sight.side == 96 for look in wide.trace.looks for sight in look.request.sights)


def test_values_verify_boxes_and_drop_those_where_no_is_likelier() -> None:
    nowhere = run(Values(), Fake(asked=reads, look=looks, chance=lambda *_: 0.3))
    assert nowhere.outcome.boxes == ()
    assert nowhere.outcome.answer.text == "one"
    fake = Fake(asked=reads, look=plainly, chance=sees)
    found = run(Values(), fake)
    asked = [request.question for request in fake.log if isinstance(request, YesNo)]
    assert wording().exists.format(target="the red square") in asked
    assert any(map(holds, found.outcome.boxes))


def test_values_join_the_boxes_of_several_targets() -> None:
    def two(request: Watch, size: Size) -> tuple[Heat, ...]:
        return peak(size, 0.1, 0.1), peak(size, 0.9, 0.9)

    def asked(request: Ask, size: Size) -> Answer:
        return reads(request, size) if not request.sights else answer("x", 0.3 * len(request.sights))

    result = run(Values(), Fake(asked=asked, look=two, chance=lambda *_: 0.9))
    (box,) = result.outcome.boxes
    assert box.width > 300
    assert box.height > 220


def test_the_tree_opens_the_likeliest_part_first() -> None:
    fake = Fake(asked=reads, chance=sees)
    result = run(Tree(visits=3), fake)
    assert holds(result.outcome.boxes[0])
    enough = [request.sights[-1] for request in fake.log if isinstance(request, YesNo) and "enough" in request.question]
    assert enough[0].box is None
    assert all(holds(sight.box) for sight in enough[1:3])
    assert all(sight.mark is None for sight in enough)
    marks = [request.sights[0].mark for request in fake.log if isinstance(request, YesNo) and len(request.sights) == 2]
    assert all(mark is not None for mark in marks)


def test_a_tree_that_finds_nothing_answers_from_the_whole_picture() -> None:
    result = run(Tree(visits=4), Fake(asked=reads, chance=lambda *_: 0.2))
    assert result.outcome.boxes == ()
    assert result.trace.looks[-1].request.sights[-1].box is None


def test_a_tree_does_not_look_where_the_whole_picture_is_enough() -> None:
    fake = Fake(asked=reads, chance=lambda *_: 0.99)
    result = run(Tree(), fake)
    assert len(result.trace.looks) == 3  # what has to be seen, whether it can be (for both things once), the answer
    assert result.outcome.boxes == ()


def test_a_guessing_tree_stops_at_its_visits_and_at_small_parts() -> None:
    never = Fake(asked=lambda *_: answer("?", 0.1), caps=ALONE)
    assert len(run(Tree(visits=6), never).trace.looks) == 7
    assert len(run(Tree(visits=100, least=200), never).trace.looks) == 5


@pytest.mark.parametrize(("box", "columns", "rows"), [
    (Box(0, 0, 100, 100), 2, 2), (Box(10, 0, 210, 100), 4, 1), (Box(0, 5, 50, 205), 1, 4), (Box(0, 0, 199, 100), 2, 2),
])  # fmt: skip
def test_quarters_tile_their_box(box: Box, columns: int, rows: int) -> None:
    parts = quarters(box)
    assert len(parts) == 4 == columns * rows
    assert sum(part.area for part in parts) == pytest.approx(box.area)
    assert all(part.width == pytest.approx(box.width / columns) for part in parts)
    assert all(one.intersect(other) is None for one in parts for other in parts if one is not other)
    union = parts[0]
    for part in parts:
        union = union.union(part)
    assert union == box


def test_scales_ask_every_part_and_may_vote() -> None:
    said = iter([answer("a", 0.3), answer("b", 0.5), answer("c", 0.4), answer("c", 0.4), answer("a", 0.1)])
    fake = Fake(asked=lambda *_: next(said), caps=ALONE)
    result = run(Scales(), fake)
    assert len(result.trace.looks) == 5
    assert result.outcome.answer.text == "b"
    said = iter([answer("a", 0.3), answer("b", 0.5), answer("c", 0.4), answer("c", 0.4), answer("a", 0.1)])
    assert run(Scales(vote=True), Fake(asked=lambda *_: next(said))).outcome.answer.text == "c"
    crops = [look.request.sights[0].box for look in result.trace.looks[1:]]
    assert [(round(crop.left), round(crop.top)) for crop in crops] == [(0, 0), (160, 0), (0, 120), (160, 120)]


def test_refinement_stops_at_a_fixed_point() -> None:
    still = Fake(asked=lambda *_: answer("x", 0.5), look=lambda r, size: (peak(size, 0.5, 0.5),), caps=ALONE)
    result = run(Refine(passes=9), still)
    assert len(result.outcome.boxes) <= 1
    assert len(result.trace.looks) <= 5
    places = iter([(0.2, 0.2), (0.8, 0.8), (0.2, 0.8), (0.8, 0.2)])
    said = iter(["a", "b", "c", "d", "e"])
    moving = Fake(
        asked=lambda *_: answer(next(said), 0.5),
        look=lambda r, size: (peak(size, *next(places), width=0.05),),
        caps=ALONE,
    )
    assert len(run(Refine(passes=2), moving).trace.looks) == 5
    places = iter([(0.2, 0.2), (0.8, 0.8), (0.2, 0.8), (0.8, 0.2)])
    same = Fake(
        asked=lambda *_: answer("a", 0.5), look=lambda r, size: (peak(size, *next(places), width=0.05),), caps=ALONE
    )
    assert len(run(Refine(passes=4), same).trace.looks) == 5  # said again closer up


@pytest.mark.parametrize(("text", "box"), [
    ("[250, 100, 500, 400]", Box(100, 30, 200, 120)),
    ('{"bbox": [0.25, 0.1, 0.5, 0.4]}', Box(100, 30, 200, 120)),
    ("it is at 0 0 1000 1000.", Box(0, 0, 400, 300)),
    ("[250, 100, 500]", None),
    ("[500, 100, 250, 400]", None),
    ("[250, 100, 500, 1400]", None),
    ("[250, 100, 250.5, 400]", None),
    ("nowhere", None),
])  # fmt: skip
def test_a_box_is_read_from_what_is_said(text: str, box: Box | None) -> None:
    found = read_box(text, SIZE)
    assert found == box or (found is not None and box is not None and found.sides == pytest.approx(box.sides))


def test_self_box_looks_where_the_model_says() -> None:
    def asked(request: Ask, size: Size) -> Answer:
        return answer("[700, 100, 800, 300]") if "left, top" in request.question else reads(request, size)

    result = run(SelfBox(), Fake(asked=asked))
    assert result.outcome.answer.text == "seven"
    assert result.outcome.boxes == (Box(280, 30, 320, 90),)
    lost = run(SelfBox(), Fake(asked=lambda r, s: answer("no box", 0.5)))
    assert lost.outcome.boxes == ()
    with pytest.raises(SaccadeError, match="SelfBox needs INSTRUCT"):
        run(SelfBox(), Fake(caps=~Cap.INSTRUCT))


@pytest.mark.parametrize(("question", "about"), [
    (QUESTION, "red square"), ("What color is the background?", "background"), ("Is there an elephant?", "elephant"),
    ("How many?", "How many"), ("Where is the", "Where is the"),
])  # fmt: skip
def test_what_a_question_is_about(question: str, about: str) -> None:
    assert named(question) == about


def test_an_unknown_language_gets_a_hint() -> None:
    with pytest.raises(SaccadeError, match="unknown language 'de'"):
        wording("de")


@pytest.mark.parametrize(("make", "match"), [
    (lambda: Attention(gate=-1), "gate"), (lambda: Attention(margin=math.nan), "margin"),
    (lambda: Tree(visits=0), "visits"), (lambda: Tree(balance=2), "balance"),
    (lambda: Scales(parts=(1,)), "divides a side"), (lambda: Refine(passes=0), "pass"),
    (lambda: Windows(count=0), "count"),
])  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(make, match: str) -> None:
    with pytest.raises(SaccadeError, match=match):
        make()
