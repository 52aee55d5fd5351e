"""The looking classifier: against a literal loop, one picture at a time, and by torch's count."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from research.fixations.model import ConvBackbone, Foveater
from research.fixations.spec import ConvBackboneSpec, FoveaterSpec
from saccade.connectors.foveal import Pooling
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.size import Size
from saccade.specs.layouts.cells import BudgetRule, PolarRule, SquareRule, UniformRule, centre
from saccade.specs.towers.vit import StemTowerSpec
from saccade.towers import build_tower
from tests.parts import close, counted, shake

GRID = Grid(8, 12)
SPEC = FoveaterSpec(
    source=6, classes=5, grid=GRID, rule=BudgetRule(tokens=30), width=16, depth=2, heads=2, mlp=24, fixations=4, blur=3
)
SQUARE = replace(SPEC, rule=SquareRule(radii=(1, 3), root=4))
SPECS = [SPEC, SQUARE, replace(SPEC, depth=1, rule=PolarRule(radius=1.5, growth=1.6, wedges=8))]
PATH = torch.tensor([[0, 5], [17, 17], [95, 40], [50, 51], [0, 95], [40, 1]])


def made(spec: FoveaterSpec = SPEC) -> Foveater:
    model = Foveater(spec)
    shake(model)
    with torch.no_grad():
        model.head.weight.mul_(4)  # so that shares differ, and thresholds part pictures
    return model.eval()


def maps(pictures: int = 6) -> Tensor:
    return torch.randn(pictures, GRID.tokens, 6)


@torch.no_grad()
def slow(model: Foveater, patches: Tensor, path: list[int], threshold: float, limit: int) -> tuple[Tensor, list[int]]:
    """One picture, step by step as the spec tells it."""
    spec = model.spec
    votes, seen, fresh = torch.zeros(spec.classes), torch.zeros(GRID.tokens), torch.ones(GRID.tokens)
    gone: list[int] = []
    while True:
        at = path[len(gone)] if len(gone) < len(path) else int((blurred(seen, spec.blur) * fresh).argmax())
        gone.append(at)
        groups = spec.cells(at).groups
        both = torch.cat([model.enter(patches), model.positions], dim=0)
        x = [both[group].mean(0) + both[GRID.tokens + group].mean(0) for group in map(torch.from_numpy, groups)]
        x = [one + torch.tensor(float(len(group))).log() * model.area for one, group in zip(x, groups, strict=True)]
        x = torch.stack([model.vote, *x])
        for block in model.blocks:
            normed = block.norm_attention(x)
            query, key, value = block.qkv(normed).unflatten(-1, (3, spec.heads, -1)).permute(1, 2, 0, 3)
            weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
            x = x + block.out((weights @ value).transpose(0, 1).flatten(1))
            x = x + block.narrow(F.gelu(block.widen(block.norm_mlp(x)), approximate="tanh"))
        votes = votes + model.head(model.norm(x[0]))
        shares = (votes / len(gone)).softmax(0)
        if float(shares.max()) >= threshold or len(gone) == limit:
            return shares, gone
        for group, weight in zip(groups, weights[:, 0, 1:].mean(0), strict=True):
            seen[torch.from_numpy(group)] += weight
        for patch in range(GRID.tokens):
            far = (patch // 12 - at // 12) ** 2 + (patch % 12 - at % 12) ** 2
            fresh[patch] *= 1 - torch.tensor(-far / (2 * spec.sigma**2)).exp()


def blurred(seen: Tensor, side: int) -> Tensor:
    for _ in range(2):
        wide = F.pad(seen.reshape(GRID.rows, GRID.cols), (side // 2,) * 4)
        seen = torch.stack([wide[row : row + side, col : col + side].mean() for row in range(8) for col in range(12)])
    return seen


def between(sure: torch.Tensor) -> float:
    """A threshold that half of the pictures reach, and none stands on: rounding differs from batch to batch."""
    low, high = sure.sort().values[len(sure) // 2 - 1 : len(sure) // 2 + 1].tolist()
    return (low + high) / 2


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec.rule).__name__)
@pytest.mark.parametrize("given", [None, PATH])
def test_the_batch_is_each_picture_by_itself(spec, given):
    """Pictures that are sure leave the batch, and nobody notices."""
    model, patches = made(spec), maps()
    limit = between(model.look(patches, path=given, fixations=2).shares.amax(dim=1))
    found = model.look(patches, threshold=limit, path=given)
    assert len({len(path) for path in found.path}) > 1
    for picture, path in enumerate(found.path):
        first = [centre(GRID)] if given is None else given[picture].tolist()
        shares, gone = slow(model, patches[picture], first, limit, spec.fixations)
        close(found.shares[picture], shares)
        assert list(path) == gone
        assert int(found.tokens[picture]) == sum(len(spec.cells(at)) for at in path)
        assert int(found.flops[picture]) == sum(spec.glance(at).flops for at in path)


def test_the_order_of_pictures_does_not_matter():
    model, patches, order = made(), maps(), torch.tensor([5, 2, 0, 4, 1, 3])
    limit = between(model.look(patches, fixations=2).shares.amax(dim=1))
    found, moved = model.look(patches, threshold=limit), model.look(patches[order], threshold=limit)
    close(moved.shares, found.shares[order])
    assert moved.path == tuple(found.path[place] for place in order.tolist())
    assert moved.tokens.equal(found.tokens[order])


@torch.no_grad()
def test_training_sees_what_looking_sees():
    model, patches = made(), maps()
    means = model(patches, PATH[:, :1], 4)
    for looks in range(1, 5):
        close(means[:, looks - 1].softmax(dim=1), model.look(patches, path=PATH[:, :1], fixations=looks).shares)


def test_a_path_keeps_off_what_was_looked_at():
    found = made().look(maps(20), fixations=4)
    for path in found.path:
        for number, at in enumerate(path):
            near = min((abs(at // 12 - was // 12) + abs(at % 12 - was % 12) for was in path[:number]), default=9)
            assert near > 1
    assert len({path[1] for path in found.path}) > 1


def test_a_threshold_says_when_to_stop():
    model, patches = made(), maps()
    assert {len(path) for path in model.look(patches, threshold=0.0).path} == {1}
    assert {len(path) for path in model.look(patches).path} == {4}
    assert {len(path) for path in model.look(patches, fixations=2).path} == {2}


def test_no_gradient_goes_through_the_choice_and_all_weights_get_one():
    model, patches = made(), maps().requires_grad_()
    model(patches, PATH[:, :1], 3).square().sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in model.parameters())
    assert patches.grad is not None


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec.rule).__name__)
@pytest.mark.parametrize("fixation", [0, 54])
def test_cost_is_what_torch_counts(spec, fixation):
    def run(model: torch.nn.Module) -> object:
        assert isinstance(model, Foveater)
        cells = Pooling.of([spec.cells(fixation)], torch.device("meta"))  # a fixation has no value there
        return model._pooled(torch.empty(1, GRID.tokens, 6), torch.zeros(1, dtype=torch.long), cells)

    assert counted(lambda: Foveater(spec), run) == spec.glance(fixation)
    assert spec.cost([fixation, 3]) == Cost(spec.glance(fixation).flops + spec.glance(3).flops, spec.glance().params)


def test_uniform_cells_are_the_same_wherever_is_looked():
    spec = replace(SPEC, rule=UniformRule(rows=3, cols=5), fixations=1)
    assert [len(group) for group in spec.cells(0).groups] == spec.cells(50).sizes.tolist()
    assert spec.tokens([0]) == spec.tokens([50]) == 15
    blocks = {(row * 3 // 8, col * 5 // 12): [] for row in range(8) for col in range(12)}
    for patch in range(GRID.tokens):
        blocks[patch // 12 * 3 // 8, patch % 12 * 5 // 12].append(patch)
    assert [group.tolist() for group in spec.cells().groups] == list(blocks.values())


def test_a_backbone_of_convolutions():
    spec = ConvBackboneSpec(widths=(4, 8, 6))
    grid = spec.grid(Size(96, 64))
    assert grid == GRID
    assert counted(lambda: ConvBackbone(spec).eval(), lambda part: part(torch.empty(1, 3, 64, 96))) == spec.cost(grid)
    model = Foveater(SPEC, ConvBackbone(spec)).eval()
    pixels = torch.randn(3, 3, 64, 96)
    with torch.no_grad():
        x = pixels
        for conv, norm in zip(model.backbone.stages[::3], model.backbone.stages[1::3], strict=True):
            x = F.relu(norm(conv(x)))
    found = model.classify(pixels, threshold=0.5)
    whole = model.look(x.flatten(2).mT, threshold=0.5)
    close(found.shares, whole.shares)
    assert found.path == whole.path


def test_a_frozen_tower_as_backbone():
    tower = build_tower(StemTowerSpec(width=16, depth=1, heads=2, mlp=16, side=64))
    spec = replace(SPEC, source=16)
    found = Foveater(spec, tower).eval().classify(torch.randn(2, 3, 64, 96))
    assert found.shares.shape == (2, 5)
    assert [len(path) for path in found.path] == [4, 4]


def test_the_published_size():
    spec = FoveaterSpec()
    assert (spec.grid, spec.tokens([centre(spec.grid)])) == (Grid(14, 14), 76)
    whole = replace(spec, rule=SquareRule(radii=(99, 99), root=4))
    assert whole.tokens([0]) == 196
    assert 0.3 < spec.glance().flops / whole.glance().flops < 0.45


def test_refusals():
    with pytest.raises(SaccadeError, match="this model has no backbone; hand one in, or look at maps"):
        Foveater(SPEC).classify(torch.randn(1, 3, 64, 96))
    with pytest.raises(SaccadeError, match="looked at once or more, got 0 fixations"):
        Foveater(SPEC).look(maps(), fixations=0)
    with pytest.raises(SaccadeError, match="multiples of 16 px, got 100×96; "):
        ConvBackboneSpec().grid(Size(100, 96))
    with pytest.raises(SaccadeError, match="multiples of 16 px"):
        ConvBackboneSpec().grid(Size(96, 100))
    for change in ("source", "classes", "depth", "heads", "mlp", "fixations", "sigma"):
        with pytest.raises(SaccadeError, match="sizes, fixations and sigma are above 0, got"):
            replace(SPEC, **{change: 0})
    for width, heads in ((18, 2), (20, 8)):
        with pytest.raises(SaccadeError, match=f"width {width} must be a multiple of 4 and of the {heads} heads"):
            replace(SPEC, width=width, heads=heads)
    with pytest.raises(SaccadeError, match="an odd number of patches, got 4; take 5"):
        replace(SPEC, blur=4)
    with pytest.raises(SaccadeError, match="has no 9×3 cells"):
        replace(SPEC, rule=UniformRule(rows=9, cols=3))
    with pytest.raises(SaccadeError, match="has no 3×0 cells"):
        replace(SPEC, rule=UniformRule(rows=3, cols=0))
