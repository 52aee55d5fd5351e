"""The tower with exits in training, and its study: pieces, losses, runs that go on, what is counted."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from research.clutter import clutter
from research.exits import study as module
from research.exits import training as training
from research.exits.model import ExitClassifier, confidence, order
from research.exits.run import STUDY
from research.exits.spec import ExitsSpec, budgeted, left
from research.exits.study import ExitSavings, ExitStudy, shares, study, table
from research.exits.table import exits_curve, exits_markdown, exits_table
from research.exits.training import (
    WAYS,
    ExitsJob,
    ExitsRecipe,
    Pieces,
    begun,
    cut,
    exits_loss,
    mapped,
    pieces_of,
    train_exits,
)
from saccade.core.errors import SaccadeError
from saccade.evaluation.statistics.intervals import clustered
from saccade.specs.towers.vit import StemTowerSpec
from saccade.towers.stem import StemTower
from saccade.training.loop import Schedule, run
from tests.parts import close

SMALL = ExitsRecipe(
    seeds=(0, 1), scenes=5, calibration=4, test=3, cuts=2, schedule=Schedule(steps=2, batch=4), side=48, small=40,
    width=16, depth=3, heads=2, mlp=4096, places=(1, 2, 3), weights=(1.0, 1.0, 2.0), budget=2,
)  # fmt: skip
TOWER = StemTowerSpec(width=16, depth=2, heads=2, mlp=4096, side=64)


def tower(spec: StemTowerSpec = TOWER) -> StemTower:
    torch.manual_seed(9)
    return StemTower(spec)


def data(count: int = 10, seed: int = 0) -> Pieces:
    draw = torch.Generator().manual_seed(seed)
    drawn = torch.randint(256, (count, 48, 48, 3), generator=draw, dtype=torch.uint8)
    return Pieces(drawn, torch.randint(10, (count,), generator=draw))


def job(way: str = "exits", recipe: ExitsRecipe = SMALL) -> ExitsJob:
    model = begun(recipe.spec, tower(), 0)
    assert way in WAYS
    return ExitsJob(model, mapped(model, data(), 48), data().digits, recipe, way=way, seed=0)


def quiet(name: str, steps: int):
    del name, steps
    return lambda *_: None


@pytest.mark.parametrize("number", range(6))
def test_a_piece_shows_the_ring_and_its_digit(number: int):
    made, digit = cut("train", number, 5, 48)
    scene = clutter("train", number)
    pixels, box = np.asarray(scene.image), scene.evidence
    assert digit == scene.digit
    assert made.shape == (5, 48, 48, 3)
    assert len({piece.tobytes() for piece in made}) > 1
    evidence = pixels[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
    for piece in made:
        rows, cols = evidence.shape[:2]
        windows = np.lib.stride_tricks.sliding_window_view(piece, (rows, cols, 3))[:, :, 0]
        assert (windows == evidence).all(axis=(2, 3, 4)).any()
    again, _ = cut("train", number, 5, 48)
    assert (again == made).all()
    with pytest.raises(SaccadeError, match="a piece of 16 px is too small"):
        cut("train", number, 1, 16)


def test_pieces_are_kept_and_scaled(tmp_path: Path):
    first = pieces_of(SMALL, tmp_path, quiet)
    assert [len(one.digits) for one in first] == [10, 4, 3]
    assert first[0].digits.tolist() == [clutter("train", number).digit for number in range(5) for _ in range(2)]
    again = pieces_of(replace(SMALL, scenes=1), tmp_path, quiet)
    for one, other in zip(first, again, strict=True):
        assert one.drawn.equal(other.drawn)
        assert one.digits.equal(other.digits)
    pixels = first[1].pixels(48)
    close(pixels[2, 1], first[1].drawn[2, :, :, 1] / 127.5 - 1, tolerance=1e-6)
    smaller = first[1].pixels(24)
    assert smaller.shape == (4, 3, 24, 24)
    # away from the border, an antialiased halving is a smooth mean of its surroundings
    assert float((smaller - F.avg_pool2d(pixels, 2)).abs().mean()) < 0.25 * float(pixels.std())


def test_a_model_begins_as_the_tower():
    start, model = tower(), begun(SMALL.spec, tower(), 3)
    for name, weight in start.stem.state_dict().items():
        assert weight.equal(model.stem.state_dict()[name])
    for number in range(2):
        for one, other in zip(start.blocks[number].parameters(), model.layers.blocks[number].parameters(), strict=True):
            assert one.equal(other)
    assert model.layers.positions.equal(start.positions[1:7, 1:7])
    assert not any(weight.requires_grad for weight in model.stem.parameters())
    assert begun(SMALL.spec, start, 3).layers.blocks[2].qkv.weight.equal(model.layers.blocks[2].qkv.weight)
    assert not begun(SMALL.spec, start, 4).layers.blocks[2].qkv.weight.equal(model.layers.blocks[2].qkv.weight)
    with pytest.raises(SaccadeError, match="begins as a tower of width 16, 2 heads and mlp 4096, got 32, 2 and 4096"):
        begun(replace(SMALL, width=32).spec, start, 0)
    with pytest.raises(SaccadeError, match="positions for 32 px, a piece has 48"):
        begun(SMALL.spec, tower(replace(TOWER, side=32)), 0)


def test_the_loss_is_a_weighted_mean():
    torch.manual_seed(0)
    logits, digits = torch.randn(5, 3, 10), torch.tensor([1, 2, 3, 4, 5])
    each = torch.stack([F.cross_entropy(logits[:, number], digits) for number in range(3)])
    terms = exits_loss(logits, digits, (1.0, 2.0, 5.0), 0.0)
    assert set(terms) == {"digit"}
    close(terms["digit"], (each * torch.tensor([1.0, 2.0, 5.0])).sum() / 8)
    taught = exits_loss(logits, digits, (1.0, 2.0, 5.0), 0.5)
    last = logits[:, 2].softmax(dim=1)
    apart = [
        F.kl_div(logits[:, number].log_softmax(dim=1), last, reduction="batchmean") * weight
        for number, weight in ((0, 1.0), (1, 2.0))
    ]
    close(taught["taught"], 0.5 * torch.stack(apart).sum() / 8)
    close(taught["digit"], terms["digit"])


def test_the_last_exit_is_not_taught():
    logits = torch.randn(4, 3, 10, requires_grad=True)
    exits_loss(logits, torch.zeros(4, dtype=torch.long), (1.0, 1.0, 1.0), 1.0)["taught"].backward()
    assert logits.grad is not None
    assert float(logits.grad[:, 2].abs().max()) == 0
    assert float(logits.grad[:, :2].abs().min()) > 0


def test_ways_learn_what_they_should():
    for way in WAYS:
        one = job(way)
        sum(one.losses(0).values()).backward()
        early, last = one.model.layers.heads[0].tell.weight.grad, one.model.layers.heads[2].tell.weight.grad
        assert early is not None
        assert (float(early.abs().max()) > 0) == (way == "exits")
        assert last is not None
        assert float(last.abs().max()) > 0
        assert list(one.trained) == ["layers"]
    whole = job("whole")
    rows = whole.drawn(0)
    told = whole.model.layers(whole.maps[rows].float())[:, -1]
    close(whole.losses(0)["digit"], F.cross_entropy(told, whole.digits[rows]))
    assert whole.drawn(0).equal(whole.drawn(0))
    assert not whole.drawn(0).equal(whole.drawn(1))


@pytest.mark.parametrize("rescaled", [True, False])
def test_gradients_are_rescaled_where_exits_learn_and_nowhere_else(rescaled: bool):
    for way in WAYS:
        one = job(way, replace(SMALL, rescaled=rescaled, distil=0.0))
        rows = one.drawn(0)
        one.losses(0)["digit"].backward()
        got = one.model.layers.blocks[0].qkv.weight.grad.clone()
        one.model.zero_grad()
        told = one.model.layers(one.maps[rows].float(), rescaled=rescaled and way == "exits")
        if way == "exits":
            exits_loss(told, one.digits[rows], SMALL.weights, 0.0)["digit"].backward()
        else:
            F.cross_entropy(told[:, -1], one.digits[rows]).backward()
        close(got, one.model.layers.blocks[0].qkv.weight.grad)


def test_seeds_begin_and_draw_apart_and_smaller_pictures_are_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    jobs: list[ExitsJob] = []
    monkeypatch.setattr(training, "run", lambda one, *_, **__: jobs.append(one))
    train_exits(SMALL, tower(), data(), tmp_path, quiet)
    assert [(one.way, one.seed, one.maps.shape[2]) for one in jobs] == [
        (way, seed, 5 if way == "resize" else 6) for seed in SMALL.seeds for way in WAYS
    ]
    assert not jobs[0].model.layers.blocks[2].qkv.weight.equal(jobs[3].model.layers.blocks[2].qkv.weight)
    assert not jobs[0].drawn(0).equal(jobs[3].drawn(0))
    assert jobs[0].drawn(0).equal(jobs[1].drawn(0))


def test_smaller_pictures_lose_no_pixel():
    drawn = torch.zeros(1, 48, 48, 3, dtype=torch.uint8)
    drawn[0, 24, 24] = 255
    dark = Pieces(torch.zeros_like(drawn), torch.zeros(1, dtype=torch.long))
    assert float((Pieces(drawn, dark.digits).pixels(12) - dark.pixels(12)).sum()) == pytest.approx(3 * 2 / 16, rel=0.05)


def test_a_piece_may_be_no_larger_than_what_is_asked():
    box = clutter("train", 0).evidence
    made, _ = cut("train", 0, 1, int(max(box.width, box.height)))
    assert made.shape[1] == max(box.width, box.height)


def test_layers_are_those_of_the_places():
    spec = replace(SMALL, places=(1, 3), weights=(1.0, 1.0), budget=1).spec
    taken = module._Taken(np.asarray([0, 1, 1]), np.asarray([True, True, False]), np.asarray([10, 30]))
    point = module._point(spec, ["a", "b", "c"], 30, taken)
    assert (point.layers, point.flops) == pytest.approx((7 / 3, 70 / 3))


def test_threads_are_as_many_as_before():
    model, before = begun(SMALL.spec, tower(), 0), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        module._spared(model, data(2).pixels(48), (0.0, 0.0))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_maps_are_the_stems():
    model = begun(SMALL.spec, tower(), 0)
    with torch.no_grad():
        expected = model.stem(data().pixels(40))
    close(mapped(model, data(), 40).float(), expected, tolerance=2e-3)


def test_a_run_that_was_stopped_goes_on_the_same(tmp_path: Path):
    recipe = replace(SMALL, seeds=(0,))
    straight = train_exits(recipe, tower(), data(), tmp_path / "a", quiet)
    told: list[str] = []

    class StopError(Exception):
        pass

    def stopping(name: str, steps: int):
        del steps
        told.append(name)
        if len(told) == 3:
            raise StopError
        return lambda *_: None

    with pytest.raises(StopError):
        train_exits(recipe, tower(), data(), tmp_path / "b", stopping)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["exits-exits-0.pt", "exits-whole-0.pt"]
    resumed = train_exits(recipe, tower(), data(), tmp_path / "b", quiet)
    assert set(resumed) == {(way, 0) for way in WAYS}
    for key, model in straight.items():
        for one, other in zip(model.parameters(), resumed[key].parameters(), strict=True):
            assert one.equal(other)


def test_a_little_training_lowers_the_loss():
    recipe = replace(SMALL, schedule=Schedule(steps=30, batch=8, warmup=4))
    one = job(recipe=recipe)
    one.maps = one.maps + 2 * F.one_hot(one.digits, 16)[:, :, None, None]
    before = lost(one)
    run(one, recipe.schedule)
    assert lost(one) < 0.7 * before


@torch.no_grad()
def lost(one: ExitsJob) -> float:
    return sum(float(one.losses(step)["digit"]) for step in range(5))


def test_the_study_counts_and_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "AT_ONCE", 5)
    monkeypatch.setattr(module, "ROUNDS", 2)
    models = train_exits(SMALL, tower(), data(), tmp_path, quiet)
    held, asked = data(30, seed=1), data(12, seed=2)
    found = study(models, SMALL, held, asked)
    assert ExitStudy.from_json(found.to_json()) == found
    assert [row.way for row in found.rows] == ["confidence", "entropy", "one exit", "whole", "resize"]
    spec, grid = SMALL.spec, SMALL.grid("exits")
    costs = [spec.upto(grid, number).flops for number in range(3)]
    small = spec.cost(SMALL.grid("resize")).flops
    assert found.costs == tuple(costs)
    assert found.budget == costs[1]
    right = {}
    for way, sure in (("confidence", confidence), ("entropy", order)):
        assert [point.budget for point in found.row(way).points] == sorted({*costs, small})
        for point in found.row(way).points:
            taken = [
                models["exits", seed].infer(asked.pixels(48), limits, sure=sure)
                for seed, limits in zip(SMALL.seeds, point.thresholds, strict=True)
            ]
            for seed, limits in zip(SMALL.seeds, point.thresholds, strict=True):
                how, hits = table(shares(models["exits", seed], held, 48), held, sure)
                assert limits == budgeted(how, hits, costs, point.budget)
                assert np.asarray(costs)[left(how, limits)].mean() <= point.budget
            hits = torch.cat([one.shares.argmax(dim=1) == asked.digits for one in taken]).double()
            exits = torch.cat([one.exit for one in taken])
            assert (point.score.n, point.score.correct) == (24, int(hits.sum()))
            names = [(seed, piece) for seed in SMALL.seeds for piece in range(12)]
            assert point.score.ci95 == clustered(hits.numpy(), names).ends
            assert point.flops == pytest.approx(float(torch.cat([one.flops for one in taken]).double().mean()))
            assert point.leave == pytest.approx([float((exits == number).double().mean()) for number in range(3)])
            assert point.layers == pytest.approx(float((exits + 1).double().mean()))
            assert point.flops == pytest.approx(spec.expected(grid, point.leave))
            right[way, point.budget] = hits
    for number, point in enumerate(found.row("one exit").points):
        told = torch.cat([models["exits", seed](asked.pixels(48))[:, number].argmax(dim=1) for seed in SMALL.seeds])
        right["one exit", costs[number]] = (told == asked.digits.repeat(2)).double()
        assert point.score.correct == int(right["one exit", costs[number]].sum())
        assert (point.flops, point.layers) == (costs[number], number + 1)
    for way, side, cost in (("whole", 48, costs[-1]), ("resize", 40, small)):
        told = torch.cat([models[way, seed](asked.pixels(side))[:, -1].argmax(dim=1) for seed in SMALL.seeds])
        right[way, cost] = (told == asked.digits.repeat(2)).double()
        assert found.row(way).at(cost).score.correct == int(right[way, cost].sum())
        assert found.row(way).at(cost).flops == cost
    there = {"one exit": None, "resize": small, "whole": costs[-1]}
    assert [(gain.way, gain.over) for gain in found.gains] == [
        ("confidence", "one exit"), ("confidence", "resize"), ("confidence", "whole"), ("one exit", "whole"),
    ]  # fmt: skip
    assert [gain.budget for gain in found.gains] == [costs[1], small, costs[1], costs[-1]]
    assert (found.trained, found.calibrated, found.tested) == (10, 30, 12)
    for gain in found.gains:
        over = right[gain.over, there[gain.over] or gain.budget]
        assert gain.change.mean == pytest.approx(float((right[gain.way, gain.budget] - over).mean()))
    assert 0 <= found.spared.flops < 1
    first = found.row("confidence").at(found.budget).thresholds[0]
    taken = models["exits", 0].infer(asked.pixels(48), first)
    assert found.spared.flops == pytest.approx(1 - float(taken.flops.double().mean()) / costs[-1])
    assert len(list(exits_table(found).columns[0].cells)) == sum(len(row.points) for row in found.rows)
    assert exits_markdown(found).count("\n|") == 1 + sum(len(row.points) for row in found.rows)
    assert all(row.way in exits_curve(found) for row in found.rows)


def test_what_is_spared_is_that_of_the_budget(monkeypatch: pytest.MonkeyPatch):
    models = {(way, seed): begun(SMALL.spec, tower(), seed).eval() for way in WAYS for seed in SMALL.seeds}
    taken: list[tuple[float, ...]] = []

    def spared(model: ExitClassifier, pixels: torch.Tensor, limits: tuple[float, ...]) -> ExitSavings:
        del model, pixels
        taken.append(limits)
        return ExitSavings(batch=1, flops=0.0, time=0.0)

    monkeypatch.setattr(module, "budgeted", lambda sure, right, costs, budget: (budget / 1e9, 2.0))
    monkeypatch.setattr(module, "_spared", spared)
    found = study(models, SMALL, data(8, seed=1), data(6, seed=2))
    assert taken == [(found.budget / 1e9, 2.0)]


def test_the_recipe_that_ships():
    recipe, _ = STUDY.read()
    assert isinstance(recipe, ExitsRecipe)
    assert isinstance(recipe.spec, ExitsSpec)
    assert recipe.spec.places[-1] == recipe.depth
    assert ExitClassifier(recipe.spec)(torch.zeros(1, 3, 64, 64)).shape == (1, recipe.spec.exits, 10)
    for change, message in (
        ("seeds=[1, 1]", r"needs different seeds, got \[1, 1\]"),
        ("cuts=0", "1 cut or more, got"),
        ("weights=[1.0, 1.0]", "5 exits need as many weights above 0"),
        ("distil=-1.0", "distil is 0 or more, got"),
        ("small=44", "a multiple of 8 px below 64, got 44; take 48"),
        ("small=64", "a multiple of 8 px below 64, got 64; take 48"),
        ("small=32", "pictures of 32 px cost less than the first exit of 64 px"),
        ("budget=6", r"an exit before the last, \[1, 2, 3, 4, 6\], got 6"),
    ):
        with pytest.raises(SaccadeError, match=message):
            STUDY.read([change])


def test_what_was_measured_is_what_the_recipe_trains():
    root, (recipe, _) = Path(__file__).parents[3], STUDY.read()
    measured = ExitStudy.from_json((root / "docs" / "exits.json").read_text(encoding="utf-8"))
    assert isinstance(recipe, ExitsRecipe)
    assert (measured.trained, measured.tested) == (recipe.scenes * recipe.cuts, recipe.test)
    assert (measured.seeds, measured.places) == (recipe.seeds, recipe.places)
    assert measured.costs == tuple(recipe.spec.upto(recipe.grid("exits"), number).flops for number in range(5))
    assert (root / "docs" / "exits.svg").read_text(encoding="utf-8") == exits_curve(measured)
    text = (root / "docs" / "results" / "exits.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- table: docs/exits.json -->\n\n(.*?)\n<!-- /table -->", text, re.DOTALL)
    assert shown == exits_markdown(measured)
