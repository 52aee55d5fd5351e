"""The family's recipe: read strictly, run whole in small, resumed, and packed."""

import json
from pathlib import Path

import pytest

from saccade.api.comparing import compare, train
from saccade.core.errors import SaccadeError
from saccade.models.embedded import LANGUAGE, TOWER, embedded, family
from saccade.train.demo import demo_name
from saccade.train.family import FROZEN, THIN, Tell, train_family
from saccade.train.recipe import family_recipe, shipped
from saccade.train.vision import GRIDS

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
    "framed=3",
    "sliced=2",
    "turns=[pool-4, llava-uhd]",
    "readers=[pool-4, llava-uhd, llava-thin]",
)


def test_a_small_run_trains_packs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    plan, data = family_recipe("embedded", TINY)
    told: list[str] = []
    train_family(plan, data, tmp_path, tmp_path / "family", Tell(), told.append)
    manifest = json.loads((tmp_path / "family" / "manifest.json").read_text())
    assert list(manifest["readers"]) == ["pool-4", "llava-uhd", THIN]
    assert manifest["recipe"] == data
    parts = {name: card["parts"] for name, card in manifest["readers"].items()}
    assert parts["pool-4"]["language"] == parts["llava-uhd"]["language"] != parts[THIN]["language"]
    assert all(stage in told[0] for stage in FROZEN)
    assert embedded("pool-4", tmp_path / "family").spec == family()["pool-4"]
    with pytest.raises(SaccadeError, match="different training seeds"):
        compare(models=["pool-4"], families=[tmp_path / "family"], pictures=1)
    with pytest.raises(SaccadeError, match="holds no family"):
        compare(models=["pool-4"], families=[tmp_path], pictures=1)
    train_family(plan, data, tmp_path, tmp_path / "again", Tell(), told.append)
    assert (tmp_path / "again" / "manifest.json").read_text() == (tmp_path / "family" / "manifest.json").read_text()


def test_another_recipe_never_goes_on_from_a_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("kind: family\nseed: 0\n")
    with pytest.raises(SaccadeError, match="a run of another recipe"):
        train("embedded", out=tmp_path, changes=("seed=1",))
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_the_shipped_recipe_is_whole() -> None:
    plan, data = family_recipe("embedded")
    assert set(plan.readers) == {*family(), THIN}
    assert set(plan.turns) == set(family())
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
        family_recipe("embedded", [change])


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(SaccadeError, match="is not there"):
        family_recipe(str(tmp_path / "gone.yaml"))
    (tmp_path / "bad.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(SaccadeError, match="holds list, a recipe is a mapping"):
        family_recipe(str(tmp_path / "bad.yaml"))


def test_a_connector_is_called_by_name_or_by_kind() -> None:
    assert demo_name("resampler") == "resampler-16"
    assert demo_name("pool-4") == "pool-4"
    with pytest.raises(SaccadeError, match="did you mean resampler"):
        demo_name("resampeler")
