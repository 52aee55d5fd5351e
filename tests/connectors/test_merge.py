"""Token merging against loops over lists."""

import pytest
import torch
from torch import Tensor

from saccade.connectors.merge import Merge
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.connectors.merge import MergeSpec
from tests.parts import close, counted

GRIDS = [Grid(3, 3), Grid(4, 5), Grid(1, 2), Grid(6, 6)]


def spec(budget: int) -> MergeSpec:
    return MergeSpec(width_in=6, width_out=8, budget=budget)


def slow(patches: list[Tensor], budget: int) -> list[list[int]]:
    """The members of each token: every second token offers itself to the others, the best offers are taken."""
    members = [[number] for number in range(len(patches))]
    while len(members) > budget:
        means = [torch.stack([patches[patch] for patch in token]).mean(0) for token in members]
        offers = []
        for giver in range(1, len(members), 2):
            alike = [
                float(torch.cosine_similarity(means[giver], means[taker], 0)) for taker in range(0, len(members), 2)
            ]
            best = max(range(len(alike)), key=alike.__getitem__)
            offers.append((alike[best], giver, 2 * best))
        offers.sort(reverse=True)
        gone = offers[: min(len(members) - budget, len(members) // 2)]
        for _, giver, taker in gone:
            members[taker] += members[giver]
        members = [token for number, token in enumerate(members) if number not in {giver for _, giver, _ in gone}]
    return [sorted(token) for token in members]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("budget", [1, 2, 5, 40])
def test_loops_give_the_same(grid, budget):
    ours, patches = Merge(spec(budget)), torch.randn(2, grid.tokens, 6)
    merged = ours.melt(patches, grid)
    for view in range(2):
        expected = slow(list(patches[view]), budget)
        assert [group.tolist() for group in merged.groups[view]] == expected
        means = torch.stack([patches[view][token].mean(0) for token in expected])
        close(merged.tokens[view], means)
        close(ours(patches, grid)[view], ours.project(means[None])[0])
    assert merged.tokens.shape[1] == spec(budget).tokens(grid) == min(budget, grid.tokens)


def test_each_patch_is_in_one_token():
    merged = Merge(spec(5)).melt(torch.randn(3, 36, 6), Grid(6, 6))
    for groups in merged.groups:
        assert sorted(patch for group in groups for patch in group) == list(range(36))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("budget", [2, 5])
def test_cost_is_what_torch_counts(grid, budget):
    made = spec(budget)
    assert made.cost(grid) == counted(lambda: Merge(made), lambda part: part(torch.empty(1, grid.tokens, 6), grid))


def test_refuses_a_budget_of_nothing():
    with pytest.raises(SaccadeError, match="at least 1 token, got 0"):
        spec(0)
