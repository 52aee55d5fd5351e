from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from saccade.core.errors import SaccadeError
from saccade.core.records.recipe import from_dict, to_dict
from saccade.core.registry import plugins
from saccade.core.registry.kinds import Kinds, foreign
from saccade.core.registry.plugins import plugin
from tests.outside_packages import install

SOURCE = """
from __future__ import annotations
from abc import ABC, abstractmethod
from dataclasses import dataclass

@dataclass(frozen=True, kw_only=True)
class Fold:
    step: int = 2
    inner: Fold | None = None

    def __post_init__(self) -> None:
        if self.step < 1:
            raise RuntimeError("steps go on")

@dataclass(frozen=True)
class Listed:
    items: list[int]

@dataclass
class Loose:
    step: int = 2

class Plain:
    pass

class Base(ABC):
    @abstractmethod
    def tokens(self) -> int: ...

@dataclass(frozen=True)
class Half(Base):
    step: int = 2

@dataclass(frozen=True)
class Named:
    kind: str = ""

fold = Fold()
"""


@dataclass(frozen=True)
class Own:
    part: object = None


TYPES: dict[str, type] = {"own": Own}


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    names = ["Fold", "Listed", "Loose", "Plain", "Half", "Named", "fold"]
    entries = {
        "saccade.parts": {name: f"kinds_a:{name}" for name in names},
        "saccade.policies": {"look": "kinds_b:Look"},
    }
    look = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Look:\n    side: int = 3\n"
    install(tmp_path, monkeypatch, "kinds", entries, {"kinds_a": SOURCE, "kinds_b": look})
    yield
    plugins._installed.cache_clear()


def test_a_class_of_another_package_goes_there_and_back():
    made = from_dict({"kind": "Kinds/Fold", "inner": {"kind": "kinds/Fold", "step": 3}}, TYPES)
    assert to_dict(made, TYPES) == {
        "kind": "kinds/Fold",
        "step": 2,
        "inner": {"kind": "kinds/Fold", "step": 3, "inner": None},
    }
    assert from_dict(to_dict(made, TYPES), TYPES) == made


def test_either_group_is_found_whichever_is_asked_first():
    for group in ("saccade.parts", "saccade.policies"):
        look = from_dict({"kind": "kinds/look", "side": 4}, TYPES, group)
        assert to_dict(look, TYPES, group) == {"kind": "kinds/look", "side": 4}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Loose", "part 'kinds/Loose': Loose can be changed; make it @dataclass"),
        ("Plain", "part 'kinds/Plain' is Plain; register a frozen dataclass"),
        ("Half", "part 'kinds/Half': Half has no tokens; every Base has it"),
        ("Named", "Named has a field 'kind', which recipes need for the class; rename it"),
        ("fold", r"part 'kinds/fold' is Fold\(step=2, inner=None\); register a frozen dataclass"),
    ],
)
def test_what_no_recipe_can_hold_is_refused_by_name(name: str, message: str):
    with pytest.raises(SaccadeError, match=message):
        foreign("saccade.parts", f"kinds/{name}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "kinds/Fold", "step": 0}, "recipe: kinds/Fold cannot be made: RuntimeError: steps go on"),
        ({"kind": "kinds/Fold", "stp": 1}, r"unknown key in recipe \(kinds/Fold\) 'stp'; did you mean step"),
        ({"kind": "kinds/Listed", "items": [1]}, "kinds/Listed cannot be made: TypeError: .*recipes cannot hold"),
        ({"kind": "kinds/Listed"}, r"recipe \(kinds/Listed\): missing items"),
        ({"kind": "nowhere/Fold"}, "part 'nowhere/Fold' needs the package nowhere, which is not installed"),
        ({"kind": "Fold"}, r"unknown recipe\.kind 'Fold'; known: own"),
    ],
)
def test_refusals(data: object, message: str):
    with pytest.raises(SaccadeError, match=message):
        from_dict(data, TYPES)


def test_a_class_without_a_name_cannot_be_written():
    with pytest.raises(SaccadeError, match=r"Elsewhere has no name .* known: own; .* entry-point group saccade\.parts"):
        Kinds(TYPES, "saccade.parts").name_of(type("Elsewhere", (), {}))


def test_an_own_class_reads_no_entry_points(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "entry_points", lambda: pytest.fail("entry points were read"))
    plugins._installed.cache_clear()
    assert to_dict(from_dict({"kind": "own"}, {"own": Own}), {"own": Own}) == {"kind": "own", "part": None}


def test_the_class_is_the_one_that_the_package_holds():
    made = plugin("saccade.parts", "kinds/Fold")
    assert type(from_dict({"kind": "kinds/Fold"}, TYPES)) is made
