from dataclasses import replace

import pytest

from saccade.core.answer import Answer
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.records.recipe import from_dict, to_dict
from saccade.core.request import Ask
from saccade.core.size import Size
from saccade.policies.base import Sample
from saccade.policies.calibration.calibrate import Logistic, Platt
from saccade.policies.catalogue import TYPES
from saccade.policies.ladder import Ladder, Level, sides, survey
from saccade.policies.refine import Refine
from saccade.policies.scales import Scales
from saccade.policies.scheduler import Scheduler
from saccade.policies.single_look import SingleLook
from saccade.policies.zoom import AttentionZoom
from tests.policies.fake import Blank, Fake, answer, peak


def by_side(sure: dict[int | None, float | None]) -> Fake:
    """Says the side that it was shown, as sure as told."""

    def asked(request: Ask, size: Size) -> Answer:
        side = request.sights[0].side
        return answer(str(side), sure[side])

    return Fake(asked=asked)


def run(fake: Fake, ladder: Ladder, **bench: Fake):
    (result,) = Scheduler({"fake": fake, **bench}).run(ladder, [Sample(Blank(), "q", 0)])
    return result


@pytest.mark.parametrize(("sure", "said", "looks"), [
    ({64: 0.95, 128: 0.1, None: 0.2}, "64", 1),
    ({64: 0.89, 128: 0.75, None: 0.2}, "128", 2),
    ({64: 0.5, 128: 0.6, None: 0.2}, "None", 3),
])  # fmt: skip
def test_a_level_stands_where_it_is_sure_enough(sure: dict, said: str, looks: int) -> None:
    result = run(by_side(sure), survey(SingleLook(side=64), SingleLook(side=128), SingleLook()))
    assert result.outcome.answer.text == said
    assert result.outcome.level == len(result.trace.looks) == looks
    assert result.trace.visual_tokens == 100 * looks


def test_as_sure_as_the_threshold_is_sure_enough() -> None:
    levels = (Level(policy=SingleLook(side=64), threshold=1.0), Level(policy=SingleLook()))
    assert run(by_side({64: 1.0, None: 0.2}), Ladder(levels=levels)).outcome.level == 1


@pytest.mark.parametrize(("said", "level"), [("aab", 2), ("abb", 3)])
def test_whether_a_level_says_what_the_one_before_said_may_decide(said: str, level: int) -> None:
    agrees = Logistic(weights=(0.0,) * 7 + (20.0,), offset=-10.0, means=(0.0,) * 8, scales=(1.0,) * 8)
    first, *others = (Level(policy=SingleLook(side=side)) for side in (50, 60, 70))
    second, third = (replace(level, scorer=agrees) for level in others)
    words = iter(said)
    result = run(Fake(asked=lambda *_: answer(next(words), 0.5)), Ladder(levels=(first, second, third)))
    assert result.outcome.level == level


def test_a_budget_leaves_the_answer_of_the_level_that_was_reached() -> None:
    fake = by_side({64: 0.5, None: 0.99})
    (result,) = Scheduler({"fake": fake}).run(survey(SingleLook(side=64), SingleLook()), [Sample(Blank(), "q", 0, 150)])
    assert (result.outcome.answer.text, result.outcome.level) == ("64", 1)
    assert result.outcome.confidence == pytest.approx(0.5)


def test_the_calibrated_certainty_decides_and_is_told() -> None:
    unsure = Level(policy=SingleLook(side=64), threshold=0.9, scorer=Platt(1.0, -5.0))
    result = run(by_side({64: 0.97, None: 0.6}), Ladder(levels=(unsure, Level(policy=SingleLook()))))
    assert result.outcome.answer.text == "None"
    surer = Level(policy=SingleLook(side=64), threshold=0.9, scorer=Platt(1.0, 5.0))
    result = run(by_side({64: 0.6, None: 0.6}), Ladder(levels=(surer, Level(policy=SingleLook()))))
    assert result.outcome.answer.text == "64"
    assert result.outcome.confidence == pytest.approx(1 / (1 + (0.4 / 0.6) * 2.718281828**-5))


@pytest.mark.parametrize("abstains", [True, False])
def test_a_ladder_may_abstain_where_its_last_level_is_not_sure(abstains: bool) -> None:
    levels = (Level(policy=SingleLook(side=64)), Level(policy=SingleLook(), threshold=0.8))
    unsure = run(by_side({64: 0.5, None: 0.7}), Ladder(levels=levels, abstains=abstains))
    assert unsure.outcome.abstains is abstains
    assert unsure.outcome.answer.text == "None"
    sure = run(by_side({64: 0.5, None: 0.85}), Ladder(levels=levels, abstains=abstains))
    assert not sure.outcome.abstains


def test_a_last_level_that_is_not_sure_tells_its_calibrated_certainty() -> None:
    result = run(by_side({None: 0.5}), Ladder(levels=(Level(policy=SingleLook(), scorer=Platt(1.0, -1.0)),)))
    assert result.outcome.confidence == pytest.approx(1 / (1 + 2.718281828))


def test_levels_may_be_other_models() -> None:
    small, large = Fake(asked=lambda *_: answer("small", 0.4), name="s"), Fake(asked=lambda *_: answer("large"))
    ladder = Ladder(levels=(Level(policy=SingleLook(), model="small"), Level(policy=SingleLook(), model="large")))
    result = run(small, ladder, small=small, large=large)
    assert result.outcome.answer.text == "large"
    assert len(small.log) == len(large.log) == 1


def test_a_level_looks_as_its_own_model_can() -> None:
    single = Fake(asked=lambda *_: answer("?", 0.5), caps=~Cap.MULTI_IMAGE)
    several = Fake(look=lambda request, size: (peak(size, 0.5, 0.5),), name="several")
    zoom = AttentionZoom(gate=2, relative=False)
    result = run(
        single, Ladder(levels=(Level(policy=SingleLook()), Level(policy=zoom, model="several"))), several=several
    )
    assert len(result.trace.looks[-1].request.sights) == 2


def test_without_log_probabilities_two_looks_that_agree_are_sure() -> None:
    agrees = run(Fake(asked=lambda *_: answer("yes", None)), sides(64, None, agree=True))
    assert len(agrees.trace.looks) == 2
    assert agrees.outcome.confidence == 1
    said = iter(["a", "b", "c", "C."])
    differs = run(Fake(asked=lambda *_: answer(next(said), None)), sides(64, None, agree=True))
    assert len(differs.trace.looks) == 4
    assert differs.outcome.answer.text == "c"
    boxes = [look.request.sights[0].box for look in differs.trace.looks]
    assert boxes[0] is None
    assert boxes[1] is not None
    assert (boxes[1].left, boxes[1].width) == pytest.approx((16, 368))


def test_the_second_look_for_agreement_is_as_small_and_a_little_less_on_all_sides() -> None:
    result = run(Fake(asked=lambda *_: answer("yes", None)), sides(64, agree=True))
    (second,) = result.trace.looks[1].request.sights
    assert second.side == 64
    assert second.box is not None
    assert second.box.sides == pytest.approx((16, 12, 384, 288))


def test_without_log_probabilities_and_agreement_the_last_level_answers() -> None:
    result = run(Fake(asked=lambda *_: answer("yes", None)), sides(64, 128, None))
    assert len(result.trace.looks) == 3
    assert result.outcome.confidence is None


def test_a_level_that_a_model_cannot_run_is_refused_by_name() -> None:
    ladder = Ladder(levels=(Level(policy=SingleLook()), Level(policy=AttentionZoom(), model="large")))
    fakes = {"": Fake(caps=Cap.GENERATE), "large": Fake(caps=Cap.GENERATE, name="large")}
    with pytest.raises(SaccadeError, match="needs ATTN_LM, which large has not"):
        Scheduler({"fake": fakes[""], "large": fakes["large"]}).check(ladder)


def test_a_ladder_takes_what_all_of_its_levels_take() -> None:
    ladder = Ladder(levels=(Level(policy=AttentionZoom()), Level(policy=SingleLook())))
    assert ladder.requires == {"": Cap.GENERATE | Cap.ATTN_LM}


def test_a_ladder_travels_as_data() -> None:
    ladder = Ladder(
        levels=(Level(policy=SingleLook(side=64), scorer=Platt(0.5, 0.1)), Level(policy=AttentionZoom(words=True)))
    )
    assert from_dict(to_dict(ladder, TYPES), TYPES) == ladder


def test_ladders_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SaccadeError, match="at least 1 level, got 0"):
        Ladder(levels=())
    with pytest.raises(SaccadeError, match="4 levels take 3 thresholds, got 2"):
        survey(SingleLook(), SingleLook(), SingleLook(), SingleLook())


@pytest.mark.parametrize("policy", [SingleLook(agree=True), sides(64, None, agree=True)], ids=["once", "ladder"])
def test_a_budget_for_one_look_leaves_its_answer_though_nobody_agrees(policy: SingleLook | Ladder) -> None:
    fake = Fake(asked=lambda *_: answer("yes", None))
    (result,) = Scheduler({"fake": fake}).run(policy, [Sample(Blank(), "q", 0, 150)])
    assert result.outcome.answer.text == "yes"
    assert result.outcome.confidence is None


@pytest.mark.parametrize("policy", [AttentionZoom(), Scales(), Refine()], ids=["zoom", "scales", "refine"])
def test_a_budget_that_ends_a_level_leaves_what_that_level_said(policy: AttentionZoom | Scales | Refine) -> None:
    ladder = Ladder(levels=(Level(policy=policy), Level(policy=SingleLook(side=99))))
    fake = Fake(look=lambda request, size: (peak(size, 0.2, 0.2), peak(size, 0.5, 0.5, width=9.0)))
    (result,) = Scheduler({"fake": fake}).run(ladder, [Sample(Blank(), "q", 0, 150)])
    assert result.outcome.level == 1
