from dataclasses import replace

import numpy as np
import pytest

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.core.trace import Trace
from saccade.evaluation.cascade import NEVER, TRIALS, Labelled, calibrated, certified, cheapest, expected
from saccade.policies.base import Outcome, Result
from saccade.policies.calibration.calibrate import Logistic, Platt, UncalibratedScores
from saccade.policies.calibration.certify import Certificate, Refusal
from saccade.policies.calibration.confidence import Features
from saccade.policies.ladder import Ladder, Level
from saccade.policies.single_look import SingleLook

LADDER = Ladder(
    levels=(Level(policy=SingleLook(side=32)), Level(policy=SingleLook(side=64)), Level(policy=SingleLook()))
)


def level(seed: int, count: int, accuracy: float, tokens: int, tells: float = 4.0) -> Labelled:
    """Answers of which a share is right; right ones are surer the more their certainty ``tells``."""
    rng = np.random.default_rng(seed)
    right = rng.random(count) < accuracy
    sure = 1 / (1 + np.exp(-(rng.normal(size=count) + tells * (right - 0.5))))
    return Labelled(sure, right, np.full(count, float(tokens)))


def three(count: int = 800) -> list[Labelled]:
    return [level(0, count, 0.5, 16), level(1, count, 0.75, 64), level(2, count, 0.9, 256)]


def test_the_cheapest_ladder_is_as_good_as_its_last_level_and_takes_less() -> None:
    labelled = three()
    ladder, found = cheapest(LADDER, labelled)
    assert found.accuracy >= labelled[-1].right.mean()
    assert found.visual_tokens < 250
    assert found.reached[0] == 1
    assert found.reached[1] > found.reached[2]
    sure = [one.scorer(part.sure) for one, part in zip(ladder.levels, labelled, strict=True)]
    again = expected(sure, labelled, [one.threshold for one in ladder.levels])
    assert again == found


def test_no_other_setting_on_the_grid_is_cheaper_and_as_good() -> None:
    labelled = three(200)
    ladder, found = cheapest(LADDER, labelled)
    sure = [one.scorer(part.sure) for one, part in zip(ladder.levels, labelled, strict=True)]
    rng = np.random.default_rng(0)
    steps = int(TRIALS**0.5)
    grids = [[*np.unique(np.quantile(values, np.linspace(0, 1, steps))), NEVER] for values in sure[:2]]
    for _ in range(200):
        other = expected(sure, labelled, (*(float(rng.choice(grid)) for grid in grids), 0.0))
        assert other.accuracy < labelled[-1].right.mean() or other.visual_tokens >= found.visual_tokens


def test_levels_that_only_guess_are_asked_and_never_stand() -> None:
    labelled = [level(0, 400, 0.2, 16, tells=0.0), level(2, 400, 0.9, 256)]
    ladder, found = cheapest(Ladder(levels=LADDER.levels[:2]), labelled)
    assert found.visual_tokens == pytest.approx(16 + 256, rel=0.02)
    assert found.accuracy >= 0.88
    assert ladder.levels[0].threshold > 0.3


def test_a_level_that_is_always_wrong_never_stands_though_it_is_surest() -> None:
    sure = np.linspace(0, 1, 60)
    wrong = Labelled(sure, np.zeros(60, dtype=bool), np.full(60, 16.0))
    best = Labelled(sure, np.ones(60, dtype=bool), np.full(60, 256.0))
    ladder, found = cheapest(Ladder(levels=LADDER.levels[:2]), [wrong, best])
    assert (found.accuracy, found.visual_tokens) == (1, 16 + 256)
    assert ladder.levels[0].threshold == NEVER


def test_slack_is_taken_off_the_accuracy_as_it_is() -> None:
    sure = np.full(10, 0.5)
    cheap = Labelled(sure, np.arange(10) < 3, np.full(10, 1.0))
    dear = Labelled(sure, np.arange(10) < 5, np.full(10, 100.0))
    _, found = cheapest(Ladder(levels=LADDER.levels[:2]), [cheap, dear], slack=0.2)
    assert (found.accuracy, found.visual_tokens) == (0.3, 1)


def test_answers_that_nothing_tells_of_are_not_sure() -> None:
    results = [Result(Outcome(Answer("a"), sure), Trace()) for sure in (0.7, None)]
    found = Labelled.of(results, [True, False], [16, 64])
    assert (found.sure.tolist(), found.right.tolist(), found.took.tolist()) == ([0.7, 0], [True, False], [16, 64])


def test_slack_buys_tokens() -> None:
    labelled = three()
    assert cheapest(LADDER, labelled, slack=0.05)[1].visual_tokens < cheapest(LADDER, labelled)[1].visual_tokens


def test_expected_by_hand() -> None:
    one = Labelled(np.asarray([0.9, 0.2, 0.8]), np.asarray([True, True, False]), np.asarray([1.0, 1, 1]))
    two = Labelled(np.asarray([0.5, 0.5, 0.5]), np.asarray([True, False, True]), np.asarray([10.0, 10, 10]))
    found = expected([one.sure, two.sure], [one, two], (0.85, 0.0))
    assert (found.accuracy, found.visual_tokens, found.reached) == (2 / 3, 1 + 20 / 3, (1.0, 2 / 3))


def test_the_calibrator_is_the_one_that_holds_on_the_other_half() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(2000)
    honest = Labelled(sure, rng.random(2000) < sure, np.ones(2000))
    assert abs(calibrated(honest)(np.asarray([0.3]))[0] - 0.3) < 0.06
    stepped = Labelled(sure, rng.random(2000) < np.where(sure > 0.5, 0.9, 0.1), np.ones(2000))
    found = calibrated(stepped)
    assert not isinstance(found, UncalibratedScores)
    assert found(np.asarray([0.6]))[0] > 0.8
    assert found(np.asarray([0.4]))[0] < 0.2


def told(count: int, seed: int = 0) -> Labelled:
    """Answers whose margin says more of whether they are right than their certainty."""
    rng = np.random.default_rng(seed)
    margin = rng.random(count)
    right = rng.random(count) < margin
    sure = np.clip(rng.normal(0.5, 0.2, count), 0.01, 0.99)
    features = tuple(
        Features(np.log(s), np.log(s), np.log(s), m, 0.5, 1, 0.0, 1.0) for s, m in zip(sure, margin, strict=True)
    )
    return Labelled(sure, right, np.ones(count), features)


def test_features_that_tell_more_than_certainty_are_weighed() -> None:
    labelled = told(2000)
    found = calibrated(labelled)
    assert isinstance(found, Logistic)
    fresh = told(2000, seed=1)
    scores = fresh.scored(found)
    assert scores[fresh.right].mean() - scores[~fresh.right].mean() > 0.25


def test_features_compete_where_they_save_more() -> None:
    low, high = told(800), level(1, 800, 0.9, 256)
    short = Ladder(levels=LADDER.levels[:2])
    ladder, found = cheapest(short, [low, high])
    plain, dearer = cheapest(short, [replace(low, features=None), high])
    assert isinstance(ladder.levels[0].scorer, Logistic)
    assert not isinstance(plain.levels[0].scorer, Logistic)
    assert found.visual_tokens < dearer.visual_tokens
    assert found.accuracy >= high.right.mean()


def test_what_is_certified_keeps_answers_in_the_order_of_their_certainty() -> None:
    labelled = told(2000)
    found = calibrated(labelled, ordered=True)
    assert isinstance(found, UncalibratedScores | Platt)
    stepped = Labelled(labelled.sure, labelled.sure > 0.5, labelled.took)
    assert isinstance(calibrated(stepped, ordered=True), UncalibratedScores | Platt)
    ladder, _ = certified(Ladder(levels=LADDER.levels[:2]), [labelled, labelled], risk=0.4)
    assert all(isinstance(one.scorer, UncalibratedScores | Platt) for one in ladder.levels)


def test_a_scorer_of_features_needs_features() -> None:
    found = calibrated(told(400))
    with pytest.raises(SaccadeError, match="these answers have none"):
        level(0, 10, 0.5, 1).scored(found)


def test_features_are_taken_with_the_answer_of_the_level_below() -> None:
    def results(*answers: Answer) -> list[Result]:
        return [Result(Outcome(one, 0.5), Trace()) for one in answers]

    low, high = Answer("a", (1,), (np.log(0.2),)), Answer("a", (1,), (np.log(0.7),))
    found = Labelled.of(results(high, high), [True, False], [3, 4], results(low, replace(low, text="b")))
    assert found.features is not None
    assert [(round(one.change, 6), one.agrees) for one in found.features] == [(0.5, 1.0), (0.5, 0.0)]
    assert Labelled.of(results(high, Answer("a")), [True, True], [3, 4]).features is None
    half = found.part(np.asarray([False, True]))
    assert half.features == found.features[1:]
    assert half.right.tolist() == [False]


def test_steps_that_fit_chance_are_not_taken() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(200)
    assert calibrated(Labelled(sure, rng.random(200) < sure, np.ones(200))) == UncalibratedScores()


def test_a_certified_ladder_keeps_its_promise_on_fresh_answers() -> None:
    broken = answered = 0
    for seed in range(40):
        labelled = [level(100 * seed, 600, 0.6, 16), level(100 * seed + 1, 600, 0.85, 256)]
        ladder, proofs = certified(Ladder(levels=LADDER.levels[:2]), labelled, risk=0.1)
        assert ladder.abstains
        assert len(proofs) == 2
        fresh = [level(100 * seed + 50, 4000, 0.6, 16), level(100 * seed + 51, 4000, 0.85, 256)]
        waiting, wrong, accepted = np.ones(4000, dtype=bool), 0, 0
        for one, part in zip(ladder.levels, fresh, strict=True):
            stands = waiting & (one.scorer(part.sure) >= one.threshold)
            wrong, accepted = wrong + int((~part.right[stands]).sum()), accepted + int(stands.sum())
            waiting &= ~stands
        broken += accepted > 0 and wrong / accepted > 0.1
        answered += accepted > 0
    assert answered > 30
    assert broken <= 2


def test_each_level_is_certified_on_the_questions_that_reach_it() -> None:
    labelled = three(2000)
    ladder, proofs = certified(LADDER, labelled, risk=0.1)
    waiting = np.ones(2000, dtype=bool)
    for one, part, proof in zip(ladder.levels, labelled, proofs, strict=True):
        assert proof.labels == waiting.sum()
        waiting &= one.scorer(part.sure) < one.threshold
    assert proofs[2].labels < proofs[1].labels < proofs[0].labels


def test_too_few_labels_certify_nothing_and_the_ladder_abstains_from_all() -> None:
    ladder, proofs = certified(LADDER, three(20))
    assert all(isinstance(proof, Refusal) for proof in proofs)
    assert all(one.threshold == NEVER for one in ladder.levels)


def test_doubt_is_shared_among_levels() -> None:
    _, proofs = certified(LADDER, three(2000), risk=0.1, doubt=0.06)
    assert {proof.doubt for proof in proofs} == {0.02}
    assert isinstance(proofs[0], Certificate)


def test_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SaccadeError, match="3 levels but the answers of 2"):
        cheapest(LADDER, three()[:2])
    with pytest.raises(SaccadeError, match="the same questions"):
        cheapest(LADDER, [*three(10)[:2], level(0, 9, 0.5, 1)])
