import json
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.records.recipe import digest, from_dict, override, read, to_dict
from saccade.core.size import Size
from tests.core.strategies import boxes_in, grids, sizes


@dataclass(frozen=True, kw_only=True)
class Pool:
    rows: int
    keep: bool = False


@dataclass(frozen=True, kw_only=True)
class Queries:
    count: int
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stage:
    rate: float
    freeze: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Path:
    name: str
    size: Size
    connector: Pool | Queries
    mode: Literal["fast", "good"] = "fast"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    stages: tuple[Stage, ...] = ()
    grid: Grid | None = None
    focus: Box | Size | None = None
    limit: float | int | str | None = None
    rounds: Literal[1, 2] = 1
    spare: Queries | None = None
    doubled: int = field(init=False, default=0)


TYPES: dict[str, type] = {"path": Path, "pool": Pool, "queries": Queries, "stage": Stage}
PATH = Path(name="one", size=Size(64, 32), connector=Pool(rows=4), stages=(Stage(rate=0.1), Stage(rate=3.0)))

numbers = st.floats(allow_nan=False, allow_infinity=False)
queries = st.builds(Queries, count=st.integers(), note=st.none() | st.text())
paths = st.builds(
    Path,
    name=st.text(),
    size=sizes,
    connector=st.builds(Pool, rows=st.integers(), keep=st.booleans()) | queries,
    mode=st.sampled_from(["fast", "good"]),
    mean=st.tuples(numbers, numbers, numbers),
    stages=st.lists(st.builds(Stage, rate=numbers, freeze=st.lists(st.text()).map(tuple)), max_size=3).map(tuple),
    grid=st.none() | grids,
    focus=st.none() | sizes | boxes_in(Box.of(Size(32, 32))),
    limit=st.none() | st.integers() | numbers | st.text(),
    spare=st.none() | queries,
)


def written() -> dict[str, object]:
    return to_dict(PATH, TYPES)


@given(paths)
def test_there_and_back_through_json(path: Path):
    back = from_dict(json.loads(json.dumps(to_dict(path, TYPES), allow_nan=False)), TYPES)
    assert back == path
    assert type(back.limit) is type(path.limit)
    assert digest(to_dict(back, TYPES)) == digest(to_dict(path, TYPES))


@given(paths, paths)
def test_unlike_specs_have_unlike_digests(one: Path, two: Path):
    assume(one != two)
    assert digest(to_dict(one, TYPES)) != digest(to_dict(two, TYPES))


def test_a_recipe_reads_well():
    assert to_dict(replace(PATH, grid=Grid(2, 3)), TYPES) == {
        "kind": "path",
        "name": "one",
        "size": [64, 32],
        "connector": {"kind": "pool", "rows": 4, "keep": False},
        "mode": "fast",
        "mean": [0.5, 0.5, 0.5],
        "stages": [{"kind": "stage", "rate": 0.1, "freeze": []}, {"kind": "stage", "rate": 3.0, "freeze": []}],
        "grid": [2, 3],
        "focus": None,
        "limit": None,
        "rounds": 1,
        "spare": None,
    }


def test_absent_keys_take_their_defaults():
    data = read("{kind: path, name: one, size: [64, 32], connector: {kind: pool, rows: 4}}")
    assert from_dict(data, TYPES) == replace(PATH, stages=())


def test_a_whole_number_will_do_for_a_fraction():
    stage = from_dict({"kind": "stage", "rate": 1}, TYPES)
    assert stage == Stage(rate=1.0)
    assert type(stage.rate) is float


def test_a_digest_is_sha256_of_sorted_json():
    known = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"  # sha256 of {"a":1,"b":2}
    assert digest({"b": 2, "a": 1}) == digest({"a": 1.0, "b": 2}) == known
    assert digest({"a": 1}) != digest({"a": True}) != digest({"a": "1"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "pth"}, r"unknown recipe.kind 'pth'; did you mean path\?"),
        ({"siez": 3}, r"unknown key in recipe \(path\) 'siez'; did you mean size\?"),
        ({"connector": {"kind": "pool", "row": 1}}, r"key in recipe.connector \(pool\) 'row'; did you mean rows\?"),
        ({"connector": {"kind": "pool"}}, r"recipe.connector \(pool\): missing rows"),
        ({"connector": {"rows": 4}}, r"recipe.connector: 'kind' is missing; known: path, pool, queries, stage"),
        ({"connector": {"kind": "stage", "rate": 1}}, r"recipe.connector: takes Pool or Queries, got Stage"),
        ({"spare": {"kind": "pool", "rows": 1}}, r"recipe.spare: takes Queries, got Pool"),
        ({"connector": 4}, r"recipe.connector: takes Pool or Queries, got 4"),
        ({"connector": {"kind": "pool", "rows": "4"}}, r"recipe.connector.rows: takes a whole number, got '4'"),
        ({"connector": {"kind": "pool", "rows": True}}, r"recipe.connector.rows: takes a whole number, got True"),
        ({"connector": {"kind": "pool", "rows": 4.0}}, r"recipe.connector.rows: takes a whole number, got 4.0"),
        ({"connector": {"kind": "pool", "rows": 4, "keep": 1}}, r"connector.keep: takes true or false, got 1"),
        ({"stages": [{"kind": "stage", "rate": True}]}, r"recipe.stages.0.rate: takes a number, got True"),
        ({"connector": None}, r"recipe.connector: takes Pool or Queries, got None"),
        ({"rounds": True}, r"unknown recipe.rounds 'True'; known: 1, 2"),
        ({"mode": "god"}, r"unknown recipe.mode 'god'; did you mean good\?"),
        ({"mean": [1, 2]}, r"recipe.mean: takes 3 values, got 2: \[1, 2\]"),
        ({"mean": [1, 2, float("inf")]}, r"recipe.mean.2: takes a number, got inf"),
        ({"size": [1, 2, 3]}, r"recipe.size: takes 2 values, got 3"),
        ({"size": [0, 2]}, r"at least 1×1 pixels, got 0×2"),
        ({"size": "64x32"}, r"recipe.size: takes a list, got '64x32'"),
        ({"stages": [{"kind": "stage", "rate": 1}, 5]}, r"recipe.stages.1: takes a mapping, got 5"),
        ({"name": None}, r"recipe.name: takes text, got None"),
        ({"doubled": 3}, r"unknown key in recipe \(path\) 'doubled'"),
        ({"limit": [1]}, r"recipe.limit: takes a number or a whole number or text or null, got \[1\]"),
    ],
)
def test_refuses_bad_data_and_names_the_place(change: dict[str, object], words: str):
    with pytest.raises(SaccadeError, match=words):
        from_dict(written() | change, TYPES)


def test_a_subclass_goes_by_its_own_name():
    @dataclass(frozen=True, kw_only=True)
    class Wide(Pool):
        cols: int = 2

    types: dict[str, type] = TYPES | {"wide": Wide}
    assert to_dict(Wide(rows=1), types)["kind"] == "wide"
    assert to_dict(Pool(rows=1), {"wide": Wide, "pool": Pool})["kind"] == "pool"
    assert from_dict(to_dict(Wide(rows=1), types), types) == Wide(rows=1)


def test_refuses_what_is_no_recipe():
    with pytest.raises(SaccadeError, match="recipe: takes a mapping, got 3"):
        from_dict(3, TYPES)
    with pytest.raises(SaccadeError, match=r"recipe \(path\): missing name, size, connector"):
        from_dict({"kind": "path"}, TYPES)


def test_refuses_to_write_what_it_could_not_read():
    with pytest.raises(SaccadeError, match="Pool has no name to be written under; known: path"):
        to_dict(PATH, {"path": Path})
    with pytest.raises(SaccadeError, match="finite numbers, got nan"):
        to_dict(Stage(rate=float("nan")), TYPES)


def test_spec_classes_that_recipes_cannot_hold_are_our_own_fault():
    @dataclass
    class Clash:
        kind: int

    @dataclass
    class Loose:
        table: dict[str, int]

    with pytest.raises(TypeError, match="Clash has a field 'kind'"):
        to_dict(Clash(1), {"clash": Clash})
    with pytest.raises(TypeError, match=r"recipe.table: recipes cannot hold dict\[str, int\]"):
        from_dict({"kind": "loose", "table": {}}, {"loose": Loose})


def test_overrides_set_what_is_there_and_leave_the_original():
    before = written()
    after = override(before, ["connector.rows=8", "stages.1.rate=1e-3", "size=[9, 7]", "name='1e3'", "name=two=2"])
    assert before == written()
    assert from_dict(after, TYPES) == Path(
        name="two=2", size=Size(9, 7), connector=Pool(rows=8), stages=(Stage(rate=0.1), Stage(rate=0.001))
    )


def test_an_override_may_replace_a_part():
    after = override(written(), ["connector={kind: queries, count: 3}", "connector.count=5"])
    assert from_dict(after, TYPES) == replace(PATH, connector=Queries(count=5))


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("connector.row=8", r"unknown key in connector 'row'; did you mean rows\?"),
        ("conector.rows=8", r"unknown key 'conector'; did you mean connector\?"),
        ("connector.rows.x=8", r"connector.rows is 4 and has nothing inside"),
        ("stages.2.rate=1", r"stages is a list of 2; count from 0"),
        ("stages.x=1", r"stages is a list of 2"),
        ("name", r"--set takes path=value, got 'name'"),
        ("=3", r"--set takes path=value, got '=3'"),
        ("name=[1", r"not readable as YAML: .*"),
    ],
)
def test_refuses_overrides_of_what_is_not_there(assignment: str, words: str):
    with pytest.raises(SaccadeError, match=words):
        override(written(), [assignment])


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("-2E5", -200_000.0), ("1.5e3", 1500.0), ("3", 3), ("'1e3'", "1e3"), ("on", True), ("e3", "e3")],
)
def test_numbers_in_yaml(text: str, value: object):
    found = read(text)
    assert found == value
    assert type(found) is type(value)
