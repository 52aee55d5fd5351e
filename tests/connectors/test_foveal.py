"""Pooling around fixations, and their choice by the words of a question, against loops."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from saccade.connectors.foveal import Foveal, Pooling, away, choose
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.records.recipe import from_dict, to_dict
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.layouts.cells import BudgetRule, PolarRule, SquareRule
from saccade.specs.reader import PARTS
from tests.parts import close, counted, shake

GRID = Grid(8, 12)
BUDGET = FovealSpec(width_in=6, width_out=10, rule=BudgetRule(tokens=30))
SQUARE = replace(BUDGET, rule=SquareRule(radii=(1, 3), root=4))
POLAR = replace(BUDGET, rule=PolarRule(radius=1.5, growth=1.6, wedges=8))
ASKED = replace(BUDGET, words=20, asked=8, text=5, heads=2, fixations=2)
ALL = [BUDGET, SQUARE, POLAR, ASKED]


def made(spec: FovealSpec) -> Foveal:
    part = Foveal(spec)
    shake(part)
    return part


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: type(spec.rule).__name__)
@torch.no_grad()
def test_tokens_are_means_over_cells_and_their_area_through_the_mlp(spec):
    part, patches = made(spec), torch.randn(4, GRID.tokens, 6)
    fixations = torch.tensor([[0, 5], [17, 17], [95, 40], [50, 51]])
    found = part(patches, GRID, fixations)
    for view in range(4):
        cells = spec.cells(GRID, tuple(fixations[view].tolist()))
        for token, group in enumerate(cells.groups):
            mean = sum((patches[view, patch] for patch in group), torch.zeros(6)) / len(group)
            wide = F.gelu(part.project.linear_1(mean + torch.tensor(float(len(group))).log() * part.area))
            close(found[view, token], part.project.linear_2(wide))
    close(part(patches, GRID)[1:2], part(patches[1:2], GRID, torch.tensor([[54]])))
    assert part(patches, GRID).shape == (4, spec.tokens(GRID), 10)


@torch.no_grad()
def test_views_with_fewer_cells_end_in_empty_ones():
    part, patches = made(SQUARE), torch.randn(2, GRID.tokens, 6)
    cells = part.cells(patches, GRID, torch.tensor([[0], [54]]))
    few, many = (len(SQUARE.cells(GRID, (at,))) for at in (0, 54))
    assert few < many == cells.sizes.shape[1]
    assert not cells.sizes[0, few:].any()
    assert cells.sizes[0, :few].all()
    assert not cells.mean(patches)[0, few:].any()
    assert [len(groups) for groups in cells.groups] == [few, many]
    close(part.pool(patches, cells)[0, :few], part(patches[:1], GRID, torch.tensor([[0]]))[0])


@torch.no_grad()
def test_what_a_cell_has_is_at_each_of_its_patches():
    cells = Pooling.of([SQUARE.cells(GRID, (at,)) for at in (0, 54)])
    values = torch.rand(cells.sizes.shape) * (cells.sizes > 0)
    spread = cells.spread(values)
    for view, groups in enumerate(cells.groups):
        for token, group in enumerate(groups):
            assert spread[view, torch.from_numpy(group)].unique().tolist() == [float(values[view, token])]
    close(cells.mean(spread[..., None])[..., 0], values)


@torch.no_grad()
def test_means_of_some_maps_are_those_of_their_copies():
    maps, rows = torch.randn(5, GRID.tokens, 6), torch.tensor([4, 0, 4])
    cells = Pooling.of([SQUARE.cells(GRID, (at,)) for at in (3, 54, 54)])
    assert cells.mean(maps, rows).equal(cells.mean(maps[rows]))


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: type(spec.rule).__name__)
@torch.no_grad()
def test_the_order_of_a_batch_does_not_matter(spec):
    part, patches, order = made(spec), torch.randn(5, GRID.tokens, 6), torch.tensor([3, 0, 4, 1, 2])
    fixations = torch.tensor([[3], [90], [44], [45], [0]])
    close(part(patches[order], GRID, fixations[order]), part(patches, GRID, fixations)[order])
    assert part(patches, GRID, fixations).equal(part(patches, GRID, fixations))
    if spec.reads_prompt:
        words = torch.randint(20, (5, 4))
        tokens, _, chosen = part.instructed(patches, GRID, words)
        moved, _, again = part.instructed(patches[order], GRID, words[order])
        assert again.equal(chosen[order])
        close(moved, tokens[order])


def test_gradients_reach_patches_and_the_choice():
    part, patches = made(ASKED), torch.randn(2, GRID.tokens, 6, requires_grad=True)
    tokens, _, _ = part.instructed(patches, GRID, torch.randint(20, (2, 4)))
    (slope,) = torch.autograd.grad((tokens * torch.randn_like(tokens)).sum(), patches)
    assert (slope.abs().amax(-1) > 0).all()
    scores = part.aim(patches, GRID, torch.randint(20, (2, 4)))
    F.cross_entropy(scores, torch.tensor([3, 4])).backward()
    assert part.choice is not None
    silent = [name for name, weight in part.choice.named_parameters() if weight.grad is None]
    assert silent == []


@torch.no_grad()
def test_words_that_are_not_real_have_no_say():
    part, patches = made(ASKED), torch.randn(3, GRID.tokens, 6)
    words = torch.randint(20, (3, 6))
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 6, [True] + [False] * 5])
    scores = part.aim(patches, GRID, words, mask)
    other = torch.where(mask, words, (words + 7) % 20)
    assert part.aim(patches, GRID, other, mask).equal(scores)
    close(part.aim(patches[:1], GRID, words[:1, :4]), scores[:1])
    assert not torch.allclose(part.aim(patches, GRID, words), scores)


@torch.no_grad()
def test_every_word_its_place_and_the_patches_matter():
    part, patches, words = made(ASKED), torch.randn(1, GRID.tokens, 6), torch.tensor([[1, 2, 3]])
    scores = part.aim(patches, GRID, words)
    for other in ([[2, 1, 3]], [[1, 2, 4]], [[0, 2, 3]]):
        assert not torch.allclose(part.aim(patches, GRID, torch.tensor(other)), scores)
    moved = patches.clone()
    moved[0, 50] += 1
    assert (part.aim(moved, GRID, words) != scores).all()  # by way of the words
    for layer in part.choice.layers:
        layer.take.weight.zero_()
    changed = (part.aim(moved, GRID, words) != part.aim(patches, GRID, words))[0].nonzero()[:, 0]
    assert changed.tolist() == [37, 38, 39, 49, 50, 51, 61, 62, 63]


@torch.no_grad()
def test_the_first_fixation_is_the_best_patch_and_later_ones_keep_off():
    scores = torch.randn(3, GRID.tokens)
    found = choose(scores, GRID, 4, 2.0)
    shares = scores.softmax(dim=1)
    for view in range(3):
        left = shares[view].clone()
        for fixation in found[view].tolist():
            assert fixation == int(left.argmax())
            for patch in range(GRID.tokens):
                far = (patch // 12 - fixation // 12) ** 2 + (patch % 12 - fixation % 12) ** 2
                left[patch] *= 1 - torch.tensor(-far / 8.0).exp()
        assert len(set(found[view].tolist())) == 4
    assert (away(found[:, 0], GRID, 2.0).gather(1, found[:, :1]) == 0).all()


@torch.no_grad()
def test_instructed_looks_where_it_aims():
    part, patches = made(ASKED), torch.randn(2, GRID.tokens, 6)
    words, mask = torch.randint(20, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    tokens, cells, fixations = part.instructed(patches, GRID, words, mask)
    assert fixations.equal(choose(part.aim(patches, GRID, words, mask), GRID, 2, ASKED.sigma))
    close(tokens, part(patches, GRID, fixations))
    assert cells.sizes.equal(part.cells(patches, GRID, fixations).sizes)


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: type(spec.rule).__name__)
def test_cost_is_what_torch_counts(spec):
    def run(part: torch.nn.Module) -> object:
        patches = torch.empty(1, GRID.tokens, 6)
        if spec.reads_prompt:
            part.aim(patches, GRID, torch.zeros(1, spec.text, dtype=torch.long))
        return part(patches, GRID)

    assert counted(lambda: Foveal(spec), run) == spec.cost(GRID)


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: type(spec.rule).__name__)
def test_recipes(spec):
    assert from_dict(to_dict(spec, PARTS), PARTS) == spec


def test_refusals():
    patches = torch.randn(1, GRID.tokens, 6)
    with pytest.raises(SaccadeError, match="looks where it is told; give its spec asked, words and text"):
        Foveal(BUDGET).instructed(patches, GRID, torch.zeros(1, 3, dtype=torch.long))
    words, mask = torch.zeros(2, 3, dtype=torch.long), torch.tensor([[True, True, True], [False] * 3])
    with pytest.raises(SaccadeError, match="a question without a word chooses nothing"):
        Foveal(ASKED).aim(patches.expand(2, -1, -1), GRID, words, mask)
    with pytest.raises(SaccadeError, match="asked 6 must be a multiple of 4 and of the 2 heads"):
        replace(ASKED, asked=6)
    with pytest.raises(SaccadeError, match="asked 12 must be a multiple of 4 and of the 8 heads"):
        replace(ASKED, asked=12, heads=8)
    for change in ({"words": 0}, {"text": 0}):
        with pytest.raises(SaccadeError, match="chooses nothing; give text and words 1 or more"):
            replace(ASKED, **change)
    with pytest.raises(SaccadeError, match="2 fixations need a question that chooses them"):
        replace(BUDGET, fixations=2)
    for change in ({"width_in": 0}, {"width_out": 0}, {"fixations": 0}, {"heads": 0}, {"sigma": 0.0}):
        with pytest.raises(SaccadeError, match="widths, heads, fixations and sigma are above 0, got"):
            replace(BUDGET, **change)
