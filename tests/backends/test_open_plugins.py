"""Models and backends that installed packages bring, by the name package/kind."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.embedded.family import embedded
from saccade.backends.local import composed
from saccade.backends.open import open_model
from saccade.backends.store import save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.registry import plugins

MODULE = """
from pathlib import Path
from saccade.backends.embedded.family import embedded
from saccade.backends.local import composed
from saccade.backends.random_init import spec_of
from saccade.core.errors import SaccadeError
FOLDER = Path(__file__).parent / "mine"
def reader(): return embedded("pool-4")
def spec(): return spec_of("llava")
def backend(rest): return composed(rest or "plain", embedded("pool-4"))
def whole(): return composed("whole", embedded("pool-4"))
def nothing(*_): return 3
def broken(*_): raise KeyError("key")
def refuses(*_): raise SaccadeError("take another")
"""
ENTRIES = """
[saccade.models]
reader = toy_models:reader
spec = toy_models:spec
folder = toy_models:FOLDER
whole = toy_models:whole
nothing = toy_models:nothing
broken = toy_models:broken
refuses = toy_models:refuses
[saccade.backends]
server = toy_models:backend
nothing = toy_models:nothing
folder-only = toy_models:FOLDER
"""


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that is installed for the time of a test."""
    (tmp_path / "toy_models.py").write_text(MODULE)
    save_pretrained(embedded("pool-4"), tmp_path / "mine")
    about = tmp_path / "toy_models-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-models\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins._installed.cache_clear()
    yield
    plugins._installed.cache_clear()
    sys.modules.pop("toy_models", None)


def test_models() -> None:
    for kind in ("reader", "spec", "folder"):
        found = open_model(f"toy-models/{kind}", dtype="bfloat16")
        assert isinstance(found, ComposedBackend)
        assert (found.name, found.dtype) == (f"toy-models/{kind}", "bfloat16")
    assert open_model("toy-models/whole").name == "whole"
    assert open_model("Toy_Models/reader", name="mine").name == "mine"


def test_backends_get_what_stands_behind_the_colon() -> None:
    assert open_model("toy-models/server").name == "plain"
    assert open_model("toy-models/server:http://host/v1#some").name == "http://host/v1#some"


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_pretrained(embedded("pool-16"), tmp_path / "toy-models" / "reader")
    found = open_model("toy-models/reader")
    assert isinstance(found, ComposedBackend)
    assert found.reader.spec.connector == embedded("pool-16").spec.connector


@pytest.mark.parametrize(("name", "told"), [
    ("toy-models/nothing", "gave a int, which is no saccade Backend"),
    ("toy-models/broken", r"the plug-in 'toy-models/broken' raised KeyError: 'key'"),
    ("toy-models/refuses", "^take another$"),
    ("toy-models/folder-only", "it has to be a function or a class"),
])  # fmt: skip
def test_refuses(name: str, told: str) -> None:
    with pytest.raises(SaccadeError, match=told):
        open_model(name)
    with pytest.raises(SaccadeError, match="is for Hub ids"):
        open_model("toy-models/reader", revision="main")


def test_what_a_factory_may_give(monkeypatch: pytest.MonkeyPatch) -> None:
    import toy_models  # type: ignore[import-not-found]

    monkeypatch.setattr(toy_models, "reader", lambda: 3)
    with pytest.raises(SaccadeError, match="the model 'toy-models/reader' is a int; its package has to give a Reader"):
        open_model("toy-models/reader")
    assert composed("a", embedded("pool-4")).name == "a"
