"""The family's recipe: read strictly, run whole in small, resumed, and packed."""

import json
from pathlib import Path

import pytest
import torch

from saccade.api.comparing import compare
from saccade.api.training import train
from saccade.backends.embedded.family import LANGUAGE, MATCHER, TOWER, embedded, family
from saccade.backends.embedded.manifest import cards
from saccade.core.errors import SaccadeError
from saccade.runtime.matcher import Matcher
from saccade.training.demo import demo_name
from saccade.training.family import StageProgress, TrainingRun, train_family
from saccade.training.recipe import STUDIES, recipe_of, shipped
from saccade.training.stages import FROZEN, STAGES, THIN
from saccade.training.vision import GRIDS

TINY = (
    "vision.steps=2",
    "vision.batch=2",
    "language.steps=1",
    "language.batch=2",
    "mix.steps=2",
    "mix.batch=2",
    "align.steps=1",
    "align.batch=2",
    "thin.steps=1",
    "thin.batch=2",
    "flamingo.steps=2",
    "flamingo.batch=2",
    "match.steps=1",
    "match.batch=3",
    "blip2.steps=1",
    "blip2.batch=2",
    "alone.steps=1",
    "alone.batch=2",
    "framed=12",
    "sliced=2",
    "turns=[pool-4, llava-uhd]",
    "readers=[pool-4, llava-uhd, flamingo, flamingo-single, blip2, perceiver-4, llava-uhd-v2, llava-thin]",
)


def test_a_small_run_trains_packs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    plan, data = recipe_of("embedded", TINY)
    told: list[str] = []
    train_family(plan, data, tmp_path, tmp_path / "family", StageProgress(), told.append)
    manifest = json.loads((tmp_path / "family" / "manifest.json").read_text())
    assert list(manifest["readers"]) == [
        "pool-4", "llava-uhd", "flamingo", "flamingo-single", "blip2", "perceiver-4", "llava-uhd-v2", THIN
    ]  # fmt: skip
    assert manifest["recipe"] == data
    parts = {name: card["parts"] for name, card in manifest["readers"].items()}
    assert parts["pool-4"]["language"] == parts["llava-uhd"]["language"] != parts[THIN]["language"]
    assert parts["flamingo"]["language"] == parts["blip2"]["language"] == parts["pool-4"]["language"]
    assert parts["perceiver-4"]["language"] == parts["llava-uhd-v2"]["language"] == parts["pool-4"]["language"]
    assert (
        "trained from nothing before the frozen language model, 1 steps of 2 pictures"
        in (manifest["readers"]["llava-uhd-v2"]["trained"])
    )
    assert parts["flamingo"]["cross"] != parts["flamingo-single"]["cross"]
    assert all(stage in told[0] for stage in FROZEN)
    assert [name for name, card in manifest["readers"].items() if card["fidelity"] == "survey"] == ["perceiver-4"]
    assert embedded("pool-4", tmp_path / "family").spec == family()["pool-4"]
    with pytest.raises(SaccadeError, match="different training seeds"):
        compare(models=["pool-4"], families=[tmp_path / "family"], pictures=1)
    with pytest.raises(SaccadeError, match="holds no family"):
        compare(models=["pool-4"], families=[tmp_path], pictures=1)
    train_family(plan, data, tmp_path, tmp_path / "again", StageProgress(), told.append)
    assert (tmp_path / "again" / "manifest.json").read_text() == (tmp_path / "family" / "manifest.json").read_text()


def test_readers_may_be_trained_around_what_ships(tmp_path: Path) -> None:
    plan, data = recipe_of("embedded", (*TINY, "start=shipped", "readers=[blip2]"))
    train_family(plan, data, tmp_path, tmp_path / "family", StageProgress(), lambda line: None)
    assert not (tmp_path / "vision.pt").exists()
    made, shipped = cards(tmp_path / "family"), cards()
    assert list(made) == list(shipped)
    changed = [name for name in made if made[name].parts != shipped[name].parts]
    assert changed == ["blip2"]
    assert {part for part in made["blip2"].parts if made["blip2"].parts[part] != shipped["blip2"].parts[part]} == {
        "connector"
    }
    assert "1 steps of 3 pictures" in made["blip2"].trained


def test_the_first_stage_starts_the_second(tmp_path: Path) -> None:
    """With a rate of nothing the Q-Former that comes out is the one that went in: the matcher's."""
    still = ("match.lr=1e-30", "blip2.lr=1e-30", "start=shipped", "readers=[blip2]")
    plan, _ = recipe_of("embedded", (*TINY, *still))
    shop = TrainingRun(plan, tmp_path, StageProgress())
    made = shop.train("blip2").connector.state_dict()
    torch.manual_seed(plan.seed + 5)
    expected = Matcher(MATCHER).qformer.state_dict()
    shared = [key for key in made if key in expected]
    assert len(shared) == len(made) - 2  # all but the projection
    for key in shared:
        torch.testing.assert_close(made[key], expected[key], rtol=0, atol=1e-4)


def test_another_recipe_never_goes_on_from_a_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("kind: family\nseed: 0\n")
    with pytest.raises(SaccadeError, match="a run of another recipe"):
        train("embedded", out=tmp_path, changes=("seed=1",))
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_the_shipped_recipe_is_whole() -> None:
    plan, data = recipe_of("embedded")
    assert set(plan.readers) == {*family(), THIN}
    assert set(plan.turns) == set(family()) - set(STAGES)
    assert data["kind"] == "family"
    assert list(shipped()) == ["embedded"]


def test_views_of_training_suit_the_tower() -> None:
    assert all(cols * rows <= (TOWER.side // TOWER.patch) ** 2 for cols, rows in GRIDS)
    assert LANGUAGE.width == TOWER.width


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("vision.stpes=3", "did you mean steps"),
        ("turns=[lava]", "did you mean llava"),
        ("framed=0", "at least 1 picture"),
        ("vision.steps=0", "above 0"),
    ],
)
def test_bad_changes_are_refused(change: str, said: str) -> None:
    with pytest.raises(SaccadeError, match=said):
        recipe_of("embedded", [change])


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(SaccadeError, match="is not there"):
        recipe_of(str(tmp_path / "gone.yaml"))
    (tmp_path / "bad.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(SaccadeError, match="holds list, a recipe is a mapping"):
        recipe_of(str(tmp_path / "bad.yaml"))
    (tmp_path / "part.yaml").write_text("kind: schedule\nsteps: 3\nbatch: 2\n")
    with pytest.raises(SaccadeError, match="holds a schedule, a recipe of saccade train is of kind family"):
        recipe_of(str(tmp_path / "part.yaml"))


@pytest.mark.parametrize("study", STUDIES)
def test_studies_are_sent_to_research(tmp_path: Path, study: str) -> None:
    with pytest.raises(SaccadeError, match=f"{study} is a study, .* from a checkout .*: python -m research {study} "):
        train(study, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_connector_is_called_by_name_or_by_kind() -> None:
    assert demo_name("resampler") == "resampler-16"
    assert demo_name("pool-4") == "pool-4"
    with pytest.raises(SaccadeError, match="did you mean resampler"):
        demo_name("resampeler")
