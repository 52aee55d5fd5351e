import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from saccade.core.errors import SaccadeError
from saccade.core.registry import plugins as module
from saccade.core.registry.plugins import GROUPS, has_plugin, is_foreign, name_of, plugin, plugins
from tests.outside_packages import install

PARTS = "saccade.parts"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    module._installed.cache_clear()
    yield
    module._installed.cache_clear()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(
        tmp_path,
        monkeypatch,
        "Toy_Box",
        {PARTS: {"fold": "toybox_a:Fold", "half": "toybox_a:Half", "broken": "toybox_b:Fold", "gone": "toybox_a:Gone"}},
        {"toybox_a": "class Fold: ...\nclass Half: ...\n", "toybox_b": "import nothing_of_that_name\n"},
    )
    return tmp_path


@pytest.mark.usefixtures("toy")
def test_names_are_the_package_in_canonical_form_and_the_entry_point():
    assert list(plugins(PARTS)) == ["toy-box/broken", "toy-box/fold", "toy-box/gone", "toy-box/half"]
    found = plugins(PARTS)["toy-box/fold"]
    assert (found.package, found.version, found.value, found.group) == ("toy-box", "1.0", "toybox_a:Fold", PARTS)
    assert all(plugins(group) == {} for group in GROUPS if group != PARTS)


@pytest.mark.usefixtures("toy")
def test_a_plugin_is_imported_when_it_is_used_under_any_spelling_of_its_package():
    assert "toybox_a" not in sys.modules
    assert has_plugin(PARTS, "toy-box/fold")
    assert "toybox_a" not in sys.modules
    made = plugin(PARTS, "toy-box/fold")
    assert isinstance(made, type)
    assert made.__name__ == "Fold"
    assert plugin(PARTS, "Toy_Box/fold") is plugin(PARTS, "TOY.box/fold") is made


@pytest.mark.usefixtures("toy")
def test_a_class_knows_the_name_it_is_registered_under():
    made = plugin(PARTS, "toy-box/half")
    assert isinstance(made, type)
    assert name_of(PARTS, made) == "toy-box/half"
    assert name_of(PARTS, dict) is None
    assert name_of("saccade.policies", made) is None


def test_entry_points_are_read_once(monkeypatch: pytest.MonkeyPatch):
    from importlib import metadata

    calls: list[object] = []
    read = metadata.entry_points
    monkeypatch.setattr(metadata, "entry_points", lambda **given: calls.append(given) or read(**given))
    assert not is_foreign("fold")
    assert not has_plugin(PARTS, "fold")
    assert calls == []
    for group in GROUPS:
        plugins(group)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        ("toy/fold", True),
        ("llava", False),
        ("/fold", False),
        ("toy/", False),
        ("./fold", False),
        ("../models/x", False),
        ("https://host/v1", False),
        ("a b/c", False),
    ],
)
def test_what_is_written_as_a_plugin(name: str, foreign: bool):
    assert is_foreign(name) is foreign


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fold", r"a part of another package is written package/name, got 'fold'"),
        ("toy-box/fould", r"unknown part of toy-box 1\.0 'toy-box/fould'; did you mean toy-box/fold"),
        ("elsewhere/it", r"'elsewhere/it' needs the package elsewhere, .* if you trust it: pip install elsewhere"),
        ("toybox/fold", r"needs the package toybox, .*did you mean toy-box/fold .*\? If not, .*pip install toybox"),
        ("pytest/fold", r"pytest [\d.]+ is installed and registers nothing under the entry-point group saccade\.parts"),
        (
            "toy-box/broken",
            r"importing toybox_b:Fold of toy-box 1\.0 raised ModuleNotFoundError: No module named .noth",
        ),
        (
            "toy-box/gone",
            r"importing toybox_a:Gone of toy-box 1\.0 raised AttributeError: .*repair or uninstall toy-box",
        ),
    ],
)
def test_refusals_name_the_plugin_and_the_cure(name: str, message: str):
    with pytest.raises(SaccadeError, match=message):
        plugin(PARTS, name)


def test_one_name_for_two_things_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path, monkeypatch, "twice", {PARTS: {"fold": "twice_a:A"}}, {"twice_a": "A = B = 1\n"})
    with (tmp_path / "twice-1.0.dist-info" / "entry_points.txt").open("a") as file:
        file.write("fold = twice_a:B\n")
    with pytest.raises(SaccadeError, match=r"'twice/fold' is claimed twice by twice 1\.0: twice_a:A and twice_a:B"):
        plugin(PARTS, "twice/fold")


def test_one_class_of_two_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    entries = {PARTS: {"fold": "shared_a:Fold"}}
    install(tmp_path, monkeypatch, "first", entries, {"shared_a": "class Fold: ...\n"})
    install(tmp_path, monkeypatch, "second", entries, {})
    made = plugin(PARTS, "first/fold")
    assert isinstance(made, type)
    with pytest.raises(SaccadeError, match="Fold is registered as a part by first and by second; uninstall one"):
        name_of(PARTS, made)


def test_a_plugin_may_raise_anything_when_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    entries = {"saccade.metrics": {"odd": "raising_a:odd"}}
    install(tmp_path, monkeypatch, "raising", entries, {"raising_a": "raise RuntimeError('needs a licence')\n"})
    with pytest.raises(SaccadeError, match=r"metric 'raising/odd' cannot be loaded: .* RuntimeError: needs a licence"):
        plugin("saccade.metrics", "raising/odd")
