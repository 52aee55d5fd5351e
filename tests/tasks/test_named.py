from collections.abc import Iterator
from pathlib import Path

import pytest

from saccade.core.errors import SaccadeError
from saccade.core.registry import plugins
from saccade.tasks.exam import Exam
from saccade.tasks.named import named_exam
from tests.outside_packages import install

SOURCE = """
class Three:
    name = "three/1"
    def __len__(self): return 3
    def __iter__(self): return iter(())

three = Three()
number = 3

def nothing():
    return 4

def broken():
    raise KeyError("data")
"""


@pytest.fixture(autouse=True)
def exams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    names = ("Three", "three", "number", "nothing", "broken")
    entries = {"saccade.exams": {name: f"exams_a:{name}" for name in names}}
    install(tmp_path, monkeypatch, "exams", entries, {"exams_a": SOURCE})
    yield
    plugins._installed.cache_clear()


@pytest.mark.parametrize("name", ["exams/Three", "exams/three"])
def test_a_class_and_an_object_will_do(name: str):
    found = named_exam(name)
    assert isinstance(found, Exam)
    assert (found.name, len(found)) == ("three/1", 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exams/number", "benchmark 'exams/number' is 3; register a callable that returns"),
        ("exams/nothing", "benchmark 'exams/nothing' returned 4; return an object with a name, a length"),
        ("exams/broken", "benchmark 'exams/broken' cannot be made: KeyError: 'data'"),
        ("exams/thee", "unknown benchmark of exams 1.0 'exams/thee'; did you mean exams/three"),
    ],
)
def test_refusals(name: str, message: str):
    with pytest.raises(SaccadeError, match=message.replace(".", r"\.")):
        named_exam(name)
