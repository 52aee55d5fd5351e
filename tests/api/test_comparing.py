"""Comparing from Python: what is kept, gone on with and refused."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from saccade.api.comparing import OWN_LOOK, compare
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.policies.single_look import SingleLook
from saccade.tasks.exam import Question
from tests.evaluation.small import RED, Own, OwnExam, numbered
from tests.policies.fake import EVERYTHING, Fake, answer


@dataclass(eq=False)
class Printed(Fake):
    """A fake model with a fingerprint."""

    caps: Cap = EVERYTHING & ~Cap.RESIZE
    print: str = ""

    @property
    def fingerprint(self) -> str:
        return f"printed {self.name} {self.print}"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def model(name: str = "m", **more) -> Printed:
    return Printed(asked=lambda *_: answer("0"), name=name, **more)


def test_adding_a_model_asks_that_alone_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    exam, first, second = numbered(5), model("a"), model("b")
    compare(exam, models=[first], out=tmp_path / "one")
    alone = len(first.log)
    assert alone == 5 * 7
    compare(exam, models=[first, second], out=tmp_path / "two")
    assert (len(first.log), len(second.log)) == (alone, alone)
    for out in ("one", "two", "three"):
        compare(exam, models=[first] if out == "one" else [first, second], out=tmp_path / out)
    assert (len(first.log), len(second.log)) == (alone, alone)


def test_fresh_asks_everything_and_another_fingerprint_does_too(tmp_path: Path) -> None:
    exam, one = numbered(3), model()
    found = compare(exam, models=[one], out=tmp_path / "out")
    asked = len(one.log)
    again = compare(exam, models=[one], out=tmp_path / "out", fresh=True)
    assert len(one.log) == 2 * asked
    assert [row.own for row in found.results.rows] == [row.own for row in again.results.rows]
    other = model(print="bfloat16")
    with pytest.raises(SaccadeError, match="another comparison: models differs"):
        compare(exam, models=[other], out=tmp_path / "out")
    compare(exam, models=[other])
    assert len(other.log) == asked


def test_failed_questions_are_asked_again_on_request_alone(tmp_path: Path) -> None:
    def moody(request, size):
        if request.question.startswith("1.") and not fine:
            raise SaccadeError("asked too much")
        return answer("0")

    fine = False
    far = Printed(asked=moody, name="far", remote=True)
    exam = numbered(4)
    assert compare(exam, models=[far], out=tmp_path).faults
    fine, asked = True, len(far.log)
    assert compare(exam, models=[far], out=tmp_path).faults
    assert len(far.log) == asked
    assert compare(exam, models=[far], out=tmp_path, retry_failed=True).faults == ()
    assert set(Counter(request.question for request in far.log[asked:])) == {"1.0?"}


def test_files_are_what_was_found(tmp_path: Path) -> None:
    found = compare(numbered(3), models=[model()], out=tmp_path)
    assert sorted(path.name for path in found.files) == ["answers.jsonl", "report.html", "results.json"]
    assert json.loads((tmp_path / "results.json").read_text())["reference"] == "m"


def test_a_damaged_cache_is_one_clear_error_that_fresh_does_without(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "saccade"
    folder.mkdir(parents=True)
    (folder / "answers.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(SaccadeError, match=r"answers cannot be kept in .*--fresh"):
        compare(numbered(2), models=[model()])
    assert compare(numbered(2), models=[model()], fresh=True).results.rows


def test_metrics_come_as_names_functions_and_per_question_and_extraction_is_switchable() -> None:
    def half(said: str, question: Question) -> float:
        return 0.5

    exam = OwnExam([Own("a", (RED, Question("?", ("12",), "own", "own", metric="relaxed")))])
    chatty = Fake(asked=lambda *_: answer("There are 12."), caps=EVERYTHING & ~Cap.RESIZE)
    marks = [
        compare(exam, models=[chatty], metric=metric, extract=extract).results.rows[0].own
        for metric, extract in ((None, "auto"), (None, "none"), (half, "auto"))
    ]
    assert [mark.correct for mark in marks if mark is not None] == [1, 0, 1.5]


def test_a_single_look_of_ones_own_is_a_row_and_two_policies_of_one_name_are_refused() -> None:
    found = compare(numbered(2), models=[model()], policies=[SingleLook(side=20)])
    assert OWN_LOOK in {row.policy for row in found.results.rows}
    with pytest.raises(SaccadeError, match="two different policies are named 'own-look'"):
        compare(numbered(2), models=[model()], policies=[SingleLook(side=20), SingleLook(side=30)])
