import math
from dataclasses import replace

import numpy as np
import pytest

from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Watch, YesNo
from saccade.core.size import Size
from saccade.policies.base import Outcome, Policy, Sample
from saccade.policies.boxes import WindowBoxes
from saccade.policies.choose import surest
from saccade.policies.predicted_box import PredictedBox, read_box
from saccade.policies.refine import Refine
from saccade.policies.scales import Scales
from saccade.policies.scheduler import Scheduler
from saccade.policies.wording import named, wording
from saccade.policies.zoom import AttentionZoom, Values
from saccade.policies.zoom_tree import ZoomTree, quarters
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


def looks(request: Watch, size: Size) -> tuple[AttentionMap, ...]:
    """The first question looks at the evidence, a second one (a neutral one) at a border that both like."""
    border = np.full((16, 16), 0.01)
    border[:, 0] = 5.0
    at = peak(size, SPOT[0] / size.width, SPOT[1] / size.height)
    liked = AttentionMap(size, at.boxes, at.weights + border.reshape(-1))
    return (liked, AttentionMap(size, at.boxes, border.reshape(-1)))[: len(request.questions)]


def plainly(request: Watch, size: Size) -> tuple[AttentionMap, ...]:
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
    "attention": AttentionZoom(),
    "values": Values(),
    "tree": ZoomTree(),
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
    relative = run(AttentionZoom(), Fake(asked=reads, look=looks, caps=ALONE))
    assert any(map(holds, relative.outcome.boxes))
    plain = run(AttentionZoom(relative=False), Fake(asked=reads, look=looks, caps=ALONE))
    assert not any(map(holds, plain.outcome.boxes))
    (watch,) = [look.request for look in relative.trace.looks if isinstance(look.request, Watch)]
    assert watch.questions == (QUESTION, wording().neutral)


def test_attention_of_words_names_those_that_the_question_is_about() -> None:
    fake = Fake(asked=reads, look=looks, caps=ALONE)
    result = run(AttentionZoom(words=True, relative=False, layers=(0.0, 0.25)), fake)
    (watch,) = [look.request for look in result.trace.looks if isinstance(look.request, Watch)]
    assert (watch.targets, watch.layers) == (("red square",), (0.0, 0.25))
    relative = run(AttentionZoom(words=True), Fake(asked=reads, look=looks, caps=ALONE))
    (watch,) = [look.request for look in relative.trace.looks if isinstance(look.request, Watch)]
    assert watch.targets == ("red square", "")


def test_a_flat_map_keeps_the_whole_picture() -> None:
    flat = Fake(asked=reads, look=lambda r, size: (grid(size, np.ones((8, 8))),) * 2, caps=ALONE)
    result = run(AttentionZoom(), flat)
    assert result.outcome.boxes == ()
    assert result.outcome.answer.text == "one"
    assert len(result.trace.looks) == 2


@pytest.mark.parametrize("policy", [AttentionZoom(), Values(), Refine()])
def test_the_heat_that_led_there_is_given(policy: Policy) -> None:
    assert run(policy, Fake(asked=reads, look=plainly, chance=sees, caps=ALONE)).outcome.heat is not None


@pytest.mark.parametrize("policy", [AttentionZoom(gate=1.0), Values(gate=1.0), Scales(gate=1.0), Refine(gate=1.0)])
def test_as_sure_as_the_gate_is_enough(policy: Policy) -> None:
    fake = Fake(asked=lambda *_: answer("sure"), look=plainly, chance=sees)
    assert len(run(policy, fake).trace.looks) == 1


@pytest.mark.parametrize("name", ZOOMS)
@pytest.mark.parametrize("caps", [~Cap(0), ALONE], ids=["instructed", "alone"])
def test_every_look_of_every_zoom_is_bounded(name: str, caps: Cap) -> None:
    look = looks if name == "attention" else plainly
    result = run(replace(ZOOMS[name], side=96), Fake(asked=reads, look=look, chance=sees, caps=caps))
    sights = [sight for look in result.trace.looks for sight in look.request.sights]
    assert len(sights) > 2
    assert {sight.side for sight in sights} == {96}


def test_a_neutral_request_may_be_ones_own() -> None:
    fake = Fake(asked=reads, look=looks)
    run(AttentionZoom(neutral="What colour is the sky?"), fake)
    (watch,) = [request for request in fake.log if isinstance(request, Watch)]
    assert watch.questions == (QUESTION, "What colour is the sky?")


@pytest.mark.parametrize(
    "policy", [AttentionZoom(both=True), Values(both=True), PredictedBox(both=True), ZoomTree(both=True)]
)
def test_two_pictures_at_once_are_refused_before_anything_is_looked_at(policy: Policy) -> None:
    fake = Fake(caps=~Cap.MULTI_IMAGE)
    with pytest.raises(SaccadeError, match="needs MULTI_IMAGE"):
        run(policy, fake)
    assert not fake.log


def test_with_trust_closer_looks_alone_decide_where_there_are_any() -> None:
    def asked(request: Ask, size: Size) -> Answer:
        return answer("whole", 0.6) if request.sights[-1].box is None else answer("crop", 0.3)

    trusting = AttentionZoom(trust=True)
    assert run(trusting, Fake(asked=asked, look=looks)).outcome.answer.text == "crop"
    assert run(trusting, Fake(asked=asked, look=looks), budget=150).outcome.answer.text == "whole"


def test_crops_stand_beside_the_whole_picture_where_several_are_read() -> None:
    result = run(AttentionZoom(gate=2), Fake(asked=reads, look=looks))
    last = result.trace.looks[-1].request.sights
    assert len(last) == 2
    assert last[0].box is None
    alone = run(AttentionZoom(gate=2, both=False), Fake(asked=reads, look=looks))
    assert len(alone.trace.looks[-1].request.sights) == 1


def test_margins_widen_and_sides_bound_every_look() -> None:
    narrow, wide = (
        run(AttentionZoom(margin=margin, side=96, gate=2), Fake(asked=reads, look=looks, caps=ALONE))
        for margin in (0, 0.5)
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


PLACES = [(0.2, 0.2), (0.8, 0.2), (0.5, 0.8)]
THREE = WindowBoxes(shares=(0.25,), aspects=(1.0,), count=3)


def three(request: Watch, size: Size) -> tuple[AttentionMap, ...]:
    """Every question looks at three places, at the first one most."""
    maps = [peak(size, *place, width=0.05) for place in PLACES]
    weights = sum(share * one.weights for share, one in zip((1.0, 0.9, 0.8), maps, strict=True))
    return (AttentionMap(size, maps[0].boxes, weights),) * len(request.questions)


def cup(request: Ask, size: Size) -> Answer:
    """One thing has to be seen, and nothing is sure."""
    return answer("a cup", 0.5)


def test_a_closer_look_that_is_enough_is_the_last() -> None:
    def asked(request: Ask, size: Size) -> Answer:
        return answer("whole", 0.4) if request.sights[-1].box is None else answer("crop", 0.95)

    fake = Fake(asked=asked, look=three, caps=ALONE)
    assert len(run(Values(rule=THREE), fake).trace.looks) == 3
    assert len(run(Values(rule=THREE, gate=2), fake).trace.looks) == 5


def test_values_look_where_yes_is_likeliest_of_as_many_boxes_as_there_are_steps() -> None:
    def likely(request: YesNo, size: Size) -> float:
        return 0.9 if extent(request.sights[-1], size).center[0] > 250 else 0.6

    fake = Fake(asked=cup, look=three, chance=likely)
    (box,) = run(Values(rule=THREE, trust=True), fake).outcome.boxes
    assert box.left < 320 < box.right
    first = Fake(asked=cup, look=three, chance=likely)
    run(Values(rule=THREE, steps=1), first)
    assert sum(isinstance(request, YesNo) for request in first.log) == 1


def test_a_model_that_follows_no_instructions_is_watched_over_the_question_itself() -> None:
    fake = Fake(asked=reads, look=plainly, caps=ALONE)
    run(Values(), fake)
    (watch,) = [request for request in fake.log if isinstance(request, Watch)]
    assert (watch.questions, watch.targets) == ((QUESTION,), ("red square",))


def test_as_likely_as_not_is_looked_at() -> None:
    fake = Fake(asked=cup, look=plainly, chance=lambda *_: 0.5)
    run(Values(), fake)
    assert isinstance(fake.log[-1], Ask)
    assert fake.log[-1].sights[-1].box is not None


def test_values_watch_each_thing_that_is_needed_once_and_four_at_most() -> None:
    def asked(request: Ask, size: Size) -> Answer:
        return (
            reads(request, size) if request.sights else answer("a cup, a dog, a cup, 'a cat', , a cow, a hen.\nIt is")
        )

    fake = Fake(asked=asked, look=plainly, chance=sees)
    run(Values(), fake)
    (watch,) = [request for request in fake.log if isinstance(request, Watch)]
    assert watch.targets == ("a cup", "a dog", "a cat", "a cow")
    assert watch.by == "values"


def test_values_join_the_boxes_of_several_targets() -> None:
    def two(request: Watch, size: Size) -> tuple[AttentionMap, ...]:
        return peak(size, 0.1, 0.1), peak(size, 0.9, 0.9)

    def asked(request: Ask, size: Size) -> Answer:
        return reads(request, size) if not request.sights else answer("x", 0.3 * len(request.sights))

    result = run(Values(), Fake(asked=asked, look=two, chance=lambda *_: 0.9))
    (box,) = result.outcome.boxes
    assert box.width > 300
    assert box.height > 220


def test_the_tree_opens_the_likeliest_part_first() -> None:
    fake = Fake(asked=reads, chance=sees)
    result = run(ZoomTree(visits=3), fake)
    assert holds(result.outcome.boxes[0])
    enough = [request.sights[-1] for request in fake.log if isinstance(request, YesNo) and "enough" in request.question]
    assert enough[0].box is None
    assert all(holds(sight.box) for sight in enough[1:3])
    assert all(sight.mark is None for sight in enough)
    marks = [request.sights[0].mark for request in fake.log if isinstance(request, YesNo) and len(request.sights) == 2]
    assert all(mark is not None for mark in marks)


def opened(fake: Fake) -> list[Box]:
    """The parts that a tree asked about whether they are enough, in order."""
    asked = [request for request in fake.log if isinstance(request, YesNo) and "enough" in request.question]
    return [request.sights[0].mark for request in asked[1:] if request.sights[0].mark is not None]


def test_a_tree_opens_as_many_parts_as_it_has_visits() -> None:
    fake = Fake(asked=cup, chance=lambda *_: 0.2)
    run(ZoomTree(visits=3, least=1), fake)
    assert len(opened(fake)) == 3


def test_parts_are_quartered_while_their_longer_side_allows() -> None:
    fake = Fake(asked=cup, chance=lambda *_: 0.2)
    run(ZoomTree(visits=99, least=180), fake)
    assert len(opened(fake)) == 4 + 16


def test_a_part_that_is_just_enough_ends_the_search() -> None:
    fake = Fake(asked=cup, chance=lambda request, size: float(request.sights[0].mark is not None))
    run(ZoomTree(enough=1.0), fake)
    assert len(opened(fake)) == 1


@pytest.mark.parametrize(("balance", "left"), [(1.0, True), (0.0, False)])
def test_at_the_top_the_balance_weighs_what_is_seen_against_what_may_be_hidden(balance: float, left: bool) -> None:
    def chance(request: YesNo, size: Size) -> float:
        if "enough" in request.question or request.sights[0].mark is None:
            return 0.1
        in_left = request.sights[0].mark.center[0] < size.width / 2
        return 0.9 if in_left == ("larger" not in request.question) else 0.1

    fake = Fake(asked=cup, chance=chance)
    run(ZoomTree(visits=1, balance=balance), fake)
    assert (opened(fake)[0].center[0] < SIZE.width / 2) is left


def test_further_down_what_is_seen_counts_more() -> None:
    def chance(request: YesNo, size: Size) -> float:
        box = request.sights[0].mark
        if "enough" in request.question or box is None or box.right > 200 or box.bottom > 150:
            return 0.1
        if box.width > 100:
            return 0.95
        return 0.9 if (box.left < 100) == ("larger" not in request.question) else 0.1

    fake = Fake(asked=cup, chance=chance)
    run(ZoomTree(visits=2, balance=0.0), fake)
    assert [box.right for box in opened(fake)] == [200, 100]


def test_of_parts_that_are_not_enough_the_best_is_looked_at() -> None:
    def chance(request: YesNo, size: Size) -> float:
        box = request.sights[0].mark
        return 0.8 if box is not None and box.right <= 200 and box.bottom <= 150 else 0.6

    result = run(ZoomTree(visits=4, least=400), Fake(asked=cup, chance=chance))
    assert result.outcome.boxes == (Box(0, 0, 200, 150),)


def test_a_tree_shows_all_that_it_found_at_once() -> None:
    corners = {"a cup": (20, 20), "a dog": (380, 280)}

    def chance(request: YesNo, size: Size) -> float:
        box = extent(request.sights[-1], size)
        here = {name for name, (x, y) in corners.items() if box.left <= x <= box.right and box.top <= y <= box.bottom}
        if "enough" in request.question:
            return 0.95 if here and box.area < 0.4 * size.area else 0.1
        return 0.9 if any(name in request.question for name in here) else 0.1

    fake = Fake(asked=lambda *_: answer("a cup, a dog", 0.5), chance=chance)
    result = run(ZoomTree(), fake)
    assert result.outcome.boxes == (Box(0, 0, 200, 150), Box(200, 150, 400, 300))
    assert result.trace.looks[-1].request.sights[-1].box == Box.of(SIZE)


def test_a_tree_that_finds_nothing_answers_from_the_whole_picture() -> None:
    result = run(ZoomTree(visits=4), Fake(asked=reads, chance=lambda *_: 0.2))
    assert result.outcome.boxes == ()
    assert result.trace.looks[-1].request.sights[-1].box is None


def test_a_tree_does_not_look_where_the_whole_picture_is_enough() -> None:
    fake = Fake(asked=reads, chance=lambda *_: 0.99)
    result = run(ZoomTree(), fake)
    assert len(result.trace.looks) == 3  # what has to be seen, whether it can be (for both things once), the answer
    assert result.outcome.boxes == ()


def test_a_guessing_tree_stops_at_its_visits_and_at_small_parts() -> None:
    never = Fake(asked=lambda *_: answer("?", 0.1), caps=ALONE)
    assert len(run(ZoomTree(visits=6), never).trace.looks) == 7
    assert len(run(ZoomTree(visits=100, least=200), never).trace.looks) == 5
    untold = Fake(asked=lambda *_: answer("?", None), caps=ALONE)
    assert len(run(ZoomTree(visits=6), untold).trace.looks) == 7


def test_a_guessing_tree_opens_the_surest_part_first() -> None:
    def asked(request: Ask, size: Size) -> Answer:
        x, y = extent(request.sights[-1], size).center
        return answer("?", 0.1 if request.sights[-1].box is None else 0.4 if x > 200 and y > 150 else 0.2)

    fake = Fake(asked=asked, caps=ALONE)
    run(ZoomTree(visits=5), fake)
    x, y = fake.log[-1].sights[0].box.center
    assert x > 200
    assert y > 150


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


def test_every_scale_is_asked() -> None:
    assert len(run(Scales(parts=(2, 3)), Fake(caps=ALONE)).trace.looks) == 1 + 4 + 9


def said(*pairs: tuple[str, float | None]) -> list[Outcome]:
    return [Outcome(Answer(text), sure) for text, sure in pairs]


def test_votes_weigh_as_much_as_they_are_sure_and_none_counts_whole() -> None:
    assert surest(said(("a", 0.1), ("a", 0.1), ("a", 0.1), ("b", 0.8))).answer.text == "b"
    assert surest(said(("blue", 0.6), ("Red.", 0.4), ("red", 0.4))).answer.text == "Red."
    assert surest(said(("a", 0.7), ("b", None))).answer.text == "b"
    assert surest(said(("a", 0.5), ("b", 0.5))).answer.text == "a"
    assert surest(said(("a", 0.4), ("a", 0.4), ("b", 0.5)), vote=False).answer.text == "b"


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


def test_where_nothing_tells_how_sure_it_is_the_closest_look_answers() -> None:
    places = iter([(0.2, 0.2), (0.8, 0.8)])
    words = iter("abc")
    fake = Fake(
        asked=lambda *_: answer(next(words), None),
        look=lambda request, size: (peak(size, *next(places), width=0.05),),
        caps=ALONE,
    )
    assert run(Refine(passes=2), fake).outcome.answer.text == "c"


def test_two_boxes_in_a_row_that_are_the_same_end_refinement() -> None:
    words = iter("abcdefghijk")
    fake = Fake(asked=lambda *_: answer(next(words), 0.5), look=lambda r, size: (peak(size, 0.5, 0.5),), caps=ALONE)
    assert len(run(Refine(passes=9), fake).trace.looks) == 4


def test_each_pass_looks_from_where_the_one_before_looked() -> None:
    places = iter([(0.2, 0.2), (0.8, 0.8)])
    words = iter("abc")
    fake = Fake(
        asked=lambda *_: answer(next(words), 0.5),
        look=lambda request, size: (peak(size, *next(places), width=0.05),),
        caps=ALONE,
    )
    run(Refine(passes=2), fake)
    _, first, closer, second, _ = fake.log
    assert first.sights[0].box is None
    assert second.sights == closer.sights
    assert second.sights[0].box is not None


def test_what_is_said_twice_in_a_row_closer_up_ends_refinement() -> None:
    places = iter([(0.2, 0.2), (0.8, 0.8), (0.2, 0.8), (0.8, 0.2)])
    words = iter("abbcd")
    fake = Fake(
        asked=lambda *_: answer(next(words), 0.5),
        look=lambda request, size: (peak(size, *next(places), width=0.05),),
        caps=ALONE,
    )
    assert len(run(Refine(passes=4), fake).trace.looks) == 5


@pytest.mark.parametrize(("text", "box"), [
    ("[250, 100, 500, 400]", Box(100, 30, 200, 120)),
    ('{"bbox": [0.25, 0.1, 0.5, 0.4]}', Box(100, 30, 200, 120)),
    ("it is at 0 0 1000 1000.", Box(0, 0, 400, 300)),
    ("[250, 100, 500]", None),
    ("[500, 100, 250, 400]", None),
    ("[250, 400, 500, 100]", None),
    ("[-250, 100, 500, 400]", None),
    ("[250, 100, 500, 1400]", None),
    ("[250, 100, 250.5, 400]", None),
    ("[250, 100, 500, 100.5]", None),
    ("nowhere", None),
])  # fmt: skip
def test_a_box_is_read_from_what_is_said(text: str, box: Box | None) -> None:
    found = read_box(text, SIZE)
    assert found == box or (found is not None and box is not None and found.sides == pytest.approx(box.sides))


def test_self_box_looks_where_the_model_says() -> None:
    def asked(request: Ask, size: Size) -> Answer:
        return answer("[700, 100, 800, 300]") if "left, top" in request.question else reads(request, size)

    result = run(PredictedBox(), Fake(asked=asked))
    assert result.outcome.answer.text == "seven"
    assert result.outcome.boxes == (Box(280, 30, 320, 90),)
    lost = run(PredictedBox(), Fake(asked=lambda r, s: answer("no box", 0.5)))
    assert lost.outcome.boxes == ()
    with pytest.raises(SaccadeError, match="PredictedBox needs INSTRUCT"):
        run(PredictedBox(), Fake(caps=~Cap.INSTRUCT))


@pytest.mark.parametrize(("question", "about"), [
    (QUESTION, "red square"), ("What color is the background?", "background"), ("Is there an elephant?", "elephant"),
    ("What is on the roof of a house?", "house"),
    ("How many?", "How many"), ("Where is the", "Where is the"),
])  # fmt: skip
def test_what_a_question_is_about(question: str, about: str) -> None:
    assert named(question) == about


def test_an_unknown_language_gets_a_hint() -> None:
    with pytest.raises(SaccadeError, match="unknown language 'de'"):
        wording("de")


@pytest.mark.parametrize(("make", "match"), [
    (lambda: AttentionZoom(gate=-1), "gate"), (lambda: AttentionZoom(margin=math.nan), "margin"),
    (lambda: ZoomTree(visits=0), "visits"), (lambda: ZoomTree(balance=2), "balance"),
    (lambda: Scales(parts=(1,)), "divides a side"), (lambda: Refine(passes=0), "pass"),
    (lambda: WindowBoxes(count=0), "count"),
])  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(make, match: str) -> None:
    with pytest.raises(SaccadeError, match=match):
        make()


@pytest.mark.parametrize(("budget", "looks"), [(150, 1), (2100, 10)])
def test_a_tree_leaves_room_for_its_answer(budget: int, looks: int) -> None:
    result = run(ZoomTree(visits=100, least=1), Fake(chance=lambda *_: 0.6), budget=budget)
    assert result.outcome.answer.text == "?"
    assert isinstance(result.trace.looks[-1].request, Ask)
    assert result.trace.looks[-1].request.sights
    assert result.trace.visual_tokens <= budget
    assert len(result.trace.looks) >= looks


def test_a_budget_below_a_trees_answer_is_refused_with_both_numbers() -> None:
    with pytest.raises(SaccadeError, match="0 visual tokens and wants 100 more, the budget is 50"):
        run(ZoomTree(), Fake(), budget=50)
