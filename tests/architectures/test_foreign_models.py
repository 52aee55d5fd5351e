"""Models of other packages in ``plan``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from saccade.architectures import PRESETS
from saccade.architectures.catalogue import system
from saccade.core.errors import SaccadeError
from saccade.core.registry import plugins
from saccade.core.size import Size
from tests.outside_packages import install

SOURCE = """
from pathlib import Path
from saccade.architectures import PRESETS, catalogue
llava = catalogue.system("llava-1.5-7b")
preset = PRESETS["llava-1.5-7b"]
data = {"config": dict(llava.config), "processor": dict(llava.processor)}
def made():
    return data
def broken():
    raise KeyError("config")
number = 3
half = {"config": {}}
odd = {"config": {"model_type": "lava"}, "processor": {}}
"""


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entries = {
        "saccade.models": {
            n: f"models_a:{n}" for n in ("llava", "preset", "data", "made", "number", "half", "odd", "broken")
        }
    }
    install(tmp_path, monkeypatch, "given", entries, {"models_a": SOURCE})
    system.cache_clear()
    yield
    plugins._installed.cache_clear()
    system.cache_clear()


@pytest.mark.parametrize("name", ["llava", "preset", "data", "made"])
def test_a_model_may_be_given_in_each_of_its_forms(name: str):
    ours = system("llava-1.5-7b").plan([Size(640, 480)])
    theirs = system(f"given/{name}").plan([Size(640, 480)])
    assert (theirs.visual_tokens, theirs.flops, theirs.params) == (ours.visual_tokens, ours.flops, ours.params)
    assert name == "llava" or system(f"given/{name}").name == f"given/{name}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("given/number", "model 'given/number' is 3, which cannot be planned; register a System"),
        ("given/half", "model 'given/half': processor is None; give what the checkpoint's JSON says"),
        ("given/broken", "model 'given/broken' cannot be made: KeyError: 'config'"),
        ("given/odd", "unknown model type of given/odd 'lava'; did you mean llava"),
    ],
)
def test_refusals(name: str, message: str):
    with pytest.raises(SaccadeError, match=message):
        system(name)


def test_a_misspelt_model_is_told_the_names_of_other_packages_too():
    with pytest.raises(SaccadeError, match="unknown model 'givn-llava'; did you mean given/llava"):
        system("givn-llava")
    assert "given/llava" not in PRESETS
