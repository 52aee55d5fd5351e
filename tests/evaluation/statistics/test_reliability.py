import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from saccade.core.errors import SaccadeError
from saccade.evaluation.statistics.reliability import reliability


def drawn(count: int, bend: float = 1.0) -> tuple[list[float], list[bool]]:
    rng = np.random.default_rng(1)
    sure = rng.random(count)
    return sure.tolist(), (rng.random(count) < sure**bend).tolist()


def test_scores_are_those_of_the_library() -> None:
    sure, right = drawn(700, 2.0)
    found = reliability(sure, right)
    assert found.brier == pytest.approx(brier_score_loss(right, sure))
    assert found.nll == pytest.approx(log_loss(right, sure))
    assert found.auroc == pytest.approx(roc_auc_score(right, sure))


def test_certainty_that_is_right_has_almost_no_gap_and_one_that_is_not_has_all_of_it() -> None:
    good = reliability(*drawn(20_000))
    assert good.ece < 0.015
    assert good.adaptive < 0.015
    assert good.debiased < 0.005
    bad = reliability(*drawn(20_000, 3.0))
    assert bad.ece == pytest.approx(0.25, abs=0.01)  # the mean of s - s³
    assert bad.debiased == pytest.approx(0.25, abs=0.02)


def test_few_answers_look_worse_than_they_are_and_that_is_taken_off() -> None:
    found = reliability(*drawn(60))
    assert found.adaptive > 0.08
    assert found.debiased < found.adaptive / 2


def test_the_gap_of_three_answers_by_hand() -> None:
    found = reliability([0.9, 0.9, 0.1], [True, False, False])
    assert found.ece == pytest.approx((2 * 0.4 + 0.1) / 3)
    assert [one.count for one in found.bins] == [1, 1, 1]


def test_answers_that_are_certain_count_and_cost_a_finite_amount() -> None:
    found = reliability([1.0, 1.0, 0.0, 0.0], [True, False, False, True])
    assert found.ece == 0.5 == found.adaptive
    assert found.nll == pytest.approx(-np.log(1e-6) / 2)


def test_a_gap_smaller_than_chance_would_make_it_is_none() -> None:
    assert reliability([0.5] * 60, [True, False] * 30).debiased == 0


def test_exactly_as_many_wrong_as_allowed_are_covered() -> None:
    assert reliability(np.linspace(0.1, 1, 10).tolist(), [False, *[True] * 9]).coverage == (0.9, 0.9, 1)


def test_risk_rises_with_coverage_and_ends_at_the_mean() -> None:
    found = reliability(*drawn(5000))
    shares, risks = zip(*found.curve, strict=True)
    assert shares[-1] == 1
    assert risks[-1] == pytest.approx(1 - found.accuracy)
    assert len(found.curve) == 100
    one, five, ten = found.coverage
    assert one < five < ten
    assert ten == pytest.approx(0.2, abs=0.03)  # the surest fifth is wrong in a tenth


def test_surest_first_by_hand() -> None:
    found = reliability([0.9, 0.8, 0.7, 0.6], [True, True, False, True])
    assert [risk for _, risk in found.curve] == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert found.aurc == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    assert found.coverage == (0.5, 0.5, 0.5)


def test_equal_scores_share_their_rank() -> None:
    assert reliability([0.5] * 4, [True, False, True, False]).auroc == 0.5
    assert reliability([0.5, 0.6], [True, True]).auroc is None


def test_nothing_to_judge_is_refused() -> None:
    with pytest.raises(SaccadeError, match="0 scores"):
        reliability([], [])
    with pytest.raises(SaccadeError, match="1 scores but 2 marks"):
        reliability([0.5], [True, False])
