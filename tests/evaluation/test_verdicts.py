"""Verdicts and the cheapest budget, by hand."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.evaluation.answered import Answered
from saccade.evaluation.baselines import baselines, fewer, matched, shared_baselines
from saccade.evaluation.candidates import Candidate, single_looks
from saccade.evaluation.candidates import Model as Compared
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.runner import PosedQuestion, Runner
from saccade.evaluation.scoring import Entry
from saccade.evaluation.storage.journal import MemoryJournal
from saccade.evaluation.verdicts import cheapest_within, verdict
from saccade.policies.single_look import SingleLook
from saccade.tasks.exam import Question
from tests.evaluation.small import Own, OwnExam, Server
from tests.policies.fake import EVERYTHING, Fake


def asked(count: int = 4) -> list[PosedQuestion]:
    exam = OwnExam([Own(f"p{n}", (Question("?", ("a",), "k", "detail"),)) for n in range(count)])
    return Runner(exam, MemoryJournal(), Marking()).posed


def entry(model: str, title: str, tokens: int, scores: Sequence[float], budget: int | None = None) -> Entry:
    one = Candidate(model=model, title=title, policy=SingleLook(), bench={model: Fake(name=model)}, budget=budget)
    answers = tuple(
        Answered(
            picture=f"p{n}", place=0, said="", read="", score=float(score), visual_tokens=tokens, tokens=tokens,
            slots=None, predicted=None, counted=None, bytes=None, ms=1.0, looks=2,
        )
        for n, score in enumerate(scores)
    )  # fmt: skip
    return Entry((one,), (answers,))


def test_a_policy_has_to_beat_the_next_larger_picture_and_the_best_look_that_takes_no_more() -> None:
    whole, small = entry("far", "once", 400, [1, 1, 1, 1]), entry("small", "once", 90, [0, 0, 0, 1])
    singles = [
        whole, small, entry("far", "resize", 120, [1, 1, 0, 0]), entry("far", "resize", 110, [1, 0, 0, 0]),
        entry("far", "resize", 80, [1, 1, 1, 1]), entry("other", "once", 100, [0, 1, 1, 0]),
        entry("late", "once", 101, [1, 1, 1, 1]),
    ]  # fmt: skip
    policy = entry("far", "scales", 100, [1, 1, 1, 0])
    found = verdict(policy, asked(), singles)
    assert found.resize is not None
    assert found.best is not None
    assert found.resize.detail is not None
    assert found.best.detail is not None
    assert (found.resize.visual_tokens, found.resize.detail.mean) == (110, 0.5)
    assert (found.best.reader, found.best.detail.mean) == ("other", 0.25)
    alone = verdict(policy, asked(), [whole, small])
    assert alone.resize is not None
    assert alone.resize.visual_tokens == 400
    assert verdict(policy, asked(), [whole]).best is None


def test_the_cheapest_budget_within_a_loss_is_named_with_how_sure_that_is() -> None:
    whole = entry("far", "once", 400, [1, 1, 1, 1])
    others = [whole, entry("far", "resize", 100, [1, 1, 1, 0.5], 100), entry("far", "uniform", 50, [1, 0, 0, 0], 50)]
    found = cheapest_within(whole, others, asked(), 0.2)
    assert found is not None
    assert (found.policy, found.budget, found.difference, found.proved) == ("resize", 100, -0.125, False)
    exact = cheapest_within(whole, others, asked(), 0.125)
    assert exact is not None
    assert exact.policy == "resize"
    tight = cheapest_within(whole, others, asked(), 0.1)
    assert tight is not None
    assert tight.policy == "once"


def test_costs_are_of_answered_questions_and_faults_are_told() -> None:
    whole = entry("far", "once", 400, [1, 1, 1, 1])
    broken = replace(whole.answers[0][0], error="gone", visual_tokens=0, score=0.0)
    mixed = Entry(whole.candidates, ((broken, *whole.answers[0][1:]),))
    assert mixed.visual_tokens == 400
    assert mixed.scores.tolist() == [0, 1, 1, 1]
    assert mixed.fault is not None
    assert "1 of 4 questions got no answer and count as wrong; the first: gone" in mixed.fault
    assert whole.fault is None


def model(caps: Cap = EVERYTHING) -> Compared:
    return Compared("m", {0: Fake(caps=caps), 3: Fake(caps=caps)}, baseline=True)


def test_baselines_are_what_a_model_can_do() -> None:
    def titles(caps: Cap) -> set[str]:
        return {one.title for one in baselines(model(caps), (16, 4), 7)}

    assert titles(EVERYTHING) == {"resize", "random", "uniform"}
    assert titles(EVERYTHING & ~Cap.RESIZE) == {"random", "uniform"}
    assert titles(EVERYTHING & ~Cap.KEEP) == titles(EVERYTHING & ~Cap.POSITIONS) == {"resize"}
    shared = [one.title for one in shared_baselines(Compared("far", {0: Server()}), 7)]
    assert shared == ["resize", "resize"]


def test_every_candidate_of_a_comparison_has_a_name_of_its_own() -> None:
    both = model()
    made = [*single_looks(both), *baselines(both, (64, 16, 4), 7), *shared_baselines(both, 7)]
    assert len({one.key for one in made}) == len(made)
    assert len({one.row for one in made}) == len(made) / 2
    assert {one.policy.keep.seed for one in made if isinstance(one.policy, SingleLook) and one.policy.keep} == {7}


@pytest.mark.parametrize(("tokens", "budget"), [(1, 1), (16, 16), (16.1, 17), (112.4, 113), (0.5, 1), (300, None)])
def test_a_matched_picture_takes_no_fewer_tokens(tokens: float, budget: int | None) -> None:
    found = matched(model(), tokens, 256, float)
    assert [one.budget for one in found] == ([] if budget is None else [budget, budget])


def test_a_matched_budget_is_raised_until_sizes_that_come_in_steps_take_enough():
    found = matched(model(), 64.5, 256, lambda budget: 16.0 * (budget // 16))
    assert [one.budget for one in found] == [80, 80]
    assert matched(model(), 250.5, 256, lambda budget: 16.0 * (budget // 16)) == []


def test_a_model_without_budgets_is_matched_by_length() -> None:
    (one,) = matched(Compared("far", {0: Server()}), 64, 256, lambda budget: None)
    assert isinstance(one.policy, SingleLook)
    assert one.policy.share == pytest.approx(0.5123, abs=1e-3)


def test_budgets_that_take_nothing_away_are_left_out_and_refused_where_all_do() -> None:
    assert fewer([300, 16, 16, 4], 256, "m") == [16, 4]
    with pytest.raises(SaccadeError, match="budgets below the 256 visual tokens of m, got 300, 400; try 64"):
        fewer([300, 400], 256, "m")
