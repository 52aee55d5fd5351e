"""Fixations: what a step draws, what each way is given, what the study counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from research.clutter import SIDE, clutter
from research.fixations import study as module
from research.fixations.model import Foveater
from research.fixations.run import STUDY
from research.fixations.study import (
    NEVER,
    FixationStudy,
    fixations_curve,
    fixations_markdown,
    fixations_table,
    study,
    threshold,
)
from research.fixations.training import (
    GRID,
    WAYS,
    FixationsJob,
    FixationsRecipe,
    SceneMaps,
    map_cost,
    paths,
    scenes_of,
    seen,
    train_fixations,
    views,
    whole,
)
from saccade.core.errors import SaccadeError
from saccade.specs.layouts.cells import centre
from saccade.specs.towers.vit import StemTowerSpec
from saccade.towers import build_tower
from saccade.training.loop import Schedule, run

SMALL = FixationsRecipe(
    seeds=(0, 1), scenes=24, calibration=10, test=12, start=Schedule(steps=2, batch=4),
    schedule=Schedule(steps=2, batch=4), source=8, tokens=22,
    budget=25, width=8, depth=1, heads=2, mlp=8,
)  # fmt: skip


def scenes(count: int, seed: int = 0) -> SceneMaps:
    draw = torch.Generator().manual_seed(seed)
    quarters = torch.randn(count, 4, GRID.tokens // 4, 8, generator=draw)
    digits, shown = torch.randint(10, (count,), generator=draw), torch.randint(4, (count,), generator=draw)
    return SceneMaps(quarters, digits, shown)


def quiet(name: str, steps: int):
    del name, steps
    return lambda *_: None


def test_a_scene_is_read_by_quarters_and_put_together_again():
    pixels = np.array(clutter("train", 0).image)
    tiles = views(pixels)
    assert tiles.shape == (4, 3, SIDE // 2, SIDE // 2)
    assert float(tiles.amax()) <= 1
    assert float(tiles.amin()) >= -1
    for quarter in range(4):
        top, left = quarter // 2 * SIDE // 2, quarter % 2 * SIDE // 2
        expected = torch.from_numpy(pixels[top : top + SIDE // 2, left : left + SIDE // 2]).permute(2, 0, 1)
        torch.testing.assert_close(tiles[quarter], expected / 127.5 - 1, rtol=0, atol=1e-6)
    numbers = torch.arange(float(GRID.tokens)).view(GRID.rows, GRID.cols)
    halves = [numbers[row : row + 16, col : col + 16].flatten() for row in (0, 16) for col in (0, 16)]
    assert whole(torch.stack(halves)[None, ..., None])[0, :, 0].tolist() == list(range(GRID.tokens))


def test_scenes_are_kept(tmp_path):
    tower = build_tower(StemTowerSpec(width=8, depth=1, heads=2, mlp=8)).eval()
    recipe = replace(SMALL, scenes=9, calibration=2, test=1)
    made = scenes_of(tower, recipe, tmp_path, quiet)
    assert [len(one.digits) for one in made] == [9, 2, 1]
    again = scenes_of(torch.nn.Identity(), recipe, tmp_path, quiet)
    for one, other in zip(made, again, strict=True):
        assert one.quarters.equal(other.quarters)
        assert one.digits.equal(other.digits)
        assert one.shown.equal(other.shown)
    third = clutter("train", 2)
    assert (int(made[0].digits[2]), int(made[0].shown[2])) == (third.digit, third.quarter)
    with torch.no_grad():
        torch.testing.assert_close(made[0].quarters[2], tower(views(np.array(third.image))).half(), rtol=0, atol=2e-3)
    assert seen(tower, "train", 2).quarters.equal(seen(tower, "train", 2).quarters)
    assert map_cost(tower.spec).flops == 4 * tower.spec.cost(replace(GRID, rows=16, cols=16)).flops


def test_a_step_puts_one_ring_among_quarters_without_one():
    data = scenes(20)
    marked = data.quarters.clone()
    marked[..., 0] = 0
    marked[torch.arange(20), data.shown, :, 0] = 1
    marked[..., 1] = data.digits[:, None, None]
    job = FixationsJob(
        Foveater(SMALL.spec("learned")), SceneMaps(marked, data.digits, data.shown), way="learned", batch=8, seed=3
    )
    places = set()
    for step in range(12):
        maps, digits = job.drawn(step)
        assert maps.equal(job.drawn(step)[0])
        rings = maps[..., 0].unflatten(1, (2, 16, 2, 16)).mean(dim=(2, 4)).flatten(1)
        assert rings.sum(dim=1).tolist() == [1] * 8
        assert rings.amax(dim=1).tolist() == [1] * 8
        assert (maps[..., 1] * maps[..., 0]).amax(dim=1).tolist() == digits.tolist()
        places |= set(rings.argmax(dim=1).tolist())
    assert places == {0, 1, 2, 3}
    assert not job.drawn(0)[0].equal(job.drawn(1)[0])


def test_what_each_way_is_given():
    for training in (True, False):
        assert paths("random", 5, 3, 1, training=training).shape == (5, 3)
        assert paths("centre", 5, 1, 1, training=training).tolist() == [[centre(GRID)]] * 5
    assert len(paths("learned", 50, 3, 1, training=True).unique()) > 30
    assert paths("learned", 5, 3, 1, training=False).tolist() == [[centre(GRID)]] * 5
    assert paths("random", 5, 3, 1, training=False).equal(paths("random", 5, 3, 1, training=False))
    assert not paths("random", 5, 3, 1, training=False).equal(paths("random", 5, 3, 2, training=False))


def test_ways_read_as_many_tokens():
    counts = {way: SMALL.spec(way).tokens([0]) for way in WAYS}
    assert counts == {"learned": 22, "random": 22, "centre": 25, "resize": 25}
    assert {way: SMALL.spec(way).fixations for way in WAYS} == {"learned": 3, "random": 3, "centre": 1, "resize": 1}


def test_thresholds_keep_the_budget_and_no_higher_one_would():
    sure = np.random.default_rng(0).random((30, 3))

    def read(limit: float) -> float:
        looks = [next((look for look in range(3) if row[look] >= limit), 2) + 1 for row in sure]
        return 22 * sum(looks) / 30

    for budget in (22, 30, 44, 59, 66):
        limit = threshold(sure, 22, budget)
        assert read(limit) <= budget
        above = sorted({*sure[:, :2].ravel().tolist(), NEVER} - {one for one in sure.ravel().tolist() if one <= limit})
        assert limit == NEVER or read(above[0]) > budget
    assert threshold(sure, 22, 66) == NEVER
    assert threshold(sure[:, :1], 22, 22) == NEVER


def test_a_run_that_was_stopped_goes_on_the_same(tmp_path):
    data = scenes(24)
    straight = train_fixations(replace(SMALL, seeds=(0,)), data, tmp_path / "a", quiet)
    told: list[int] = []

    class StopError(Exception):
        pass

    def stopping(name: str, steps: int):
        del steps
        told.append(1)
        if len(told) == 4:
            raise StopError
        return lambda *_: None

    with pytest.raises(StopError):
        train_fixations(replace(SMALL, seeds=(0,)), data, tmp_path / "b", stopping)
    resumed = train_fixations(replace(SMALL, seeds=(0,)), data, tmp_path / "b", quiet)
    for key, model in straight.items():
        for one, other in zip(model.parameters(), resumed[key].parameters(), strict=True):
            assert one.equal(other)


def test_a_way_sees_other_batches_than_its_start(tmp_path, monkeypatch):
    jobs: list[FixationsJob] = []
    monkeypatch.setattr("research.fixations.training.run", lambda job, *_, **__: jobs.append(job))
    train_fixations(SMALL, scenes(6), tmp_path, quiet)
    assert [job.way for job in jobs] == ["resize", *WAYS] * 2
    for start, *ways in (jobs[:5], jobs[5:]):
        assert len({job.seed for job in ways}) == 1
        assert ways[0].seed != start.seed
        for job in ways:
            for one, other in zip(job.model.parameters(), start.model.parameters(), strict=True):
                assert one.equal(other)
    assert len({job.seed for job in jobs}) == 4


def test_a_little_training_lowers_the_loss():
    data = scenes(6)
    data.quarters[torch.arange(6), data.shown] += 3 * torch.nn.functional.one_hot(data.digits % 8, 8)[:, None]
    recipe = replace(SMALL, schedule=Schedule(steps=40, batch=8, warmup=4))
    torch.manual_seed(0)
    job = FixationsJob(Foveater(recipe.spec("resize")), data, way="resize", batch=8, seed=0)
    before = lost(job)
    run(job, recipe.schedule)
    assert lost(job) < 0.8 * before


@torch.no_grad()
def lost(job: FixationsJob) -> float:
    return sum(float(job.losses(step)["digit"]) for step in range(5))


def test_the_study_counts_and_compares(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 5)
    models = train_fixations(SMALL, scenes(24), tmp_path, quiet)
    held, asked = scenes(10, seed=1), scenes(12, seed=2)
    found = study(models, SMALL, held, asked, 1000)
    assert FixationStudy.from_json(found.to_json()) == found
    assert [row.way for row in found.rows] == list(WAYS)
    right = {}
    for row in found.rows:
        for point in row.points:
            given = [paths(row.way, 12, SMALL.spec(row.way).fixations, seed, training=False) for seed in SMALL.seeds]
            looked = [
                models[row.way, seed].look(asked.maps(), threshold=limit, path=path)
                for seed, limit, path in zip(SMALL.seeds, point.thresholds, given, strict=True)
            ]
            hits = torch.cat([one.shares.argmax(dim=1) == asked.digits for one in looked]).double()
            assert (point.score.n, point.score.correct) == (24, int(hits.sum()))
            assert point.tokens == pytest.approx(float(torch.cat([one.tokens for one in looked]).double().mean()))
            assert point.flops == pytest.approx(float(torch.cat([one.flops for one in looked]).double().mean()))
            assert point.looks == pytest.approx(np.mean([len(path) for one in looked for path in one.path]))
            if point.budget == SMALL.budget:
                right[row.way] = hits
        assert (len(row.points) > 1) == (row.way in ("learned", "random"))
    for way in ("random", "centre", "resize"):
        assert found.gains[way].mean == pytest.approx(float((right["learned"] - right[way]).mean()))
    assert found.rows[0].points[0].looks == 1
    assert found.rows[0].points[-1].looks == 3
    assert 0 <= found.saved.flops < 1
    assert list(fixations_table(found).columns[0].cells) == list(WAYS)
    assert fixations_markdown(found).count("\n|") == 5
    assert all(way in fixations_curve(found) for way in WAYS)


def test_the_recipe_that_ships():
    recipe, _ = STUDY.read()
    assert isinstance(recipe, FixationsRecipe)
    assert recipe.spec("learned").tokens([0]) < recipe.budget
    with pytest.raises(SaccadeError, match="needs different seeds, got"):
        STUDY.read(["seeds=[1, 1]"])
    with pytest.raises(SaccadeError, match="1 scene or more of every split, got 1500, 400 and 0"):
        STUDY.read(["test=0"])
    with pytest.raises(SaccadeError, match="a square number of cells, got 65; take 64"):
        STUDY.read(["budget=65"])
    with pytest.raises(SaccadeError, match="35 cannot be had; take 34 or 37"):
        STUDY.read(["tokens=35"])


def test_what_was_measured_is_what_the_recipe_trains():
    root, (recipe, _) = Path(__file__).parents[3], STUDY.read()
    measured = FixationStudy.from_json((root / "docs" / "fixations.json").read_text(encoding="utf-8"))
    assert isinstance(recipe, FixationsRecipe)
    assert (measured.trained, measured.tested, measured.seeds) == (recipe.scenes, recipe.test, recipe.seeds)
    assert (root / "docs" / "fixations.svg").read_text(encoding="utf-8") == fixations_curve(measured)
