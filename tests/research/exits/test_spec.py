"""Exits, counted; and thresholds that are read off a table."""

from dataclasses import replace

import numpy as np
import pytest

from research.exits.spec import NEVER, ExitsSpec, _shared, budgeted, left
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.towers.vit import StemTowerSpec

TOWER = StemTowerSpec(width=16, depth=5, heads=2, mlp=24, side=32)
SPEC = ExitsSpec(tower=TOWER, places=(1, 3, 5), classes=7)
GRID = Grid(4, 4)
FLOPS = (100, 140, 230)


def drawn(pictures: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Later exits are surer and more often right, and who is surer is more often right."""
    rng = np.random.default_rng(seed)
    sure = np.clip(rng.random((pictures, 3)) * 0.6 + [0.1, 0.25, 0.4], 0, 1)
    return sure, rng.random((pictures, 3)) < sure


def test_a_later_exit_costs_its_layers_and_heads_more():
    block = replace(TOWER, depth=1).cost(GRID).flops - replace(TOWER, depth=0).cost(GRID).flops
    costs = [SPEC.upto(GRID, number).flops for number in range(3)]
    assert np.diff(costs).tolist() == [2 * block + 2 * 16 * 7] * 2
    assert costs[0] == replace(TOWER, depth=1).cost(GRID).flops + 2 * 16 * 7
    assert SPEC.cost(GRID) == SPEC.upto(GRID, 2)
    assert SPEC.stages == ((0, 1), (1, 3), (3, 5))


def test_the_mean_of_a_batch():
    costs = [SPEC.upto(GRID, number).flops for number in range(3)]
    assert SPEC.expected(GRID, (0, 0, 1)) == costs[2]
    assert SPEC.expected(GRID, (0.5, 0.25, 0.25)) == pytest.approx(costs[0] / 2 + costs[1] / 4 + costs[2] / 4)
    for shares in ((0.5, 0.5), (0.5, 0.2, 0.2), (1.5, -0.5, 0.0)):
        with pytest.raises(SaccadeError, match="shares of 3 exits are above or at 0 and sum to 1, got"):
            SPEC.expected(GRID, shares)


def test_thresholds_for_every_exit_but_the_last():
    assert SPEC.thresholds(0.5) == (0.5, 0.5)
    assert SPEC.thresholds(1) == (1, 1)
    assert SPEC.thresholds([0.2, NEVER]) == (0.2, NEVER)
    with pytest.raises(SaccadeError, match="3 exits take 2 thresholds, as everyone leaves at the last, got 3"):
        SPEC.thresholds([0.1, 0.2, 0.3])
    for bad in ((0.5, -0.1), (float("nan"), 0.5)):
        with pytest.raises(SaccadeError, match="thresholds are 0"):
            SPEC.thresholds(bad)


def test_the_first_exit_that_is_sure():
    sure = np.array([[0.5, 0.9, 0.1], [0.9, 0.1, 0.1], [0.1, 0.6, 0.1], [0.1, 0.1, 0.1]])
    assert left(sure, (0.9, 0.6)).tolist() == [1, 0, 1, 2]
    assert left(sure, (0.0, 0.0)).tolist() == [0] * 4
    assert left(sure, (NEVER, NEVER)).tolist() == [2] * 4


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_keep_the_budget_on_their_table(seed: int):
    sure, right = drawn(seed=seed)
    before = 0.0
    for budget in (100, 104.5, 120, 139, 140, 170, 200, 229, 230, 1000):
        limits = budgeted(sure, right, FLOPS, budget)
        exits = left(sure, limits)
        assert np.asarray(FLOPS)[exits].mean() <= budget
        accuracy = right[np.arange(len(right)), exits].mean()
        assert accuracy >= before  # more may be spent, nothing must be
        before = accuracy
    assert np.asarray(FLOPS)[left(sure, budgeted(sure, right, FLOPS, 100))].tolist() == [100] * 200


def test_a_budget_is_used_and_used_well():
    sure, right = drawn(2000)
    for budget in (140, 180):
        limits = budgeted(sure, right, FLOPS, budget)
        exits = left(sure, limits)
        assert np.asarray(FLOPS)[exits].mean() > 0.95 * budget
        chance = np.random.default_rng(0).permutation(exits)
        rows = np.arange(len(right))
        assert right[rows, exits].mean() > right[rows, chance].mean() + 0.03


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_shares_differ_by_a_factor(factor: float):
    """Of those who are still there, so that nobody is counted twice."""
    sure, _ = drawn(2000)
    counts = np.bincount(left(sure, _shared(sure, factor)), minlength=3)
    wanted = factor ** np.arange(3)
    assert np.abs(counts - 2000 * wanted / wanted.sum()).max() <= 2


def test_an_exit_that_is_better_early_is_taken_early():
    sure, right = drawn()
    right[:, 0], right[:, 2] = True, False
    assert left(sure, budgeted(sure, right, FLOPS, 1000)).tolist() == [0] * 200


def test_of_equal_thresholds_the_cheapest_are_taken():
    sure, _ = drawn()
    right = np.ones((200, 3), dtype=bool)
    assert left(sure, budgeted(sure, right, FLOPS, 200)).tolist() == [0] * 200


def test_one_threshold_for_all_is_tried():
    """Half is sure and right at once, the rest at the end alone: no factor leaves the exit between them out."""
    early, ranks = np.arange(40) < 20, np.linspace(0, 0.1, 40)
    sure = np.stack([np.where(early, 0.8, 0.1) + ranks, 0.1 + ranks, ranks], axis=1)
    right = np.stack([early, np.zeros(40), np.ones(40)], axis=1).astype(bool)
    exits = left(sure, budgeted(sure, right, FLOPS, 170))
    assert right[np.arange(40), exits].all()


def test_shares_of_exits_are_tried():
    """The second exit is less sure of everything than the first, and right where that is not."""
    ranks = np.linspace(0, 1, 40)
    sure = np.stack([0.5 + ranks / 2, ranks / 4, np.zeros(40)], axis=1)
    right = np.stack([ranks > 0.6, ranks > 0.2, np.ones(40)], axis=1).astype(bool)
    exits = left(sure, budgeted(sure, right, FLOPS, 150))
    assert right[np.arange(40), exits].mean() > 0.9
    assert set(exits.tolist()) == {0, 1, 2}


def test_shares_of_few_are_exact():
    sure = np.linspace(0, 1, 9)[:, None].repeat(3, axis=1)
    assert np.bincount(left(sure, _shared(sure, 1.0))).tolist() == [3, 3, 3]
    assert np.bincount(left(sure[:7], _shared(sure[:7], 2.0))).tolist() == [1, 2, 4]
    apart = np.random.default_rng(0).random((40, 4))
    assert np.bincount(left(apart, _shared(apart, 1.0))).tolist() == [10, 10, 10, 10]


def test_equal_sureness_is_no_trouble():
    sure = np.ones((10, 3))
    exits = left(sure, budgeted(sure, np.ones((10, 3), dtype=bool), FLOPS, 150))
    assert exits.tolist() == [0] * 10


def test_refusals():
    with pytest.raises(SaccadeError, match="two classes or more apart, got 1"):
        replace(SPEC, classes=1)
    for places in ((), (3, 1, 5), (1, 1, 5), (0, 5)):
        with pytest.raises(SaccadeError, match="in rising order, from 1, got"):
            replace(SPEC, places=places)
    with pytest.raises(SaccadeError, match=r"after the last layer, 5, got \[1, 3\]; add it"):
        replace(SPEC, places=(1, 3))
    for number in (-1, 3):
        with pytest.raises(SaccadeError, match=f"exits are numbered 0 to 2, got {number}"):
            SPEC.upto(GRID, number)
    sure, right = drawn()
    with pytest.raises(SaccadeError, match="no picture costs less than the first exit, 100 FLOPs, got 99"):
        budgeted(sure, right, FLOPS, 99)
    for one, other in ((sure[:, :2], right[:, :2]), (sure[:5], right), (sure[:0], right[:0]), (sure[0], right[0])):
        with pytest.raises(SaccadeError, match="rows of pictures and 3 columns of exits"):
            budgeted(one, other, FLOPS, 120)
