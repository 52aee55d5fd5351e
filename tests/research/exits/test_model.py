"""The tower with exits: by torch's count, one picture at a time, and through batches that shrink."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from research.exits.model import ExitClassifier, confidence, order
from research.exits.spec import NEVER, ExitsSpec
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.towers.vit import StemTowerSpec
from saccade.towers.stem import StemTower
from tests.parts import close, counted, shake

TOWER = StemTowerSpec(width=16, depth=5, heads=2, mlp=24, side=32)
SPEC = ExitsSpec(tower=TOWER, places=(1, 3, 5), classes=7)


def made(spec: ExitsSpec = SPEC) -> ExitClassifier:
    torch.manual_seed(0)
    model = ExitClassifier(spec)
    shake(model)
    with torch.no_grad():
        for head in model.layers.heads:
            head.tell.weight.mul_(2)  # so that shares differ, and thresholds part pictures
    return model.eval()


def pixels(pictures: int = 12) -> Tensor:
    return torch.randn(pictures, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def shares(model: ExitClassifier, pictures: Tensor) -> Tensor:
    return model(pictures).softmax(dim=2)


def limits(told: Tensor) -> tuple[float, ...]:
    """Half of those that come to an exit leave there; no picture is on the edge."""
    first = between(told[:, 0].amax(dim=1))
    return first, between(told[told[:, 0].amax(dim=1) < first, 1].amax(dim=1))


def between(sure: Tensor) -> float:
    ranked = sure.sort().values
    return float(ranked[len(ranked) // 2 - 1 : len(ranked) // 2 + 1].mean())


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (3, 5)])
@pytest.mark.parametrize("places", [(5,), (1, 3, 5), (2, 4, 5)])
def test_cost_is_what_torch_counts(rows: int, cols: int, places: tuple[int, ...]):
    spec = replace(SPEC, places=places)
    run = counted(lambda: ExitClassifier(spec), lambda model: model(torch.randn(1, 3, rows * 8, cols * 8)))
    assert spec.cost(Grid(rows, cols)) == run


@pytest.mark.parametrize("number", range(3))
def test_cost_of_leaving_is_what_torch_counts(number: int):
    """A model that ends there has the weights that a leaving picture meets, and runs what it runs."""
    short = replace(SPEC, tower=replace(TOWER, depth=SPEC.places[number]), places=SPEC.places[: number + 1])
    run = counted(lambda: ExitClassifier(short), lambda model: model(torch.randn(1, 3, 32, 32)))
    assert SPEC.upto(Grid(4, 4), number) == run
    assert isinstance(run, Cost)


@torch.no_grad()
def test_the_last_exit_is_the_tower():
    model, tower = made(), StemTower(TOWER)
    weights = {name.removeprefix("layers."): weight for name, weight in model.state_dict().items()}
    last = {name: weights[f"heads.2.{name}"] for name in ("norm.weight", "norm.bias")}
    tower.load_state_dict({**{name: one for name, one in weights.items() if not name.startswith("heads")}, **last})
    close(model(pixels())[:, 2], model.layers.heads[2].tell(tower(pixels()).mean(dim=1)))
    early = StemTower(replace(TOWER, depth=3))
    kept = {name: one for name, one in tower.state_dict().items() if not name.startswith(("blocks.3", "blocks.4"))}
    early.load_state_dict({**kept, **{name: weights[f"heads.1.{name}"] for name in ("norm.weight", "norm.bias")}})
    close(model(pixels())[:, 1], model.layers.heads[1].tell(early(pixels()).mean(dim=1)))


@pytest.mark.parametrize("sure", [confidence, order])
def test_a_shrinking_batch_says_what_the_whole_one_does(sure):
    model, told = made(), shares(made(), pixels())
    how = torch.stack([sure(told[:, number]) for number in range(3)], dim=1)
    first = between(how[:, 0])
    second = between(how[how[:, 0] < first, 1])
    found = model.infer(pixels(), (first, second), sure=sure)
    expected = [0 if one[0] >= first else 1 if one[1] >= second else 2 for one in how.tolist()]
    assert set(expected) == {0, 1, 2}
    assert found.exit.tolist() == expected
    close(found.shares, told[torch.arange(12), found.exit], tolerance=1e-6)
    assert found.flops.tolist() == [SPEC.upto(Grid(4, 4), number).flops for number in expected]


def test_as_sure_as_the_threshold_is_sure_enough():
    model = made()
    told = shares(model, pixels())
    sure = confidence(told[:, 0])
    edge = float(sure.sort().values[6])
    found = model.infer(pixels(), (edge, NEVER))
    assert found.exit.tolist() == [0 if one >= edge else 2 for one in sure.tolist()]
    assert (found.exit == 0).sum() == 6


def test_company_does_not_matter():
    """Alone, in another order, or beside others: the same exit and the same answer."""
    model, pictures = made(), pixels()
    at = limits(shares(model, pictures))
    found = model.infer(pictures, at)
    turned = torch.randperm(12, generator=torch.Generator().manual_seed(2))
    moved = model.infer(pictures[turned], at)
    assert moved.exit.equal(found.exit[turned])
    close(moved.shares, found.shares[turned], tolerance=1e-6)
    for number in range(12):
        alone = model.infer(pictures[number : number + 1], at)
        assert int(alone.exit) == int(found.exit[number])
        close(alone.shares[0], found.shares[number], tolerance=1e-6)


def test_who_has_left_is_not_run_again(monkeypatch):
    model, pictures = made(), pixels()
    found = model.infer(pictures, limits(shares(model, pictures)))
    lengths: list[int] = []
    stage = model.layers.stage
    monkeypatch.setattr(model.layers, "stage", lambda x, number: (lengths.append(len(x)), stage(x, number))[1])
    model.infer(pictures, limits(shares(model, pictures)))
    assert lengths[-3:] == [int((found.exit >= number).sum()) for number in range(3)]
    assert lengths[-3:] == sorted(set(lengths[-3:]), reverse=True)
    lengths.clear()
    model.infer(pictures, 0.0)
    assert lengths == [12]


def test_everyone_and_no_one():
    model, told = made(), shares(made(), pixels())
    early, late = model.infer(pixels(), 0.0), model.infer(pixels(), NEVER)
    assert early.exit.tolist() == [0] * 12
    assert early.shares.equal(told[:, 0])
    assert late.exit.tolist() == [2] * 12
    assert late.shares.equal(told[:, 2])
    skipped = model.infer(pixels(), (NEVER, 0.0))
    assert skipped.exit.tolist() == [1] * 12
    assert skipped.shares.equal(told[:, 1])


def test_ways_of_being_sure():
    told = torch.tensor([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.7, 0.1, 0.1, 0.1]])
    assert confidence(told).tolist() == pytest.approx([0.25, 1, 0.5, 0.7])
    entropy = -(told[3] * told[3].log()).sum() / torch.tensor(4.0).log()
    close(order(told), torch.tensor([0.0, 1.0, 0.5, 1 - float(entropy)]))
    close(order(told[:3]), torch.tensor([0.0, 1.0, 0.5]))


def test_other_sizes_are_read():
    wide = torch.randn(2, 3, 24, 40)
    found = made().infer(wide, NEVER)
    assert found.flops.tolist() == [SPEC.cost(Grid(3, 5)).flops] * 2


def test_rescaling_changes_gradients_alone():
    """A layer gets the mean over the exits behind it, a head what it had."""
    model = made()
    with torch.no_grad():
        maps = model.stem(pixels(3))
    digits = torch.tensor([0, 3, 6])

    def gradients(rescaled: bool, exits: range) -> dict[str, Tensor]:
        model.zero_grad()
        told = model.layers(maps, rescaled=rescaled)
        torch.stack([F.cross_entropy(told[:, number], digits) for number in exits]).sum().backward()
        return {
            name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
            for name, weight in model.layers.named_parameters()
        }

    assert model.layers(maps, rescaled=True).equal(model.layers(maps))
    apart = [gradients(False, range(number, number + 1)) for number in range(3)]
    both = gradients(True, range(3))
    for name, got in both.items():
        if name.startswith("heads"):
            close(got, torch.stack([one[name] for one in apart]).sum(dim=0), tolerance=1e-4)
        else:
            layer = int(name.split(".")[1]) if name.startswith("blocks") else 0
            behind = [number for number, place in enumerate(SPEC.places) if place > layer]
            close(got, torch.stack([apart[number][name] for number in behind]).mean(dim=0), tolerance=1e-4)


def test_wrong_thresholds_are_refused():
    with pytest.raises(SaccadeError, match="3 exits take 2 thresholds"):
        made().infer(pixels(2), (0.5,))
    with pytest.raises(SaccadeError, match="thresholds are 0"):
        made().infer(pixels(2), float("nan"))
