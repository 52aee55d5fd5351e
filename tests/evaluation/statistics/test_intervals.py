from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from saccade.core.errors import SaccadeError
from saccade.evaluation.statistics import intervals
from saccade.evaluation.statistics.intervals import Interval, clustered, paired


def literal(values: list[float], clusters: list[str], draws: int) -> tuple[float, float]:
    """The bootstrap as one would explain it."""
    rng, names = np.random.default_rng(99), sorted(set(clusters))
    means = []
    for _ in range(draws):
        picked = [names[int(place)] for place in rng.integers(len(names), size=len(names))]
        drawn = [value for name in picked for value, cluster in zip(values, clusters, strict=True) if cluster == name]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return means[round(0.025 * draws)], means[round(0.975 * draws) - 1]


def test_agrees_with_a_literal_bootstrap_on_ragged_clusters():
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 9, size=30)
    clusters = [f"p{place}" for place, size in enumerate(sizes) for _ in range(size)]
    values = (rng.random(len(clusters)) < np.repeat(rng.random(30), sizes)).astype(float)
    ours, theirs = clustered(values, clusters, draws=8000), literal(values.tolist(), clusters, 3000)
    assert ours.ends == pytest.approx(theirs, abs=0.012)
    assert ours.mean == pytest.approx(values.mean())


def test_independent_questions_get_the_normal_interval():
    values = np.arange(4000) % 4 != 0
    found = clustered(values, range(4000), draws=4000)
    half = 1.96 * (0.75 * 0.25 / 4000) ** 0.5
    assert found.mean == 0.75
    assert found.ends == pytest.approx((0.75 - half, 0.75 + half), abs=0.0015)


def test_shared_luck_widens_the_interval():
    luck = np.repeat(np.arange(60) % 2 == 0, 8)
    together, apart = clustered(luck, np.repeat(np.arange(60), 8).tolist()), clustered(luck, range(480))
    assert together.ends is not None
    assert apart.ends is not None
    ratio = (together.ends[1] - together.ends[0]) / (apart.ends[1] - apart.ends[0])
    assert ratio == pytest.approx(8**0.5, rel=0.15)


def test_pictures_under_two_seeds_are_two_clusters():
    values, pictures = np.tile([1.0, 0.0, 1.0, 1.0], 2), list("abcd") * 2
    keys = [(picture, place // 4) for place, picture in enumerate(pictures)]
    assert clustered(values, keys) != clustered(values, pictures)
    assert clustered(values, keys) == clustered(values, range(8))


def test_a_pair_cancels_what_both_share():
    rng = np.random.default_rng(1)
    hard = rng.random(600)
    a, b = hard < 0.80, hard < 0.75
    clusters = np.repeat(np.arange(200), 3).tolist()
    found, alone = paired(a, b, clusters), clustered(a, clusters)
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert found.ends is not None
    assert alone.ends is not None
    assert 0 < found.ends[0] < found.ends[1]
    assert found.ends[1] - found.ends[0] < alone.ends[1] - alone.ends[0]
    assert paired(b, a, clusters).mean == -found.mean


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40), st.integers(0, 3))
def test_law(pairs: list[tuple[bool, int]], seed: int):
    values, clusters = np.asarray([right for right, _ in pairs]), [cluster for _, cluster in pairs]
    found = clustered(values, clusters, draws=50, seed=seed)
    assert found == clustered(values, clusters, draws=50, seed=seed)
    assert (found.ends is None) == (len(set(clusters)) == 1)
    if found.ends is not None:
        assert 0 <= found.ends[0] < found.ends[1] <= 1


def test_chunks_change_no_draw(monkeypatch: pytest.MonkeyPatch):
    values, clusters = np.arange(50) % 3 == 0, (np.arange(50) // 2).tolist()
    whole = clustered(values, clusters, draws=333)
    monkeypatch.setattr(intervals, "CHUNK", 100)
    assert clustered(values, clusters, draws=333) == whole


def test_a_higher_level_is_wider():
    values = np.arange(100) % 3 == 0
    narrow, wide = clustered(values, range(100), level=0.5).ends, clustered(values, range(100), level=0.99).ends
    assert narrow is not None
    assert wide is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_one_cluster_has_a_mean_and_no_ends():
    assert clustered(np.asarray([1, 0]), ["a", "a"]) == Interval(0.5, None, None)
    assert Interval(0.5, None, None).ends is None


def clopper_pearson(right: int, count: int) -> tuple[float, float]:
    """The textbook's exact 95 % interval of a share."""
    low = 0.0 if right == 0 else float(beta.ppf(0.025, right, count - right + 1))
    return low, 1.0 if right == count else float(beta.ppf(0.975, right + 1, count - right))


@pytest.mark.parametrize("count", [2, 5, 20, 160])
def test_all_right_and_all_wrong_get_the_exact_interval_of_a_share(count: int):
    assert clustered(np.ones(count), range(count)).ends == pytest.approx(clopper_pearson(count, count))
    assert clustered(np.zeros(count), range(count)).ends == pytest.approx(clopper_pearson(0, count))


def test_twenty_of_twenty_right_is_at_least_83_2_per_cent():
    low, high = clustered(np.ones(20), range(20)).ends or (0.0, 0.0)
    assert (round(low, 3), high) == (0.832, 1.0)


def test_clusters_that_all_agree_leave_room_on_both_sides():
    share = 1 - 0.025 ** (1 / 10)
    values, clusters = np.tile([1.0, 0.0, 1.0, 1.0], 10), np.repeat(np.arange(10), 4).tolist()
    assert clustered(values, clusters).ends == pytest.approx((0.75 * (1 - share), 0.75 * (1 - share) + share))
    assert clustered(np.tile([0.1, 0.2, 0.3], 10), np.repeat(np.arange(10), 3).tolist()).ends is not None


def test_equal_answers_leave_a_difference_open_to_both_sides():
    share = 1 - 0.025 ** (1 / 40)
    right = np.arange(40) % 2 == 0
    assert paired(right, right, range(40)).ends == pytest.approx((-share, share))
    assert paired(np.ones(40), np.zeros(40), range(40)).ends == pytest.approx((1 - 2 * share, 1.0))


@pytest.mark.parametrize(("right", "count"), [(19, 20), (1, 20), (17, 20), (159, 160), (5, 160)])
def test_near_the_edge_the_interval_is_close_to_the_exact_one(right: int, count: int):
    found, exact = clustered(np.arange(count) < right, range(count), draws=20_000).ends, clopper_pearson(right, count)
    assert found == pytest.approx(exact, abs=0.25 * (exact[1] - exact[0]) / 2)


@pytest.mark.parametrize(("better", "clear"), [(1, False), (4, False), (5, False), (8, True)])
def test_few_differences_all_of_one_sign_are_judged_as_by_a_sign_test(better: int, clear: bool):
    """Two-sided sign test at 5 %: five of five is p = 0.06, eight of eight p = 0.008."""
    low, _ = paired(np.arange(160) < better, np.zeros(160), range(160)).ends or (0.0, 0.0)
    assert (low > 0) == clear


def test_a_tie_of_clusters_is_not_missed_for_a_rounding_error():
    values = np.asarray([0.1, 0.2, 0.3, 0.2, 0.3, 0.1, 0.3, 0.1, 0.2])
    assert clustered(values, list("aaabbbccc")).ends == pytest.approx(clustered(np.full(3, 0.2), list("abc")).ends)


@pytest.mark.parametrize(("clusters", "questions", "accuracy"), [
    (20, 1, 0.95), (20, 1, 0.85), (20, 4, 0.95), (60, 1, 0.97), (160, 1, 0.975), (160, 4, 0.99),
])  # fmt: skip
def test_coverage_near_the_edge(clusters: int, questions: int, accuracy: float):
    """Images of varying ease (Beta(a, 1 − a) shares of right answers): a 95 % interval holds the truth 94 % and more.

    The bootstrap, widened only where all clusters agree, holds it in 89 % of (20, 4, 0.95), 91 % of (160, 1, 0.975).
    """
    rng, times, held = np.random.default_rng(11), 300, 0
    names = np.repeat(np.arange(clusters), questions).tolist()
    for _ in range(times):
        ease = rng.beta(accuracy, 1 - accuracy, size=clusters).repeat(questions)
        low, high = clustered(rng.random(len(names)) < ease, names, draws=400).ends or (0.0, 0.0)
        held += low <= accuracy <= high
    assert held / times >= 0.94


@pytest.mark.parametrize(
    ("values", "clusters", "options", "told"),
    [
        ([], [], {}, "at least 1 value"),
        ([[1.0], [0.0]], ["a", "b"], {}, r"shape \(2, 1\)"),
        ([1.0, 0.0], ["a"], {}, "2 values but 1 clusters"),
        ([1.0, np.nan], ["a", "b"], {}, "1 of 2 values are not finite"),
        ([1.0, 0.0], ["a", "b"], {"draws": 19}, "at least 20 draws .* got 19 and 0.95"),
        ([1.0, -0.5], ["a", "b"], {}, "values from -0.5 to 1 outside its bounds of 0 to 1"),
        ([1.0, 3.0], ["a", "b"], {"bounds": (0.0, 2.0)}, "values from 1 to 3 outside its bounds of 0 to 2"),
        ([1.0, 0.0], ["a", "b"], {"level": 1.0}, "got 2000 and 1.0"),
    ],
)
def test_refusals(values: list[float], clusters: list[str], options: dict[str, Any], told: str):
    with pytest.raises(SaccadeError, match=told):
        clustered(np.asarray(values), clusters, **options)


def test_a_pair_of_unequal_length_is_refused():
    with pytest.raises(SaccadeError, match=r"\(3,\) and \(2,\)"):
        paired(np.ones(3), np.ones(2), ["a", "b", "c"])
