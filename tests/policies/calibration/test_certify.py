import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from saccade.core.errors import SaccadeError
from saccade.policies.calibration.certify import Certificate, Refusal, certify, fewest, upper


@given(st.integers(1, 400), st.data(), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_bound_is_that_of_clopper_and_pearson(accepted: int, data: st.DataObject, doubt: float) -> None:
    wrong = data.draw(st.integers(0, accepted))
    exact = 1.0 if wrong == accepted else float(beta.ppf(1 - doubt, wrong + 1, accepted - wrong))
    assert upper(wrong, accepted, doubt) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize(("risk", "doubt", "labels"), [(0.05, 0.05, 59), (0.1, 0.05, 29), (0.01, 0.05, 299)])
def test_the_fewest_labels_are_those_at_which_no_mistake_is_enough(risk: float, doubt: float, labels: int) -> None:
    assert fewest(risk, doubt) == labels
    assert upper(0, labels, doubt) <= risk < upper(0, labels - 1, doubt)


def drawn(rng: np.random.Generator, count: int) -> tuple[list[float], list[bool]]:
    """Scores, and whether right: surer answers are righter; a fifth is wrong in all."""
    scores = rng.random(count)
    return scores.tolist(), (rng.random(count) < 1 - (1 - scores) ** 2 * 0.6).tolist()


def risk_from(threshold: float) -> float:
    """The true share of wrong answers among those that score at least so much."""
    scores = np.linspace(threshold, 1, 20_001)
    return float((0.6 * (1 - scores) ** 2).mean())


@pytest.mark.parametrize("labels", [300, 1000])
def test_a_certified_risk_holds_in_at_least_95_of_100_draws(labels: int) -> None:
    rng = np.random.default_rng(7)
    proofs = [certify(*drawn(rng, labels), risk=0.1, doubt=0.05) for _ in range(200)]
    kept = [proof for proof in proofs if isinstance(proof, Certificate)]
    broken = sum(risk_from(proof.threshold) > 0.1 for proof in kept)
    assert broken <= 0.05 * 200
    assert len(kept) > {300: 40, 1000: 150}[labels]


def test_the_lowest_threshold_that_holds_is_given() -> None:
    scores = np.linspace(0, 1, 1000)
    right = scores > 0.3
    proof = certify(scores.tolist(), right.tolist(), risk=0.05)
    assert isinstance(proof, Certificate)
    assert 0.25 <= proof.threshold <= 0.301
    assert proof.accepted == (scores >= proof.threshold).sum()
    assert proof.wrong == (~right[scores >= proof.threshold]).sum()
    assert proof.bound <= 0.05 < upper(proof.wrong + 60, proof.accepted, 0.05)


def test_answers_that_are_all_right_are_all_accepted() -> None:
    proof = certify(np.linspace(0, 1, 300).tolist(), [True] * 300, risk=0.05)
    assert isinstance(proof, Certificate)
    assert (proof.threshold, proof.coverage, proof.accepted, proof.wrong) == (0, 1, 300, 0)


def test_the_walk_ends_at_the_first_share_that_fails() -> None:
    scores = np.linspace(0, 1, 1000)
    right = (scores < 0.98).tolist()  # 20 wrong: a tenth of the surest fifth, a fiftieth of all
    proof = certify(scores.tolist(), right, risk=0.05)
    assert isinstance(proof, Refusal)
    assert "of the 200 surest answers 20 are wrong" in proof.why


@pytest.mark.parametrize(("labels", "needed"), [(100, 295), (294, 295), (295, 590), (2000, 4000)])
def test_a_refusal_asks_for_a_first_share_that_is_large_enough_or_for_twice_as_many(labels: int, needed: int) -> None:
    proof = certify(np.linspace(0, 1, labels).tolist(), [False] * labels, risk=0.05)
    assert isinstance(proof, Refusal)
    assert proof.needed == needed


def test_too_few_labels_are_refused_with_how_many_it_takes() -> None:
    proof = certify([0.9] * 58, [True] * 58, risk=0.05)
    assert isinstance(proof, Refusal)
    assert proof.needed == 59
    assert "58 labels cannot certify a risk of 0.05 even if all were right" in proof.why
    assert isinstance(certify([0.9] * 59, [True] * 59, risk=0.05), Certificate)


def test_scores_that_say_nothing_get_no_certificate() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(2000) < 0.7
    proof = certify(rng.random(2000).tolist(), right.tolist(), risk=0.05)
    assert isinstance(proof, Refusal)
    assert proof.needed > 2000


@pytest.mark.parametrize("wrong", [{"risk": 0.0}, {"risk": 1.5}, {"risk": 0.1, "doubt": 0.0}])
def test_promises_outside_0_to_1_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SaccadeError, match="between 0 and 1"):
        certify([0.5], [True], **wrong)
    with pytest.raises(SaccadeError, match="2 scores but 1 marks"):
        certify([0.5, 0.6], [True], risk=0.1)
    with pytest.raises(SaccadeError, match="got 3 of 2"):
        upper(3, 2, 0.1)
