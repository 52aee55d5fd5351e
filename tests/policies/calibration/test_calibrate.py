import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.policies.calibration.calibrate import (
    Platt,
    UncalibratedScores,
    fit_isotonic,
    fit_logistic,
    fit_platt,
    fit_temperature,
    logit,
)
from saccade.policies.calibration.confidence import Features, certainty, same


def drawn(count: int, slope: float, offset: float) -> tuple[list[float], list[bool]]:
    """Answers that are right as often as σ(slope × logit + offset) of what they say."""
    rng = np.random.default_rng(3)
    scores = rng.random(count) * 0.98 + 0.01
    chances = 1 / (1 + np.exp(-(slope * logit(scores) + offset)))
    return scores.tolist(), (rng.random(count) < chances).tolist()


def test_a_temperature_is_found_again() -> None:
    scores, right = drawn(40_000, 1 / 2.5, 0.0)
    assert fit_temperature(scores, right).temperature == pytest.approx(2.5, rel=0.05)


def test_slope_and_offset_are_those_of_logistic_regression() -> None:
    scores, right = drawn(3000, 0.6, -1.0)
    other = LogisticRegression(C=1e6).fit(logit(np.asarray(scores))[:, None], right)
    found = fit_platt(scores, right)
    assert found.slope == pytest.approx(float(other.coef_[0, 0]), rel=1e-3)
    assert found.offset == pytest.approx(float(other.intercept_[0]), rel=1e-3)


def scikit_learn(scores: list[float], right: list[bool]) -> np.ndarray:
    return IsotonicRegression().fit(scores, np.asarray(right, dtype=float)).predict(scores)


def test_isotonic_fit_is_that_of_scikit_learn_on_untied_scores() -> None:
    scores, right = drawn(500, 0.7, 0.3)
    found = fit_isotonic(scores, right)
    assert found(np.asarray(scores)) == pytest.approx(scikit_learn(scores, right), abs=1e-12)
    assert list(found.scores) == sorted(set(found.scores))
    assert (np.diff(found(np.linspace(0, 1, 200))) >= 0).all()


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60), st.randoms(use_true_random=False)
)
def test_isotonic_fit_is_that_of_scikit_learn_on_ties_in_any_order(answers: list[tuple[int, bool]], shuffler: Random):
    found = fit_isotonic([score / 6 for score, _ in answers], [right for _, right in answers])
    shuffler.shuffle(answers)
    scores, right = [score / 6 for score, _ in answers], [right for _, right in answers]
    assert fit_isotonic(scores, right) == found
    assert found(np.asarray(scores)) == pytest.approx(scikit_learn(scores, right), abs=1e-12)


@pytest.mark.parametrize("reverse", [True, False])
def test_equal_scores_are_pooled_whatever_the_order_of_their_labels(reverse: bool) -> None:
    """200 answers at 0.5, 60 % right, and 200 at 1.0, 80 % right, with the right ones first or last."""
    right = sorted([True] * 120 + [False] * 80, reverse=reverse) + sorted([True] * 160 + [False] * 40, reverse=reverse)
    found = fit_isotonic([0.5] * 200 + [1.0] * 200, right)
    assert (found.scores, found.chances) == ((0.5, 1.0), (0.6, 0.8))


def test_a_block_is_flat_between_its_least_and_greatest_score() -> None:
    found = fit_isotonic([0.1, 0.2, 0.4, 0.9], [True, False, False, True])
    assert found.scores == (0.1, 0.4, 0.9)
    assert found.chances == pytest.approx((1 / 3, 1 / 3, 1))
    assert found(np.asarray([0.65]))[0] == pytest.approx(2 / 3)


def test_calibration_leaves_no_gap_in_the_mean() -> None:
    scores, right = drawn(4000, 0.5, -0.7)
    for fit in (fit_platt, fit_isotonic):
        assert fit(scores, right)(np.asarray(scores)).mean() == pytest.approx(np.mean(right), abs=0.01)
    assert abs(np.mean(scores) - np.mean(right)) > 0.1
    assert (UncalibratedScores()(np.asarray(scores)) == scores).all()


def test_answers_that_are_all_right_stay_finite() -> None:
    for fit in (fit_temperature, fit_platt, fit_isotonic):
        found = fit([0.2, 0.9, 1.0, 0.0], [True] * 4)
        assert np.isfinite(found(np.asarray([0.0, 0.5, 1.0]))).all()


def test_scores_that_run_the_wrong_way_are_not_turned_around() -> None:
    scores = np.linspace(0.01, 0.99, 200).tolist()
    right = [score < 0.5 for score in scores]
    assert fit_platt(scores, right).slope > 0
    assert fit_temperature(scores, right).slope > 0
    assert len(set(fit_isotonic(scores, right).chances)) == 1


def features(total: float, agrees: float) -> Features:
    return Features(total, total, total, math.exp(total), 0.1, 1, 0.0, agrees)


def test_a_feature_that_tells_is_used_and_one_that_never_changes_is_not() -> None:
    rng = np.random.default_rng(0)
    rows = [features(float(-rng.random()), float(rng.random() < 0.5)) for _ in range(2000)]
    right = [bool(rng.random() < (0.9 if row.agrees else 0.2)) for row in rows]
    found = fit_logistic(rows, right)
    sure = found(rows)
    assert sure[[row.agrees == 1 for row in rows]].mean() == pytest.approx(0.9, abs=0.03)
    assert sure[[row.agrees == 0 for row in rows]].mean() == pytest.approx(0.2, abs=0.03)
    assert found.weights[5] == pytest.approx(0)


@pytest.mark.parametrize(("scores", "right", "match"), [
    ([0.5], [], "1 scores but 0 marks"), ([], [], "0 scores"), ([1.5], [True], "between 0 and 1"),
    ([float("nan")], [True], "between 0 and 1"),
])  # fmt: skip
def test_what_cannot_be_fitted_is_refused(scores: list[float], right: list[bool], match: str) -> None:
    for fit in (fit_temperature, fit_platt, fit_isotonic):
        with pytest.raises(SaccadeError, match=match):
            fit(scores, right)


def test_features_are_those_of_the_log_probabilities() -> None:
    top = ((("a", math.log(0.6)), ("b", math.log(0.3))), (("c", math.log(0.5)),))
    answer = Answer("ac", (1, 2), (math.log(0.6), math.log(0.5)), top)
    before = Answer("A c.", (), (math.log(0.25),))
    found = Features.of(answer, before)
    assert found is not None
    assert found.total == pytest.approx(math.log(0.3))
    assert found.mean == pytest.approx(math.log(0.3) / 2)
    assert found.least == pytest.approx(math.log(0.5))
    assert found.margin == pytest.approx(0.3)
    assert found.entropy == pytest.approx(-0.6 * math.log(0.6) - 0.3 * math.log(0.3) - 0.1 * math.log(0.1))
    assert (found.tokens, found.agrees) == (2, 0.0)
    assert found.change == pytest.approx(0.05)
    assert certainty(answer) == pytest.approx(0.3)


def test_the_first_look_agrees_and_a_later_one_may_be_less_sure() -> None:
    sure, unsure = (Answer("a", (1,), (math.log(chance),)) for chance in (0.7, 0.2))
    first, later = Features.of(sure), Features.of(unsure, sure)
    assert first is not None
    assert later is not None
    assert (first.agrees, later.agrees) == (1, 1)
    assert (first.change, later.change) == pytest.approx((0.7, -0.5))


def test_without_log_probabilities_nothing_is_known() -> None:
    assert Features.of(Answer("a")) is None
    assert certainty(Answer("a")) is None


def test_without_alternatives_the_margin_is_the_least_that_it_can_be() -> None:
    found = Features.of(Answer("a", (1,), (math.log(0.7),)))
    assert found is not None
    assert found.margin == pytest.approx(0.4)


def test_the_same_is_said_whatever_the_case_and_the_full_stop() -> None:
    assert same(Answer(" Red. "), Answer("red"))
    assert not same(Answer("red"), Answer("read"))


def test_a_temperature_divides() -> None:
    assert Platt(0.5).temperature == 2
    assert Platt(0.5)(np.asarray([0.5]))[0] == pytest.approx(0.5)
