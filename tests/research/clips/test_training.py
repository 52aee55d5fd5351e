"""Training on clips: what a step draws, what is learned from it, and that a stopped run goes on."""

import pytest
import torch

from research.clips.model import Unified
from research.clips.run import STUDY
from research.clips.spec import UnifiedSpec
from research.clips.tasks import LETTERS, NAMES, PARTS, SAMPLES, SIDE, clip
from research.clips.training import SUBSETS, ClipBank, ClipsJob, ClipsRecipe, bank, train_clips
from saccade.core.errors import SaccadeError
from saccade.training.loop import Schedule

SPEC = UnifiedSpec(width=16, latents=4, heads=2, rounds=1, layers=1)


@pytest.fixture(scope="module")
def data() -> ClipBank:
    return bank("train", 60, LETTERS)


def job(data: ClipBank, **options) -> ClipsJob:
    torch.manual_seed(0)
    return ClipsJob(Unified(SPEC), data, **{"batch": 16, "seed": 0, **options})


def test_the_default_reads_the_clips_as_they_are():
    spec, recipe = UnifiedSpec(), STUDY.read()[0]
    assert recipe.spec == spec
    assert (spec.side, spec.samples, spec.letters, spec.classes) == (SIDE, SAMPLES, LETTERS, len(NAMES))


def test_a_bank_holds_the_clips(data):
    for index in (0, 7, 59):
        one = clip("train", index)
        assert (data.clips.pictures[index].numpy() == one.picture).all()
        assert (data.clips.sounds[index].numpy() == one.sound).all()
        assert bytes(data.clips.texts[index].tolist()).rstrip(b"\0").decode() == one.text
        assert int(data.source[index]) == one.source
        assert bool(data.whole[index]) == (one.odd is None)


def test_everything_is_learned_from_in_all_its_parts(data):
    made = job(data, batch=64)
    seen = torch.cat([made.drawn(step).clips.there for step in range(20)])
    found = {tuple(row.nonzero()[:, 0].tolist()) for row in seen}
    assert found == set(SUBSETS)
    assert float(seen.all(dim=1).float().mean()) == pytest.approx(1 / 3, abs=0.05)
    assert set(made.losses(0)) == {"source", "match"}
    assert made.drawn(3).clips.sounds.equal(made.drawn(3).clips.sounds)
    assert not made.drawn(3).clips.sounds.equal(made.drawn(4).clips.sounds)
    assert not made.drawn(3).clips.sounds.equal(job(data, batch=64, seed=1).drawn(3).clips.sounds)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_alone_is_learned_from_alone(data, part):
    made = job(data, part=part)
    assert made.drawn(2).clips.there.sum(dim=0).tolist() == [16 * (one == part) for one in PARTS]
    assert set(made.losses(0)) == {"source"}


def test_sources_are_learned_of_whole_clips_and_matches_where_there_is_something_to_match(data):
    made = job(data)
    taken = made.drawn(0)
    with torch.no_grad():
        sources, matches = made.model(taken.clips)
        found = made.losses(0)
    picked = [-float(sources[at].log_softmax(0)[taken.source[at]]) for at in range(16) if taken.whole[at]]
    assert float(found["source"]) == pytest.approx(sum(picked) / len(picked), rel=1e-5)
    several = [at for at in range(16) if int(taken.clips.there[at].sum()) > 1]
    picked = [-float(matches[at].log_softmax(0)[int(taken.whole[at])]) for at in several]
    assert float(found["match"]) == pytest.approx(sum(picked) / len(picked), rel=1e-5)
    assert 0 < len(several) < 16


def test_a_stopped_run_goes_on_and_ends_the_same(tmp_path):
    recipe = ClipsRecipe(seeds=(0,), clips=40, schedule=Schedule(steps=120, batch=8, warmup=5), spec=SPEC)
    steps = []

    def stop(name: str, count: int):
        def report(step: int, terms: object) -> None:
            steps.append((name, step))
            if step == 110:
                raise KeyboardInterrupt

        return report

    def listen(name: str, count: int):
        return lambda step, terms: steps.append((name, step))

    with pytest.raises(KeyboardInterrupt):
        train_clips(recipe, tmp_path / "stopped", stop, ["sound"])
    again = train_clips(
        recipe, tmp_path / "stopped", lambda name, count: lambda step, terms: steps.append((name, step)), ["sound"]
    )
    whole = train_clips(recipe, tmp_path / "whole", lambda *_: lambda *_: None, ["sound"])
    assert ("sound-0", 101) in steps[110:]
    assert ("sound-0", 100) not in steps[110:]
    for name, weight in whole["sound", 0].state_dict().items():
        assert torch.allclose(weight, again["sound", 0].state_dict()[name], atol=1e-6)


def test_refusals():
    for changes in ({"clips": 0}, {"seeds": ()}, {"seeds": (1, 1)}):
        with pytest.raises(SaccadeError, match="needs 1 clip or more and different seeds, got"):
            ClipsRecipe(**{"clips": 4, "schedule": Schedule(steps=1, batch=1), **changes})
