"""The tool loop, over a model that calls what it is offered."""

import json

import pytest

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Conversation, ToolCall, TurnResult
from saccade.core.size import Size
from saccade.policies.base import Result, Sample
from saccade.policies.scheduler import Scheduler
from saccade.policies.tools import ToolLoop, wanted, zoom_tool
from tests.policies.fake import Blank, Fake, answer

SIZE = Size(400, 300)


def call(*sides: float, name: str = "zoom_in") -> ToolCall:
    return ToolCall(name, json.dumps(dict(zip(("left", "top", "right", "bottom"), sides, strict=False))))


def eager(made: ToolCall) -> Fake:
    """Calls as long as it may."""

    def talk(request: Conversation, size: Size) -> TurnResult:
        assert len(request.turns) < 20
        return TurnResult(answer("hm", 0.4), made) if request.tools else TurnResult(answer("seven", 0.8))

    return Fake(talk=talk)


def run(policy: ToolLoop, fake: Fake, budget: int | None = None) -> Result:
    (result,) = Scheduler({"fake": fake}).run(policy, [Sample(Blank(SIZE), "Which digit?", 0, budget)])
    return result


def test_a_model_is_shown_what_it_calls_for_until_it_answers() -> None:
    said = iter([TurnResult(answer("hm"), call(250, 100, 500, 400)), TurnResult(answer("seven", 0.8))])
    fake = Fake(talk=lambda *_: next(said))
    result = run(ToolLoop(), fake)
    assert result.outcome.answer.text == "seven"
    assert result.outcome.confidence == pytest.approx(0.8)
    assert result.outcome.boxes == (Box(100, 30, 200, 120),)
    first, last = fake.log
    assert first.tools == last.tools == (zoom_tool(),)
    assert [turn.role for turn in last.turns] == ["user", "assistant", "tool"]
    assert last.turns[2].sights[0].box == Box(100, 30, 200, 120)


def test_margins_widen_and_sides_bound_every_crop() -> None:
    fake = eager(call(250, 100, 500, 400))
    run(ToolLoop(margin=0.5, side=96, calls=1), fake)
    whole, crop = (sight for turn in fake.log[-1].turns for sight in turn.sights)
    assert (whole.box, whole.side, crop.side) == (None, 96, 96)
    assert crop.box.sides == pytest.approx((50, 0, 250, 180))


@pytest.mark.parametrize("calls", [1, 3])
def test_after_the_last_call_there_are_no_tools(calls: int) -> None:
    result = run(ToolLoop(calls=calls), eager(call(250, 100, 500, 400)))
    assert len(result.outcome.boxes) == calls
    assert [len(look.request.tools) for look in result.trace.looks] == [1] * calls + [0]
    assert result.outcome.answer.text == "seven"


def test_a_call_that_shows_nothing_is_told_so_and_counts() -> None:
    fake = eager(call(0, 0, 500, 500, name="zoom_out"))
    result = run(ToolLoop(calls=3), fake)
    assert result.outcome.boxes == ()
    assert len(result.trace.looks) == 4
    assert fake.log[-1].turns[-1].text == "there is no function 'zoom_out'; call zoom_in"


@pytest.mark.parametrize(
    "sides",
    [
        (500, 0, 250, 400),
        (0, 400, 500, 100),
        (0, 0, 0, 1000),
        (-1, 0, 500, 500),
        (0, -1, 500, 500),
        (0, 0, 1001, 500),
        (0, 0, 500, 1001),
        (0, 0, float("nan"), 500),
    ],
)
def test_a_box_outside_the_picture_is_none(sides: tuple[float, ...]) -> None:
    assert str(wanted(call(*sides), SIZE)).startswith("zoom_in takes 0 ≤ left < right ≤ 1000")
    assert wanted(call(0, 0, 1000, 1000), SIZE) == Box.of(SIZE)


@pytest.mark.parametrize("arguments", ["", "[1, 2, 3, 4]", "{}", '{"left": "a", "top": 0, "right": 1, "bottom": 1}'])
def test_arguments_that_are_no_box_are_quoted(arguments: str) -> None:
    told = wanted(ToolCall("zoom_in", arguments), SIZE)
    assert told == f"zoom_in takes the numbers left, top, right, bottom, got {arguments}"


def test_a_budget_ends_the_loop_with_what_was_said() -> None:
    result = run(ToolLoop(), eager(call(250, 100, 500, 400)), budget=250)
    assert result.outcome.answer.text == "hm"
    assert len(result.trace.looks) == 1


def test_loops_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SaccadeError, match="1 call and more, got 0"):
        ToolLoop(calls=0)
    with pytest.raises(SaccadeError, match="ToolLoop needs TOOLS"):
        run(ToolLoop(), Fake(caps=~Cap.TOOLS))


def test_a_number_too_large_for_a_float_is_told_to_the_model() -> None:
    arguments = '{"left": 0, "top": 0, "right": 1' + "0" * 400 + ', "bottom": 1000}'
    assert "takes the numbers" in str(wanted(ToolCall("zoom_in", arguments), SIZE))


def test_a_model_that_calls_what_it_was_not_offered_is_shown_nothing_more() -> None:
    made = call(0, 0, 500, 500)
    fake = Fake(talk=lambda request, size: TurnResult(answer("hm"), made))
    (result,) = Scheduler({"fake": fake}).run(ToolLoop(calls=2), [Sample(Blank(), "q", 0)])
    assert len(result.trace.looks) == 3
    assert result.outcome.answer.text == "hm"
