import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saccade.core.errors import SaccadeError
from saccade.evaluation.results import SCHEMA, Changes, Results, Score
from tests.report.fakes import results, row

Tree = dict[str, Any]


def test_round_trip():
    found = results()
    assert Results.from_json(found.to_json()) == found


def test_round_trip_of_what_may_be_missing():
    bare = dataclasses.replace(
        row(detail=None, gist=None, own=0.5, half=None), seed=(0, 1, 2), kinds={}, difference=Changes()
    )
    found = results(bare)
    read = Results.from_json(found.to_json())
    assert read == found
    assert read.rows[0].seed == (0, 1, 2)
    assert read.scales == ("own",)


def test_the_record_has_the_schema_s_keys():
    tree = json.loads(results().to_json())
    assert tree["schema"] == SCHEMA == "saccade.compare/2"
    assert set(tree["rows"][0]) >= {
        "reader",
        "policy",
        "budget",
        "seed",
        "visual_tokens",
        "slots",
        "detail",
        "gist",
        "own",
    }
    assert set(tree["rows"][0]["detail"]) == {"n", "correct", "accuracy", "ci95"}
    assert set(tree["rows"][0]["ms"]) == {"p50", "p95"}
    assert set(tree["rows"][0]["flops"]) == {"predicted", "counted"}


def _set(*path: str | int, value: object) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        inner: Any = tree
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


def _drop(tree: Tree) -> None:
    del tree["rows"][1]["slots"], tree["rows"][1]["ms"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            _set("rows", 0, "visual_token", value=3),
            r"results\.rows\[0\]: unknown key 'visual_token'; did you mean visual_tokens",
        ),
        (_drop, r"results\.rows\[1\]: 2 of 20 keys missing: slots, ms"),
        (_set("schema", value="saccade.compare/1"), "'saccade.compare/1', this version reads 'saccade.compare/2'"),
        (
            _set("rows", 0, "fidelity", value="close"),
            r"fidelity: expected one of 'exact', 'faithful', 'survey', 'hosted', got 'close'",
        ),
        (_set("rows", 0, "bytes", value=1.5), "bytes: expected a whole number, got 1.5"),
        (_set("rows", 0, "bytes", value=True), "bytes: expected a whole number, got True"),
        (_set("rows", 0, "slots", value=float("nan")), "slots: expected a finite number, got nan"),
        (_set("rows", 0, "seed", value=[0, "1"]), r"seed\[1\]: expected a whole number, got '1'"),
        (_set("rows", 0, "detail", "ci95", value=[0.1]), "expected an array of 2, got 1 items"),
        (_set("rows", 0, "detail", "ci95", value=[0.9, 0.1]), "low ≤ high, got 0.9 and 0.1"),
        (_set("rows", 0, "detail", "correct", value=401), "401 of 400"),
        (_set("rows", 0, "detail", "accuracy", value=0.5), "is not an accuracy of 0.5"),
        (_set("rows", 0, "kinds", value=[]), "kinds: expected an object"),
        (_set("rows", value={}), "rows: expected an array"),
        (_set("rows", value=[]), "'llava' is in none of the 0 rows"),
        (_set("reference", value="llama"), "'llama' is in none of the 26 rows"),
    ],
)
def test_refusals(change: Callable[[Tree], None], told: str):
    tree = json.loads(results().to_json())
    change(tree)
    with pytest.raises(SaccadeError, match=told):
        Results.from_json(json.dumps(tree))


def test_text_that_is_no_record_is_refused():
    with pytest.raises(SaccadeError, match="no JSON at line 1 column 2"):
        Results.from_json("{")
    with pytest.raises(SaccadeError, match="schema is None"):
        Results.from_json("[]")


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path):
    broken = dataclasses.replace(results(), seconds=float("inf"))
    with pytest.raises(SaccadeError, match="seconds: expected a finite number"):
        broken.save(tmp_path / "results.json")
    assert list(tmp_path.iterdir()) == []


def test_save_replaces_whole(tmp_path: Path):
    path = tmp_path / "results.json"
    path.write_text("old")
    results().save(path)
    assert Results.from_json(path.read_text(encoding="utf-8")) == results()
    assert [found.name for found in tmp_path.iterdir()] == ["results.json"]


def test_a_failed_save_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "results.json"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("saccade.core.records.files.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        results().save(path)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["results.json"]


def test_save_asks_for_the_folder(tmp_path: Path):
    with pytest.raises(SaccadeError, match="make it first"):
        results().save(tmp_path / "none" / "results.json")


def test_ranked_by_tokens_with_the_reference_first_and_baselines_last():
    rows = results(
        row("llava", 16, policy="random", budget=16),
        row("pool-16", 16),
        row("llava", 16, policy="resize", budget=16),
        row("shuffle", 256.2),
        row("llava", 256),
    ).ranked
    assert [(found.reader, found.policy) for found in rows] == [
        ("llava", "once"),
        ("shuffle", "once"),
        ("pool-16", "once"),
        ("llava", "resize"),
        ("llava", "random"),
    ]


def test_a_score_of_nothing_is_refused():
    with pytest.raises(SaccadeError, match="0 of 0"):
        Score(0, 0, 0.0)


def test_a_whole_sum_of_scores_is_stored_whole_and_a_part_of_one_as_it_is():
    whole, part = (dataclasses.replace(row(), own=Score(4, sum, sum / 4)) for sum in (3.0, 2.6))
    text = results(whole, part).to_json()
    assert [found["own"]["correct"] for found in json.loads(text)["rows"]] == [3, 2.6]
    assert '"correct": 3,' in text
    assert Results.from_json(text) == results(whole, part)


@pytest.mark.parametrize("total", [-0.5, 4.5, float("nan"), float("inf")])
def test_a_sum_of_scores_lies_between_none_and_all(total: float):
    with pytest.raises(SaccadeError, match="0 ≤ correct ≤ n"):
        Score(4, total, total / 4)


def test_results_stored_with_whole_numbers_still_read():
    stored = Path(__file__).parents[2] / "docs" / "results.json"
    assert Results.from_json(stored.read_text(encoding="utf-8")).to_json() == stored.read_text(encoding="utf-8")
