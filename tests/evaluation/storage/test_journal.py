"""The journal: what was answered is there again, and a folder that cannot be gone on from is refused by name."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.evaluation.answered import Answered
from saccade.evaluation.storage.journal import NAME, FileJournal, MemoryJournal
from saccade.policies.ladder import sides
from tests.evaluation.small import Server, asked, candidate, numbered
from tests.policies.fake import Fake, answer

RECIPE = {"benchmark": "numbered", "budgets": [64, 16], "seed": 0}


def one(place: int = 0, error: str | None = None, said: str = "red", picture: str = "a") -> Answered:
    return Answered(
        picture=picture, place=place, said=said, read=said, score=0.25, visual_tokens=256, tokens=280, slots=None,
        predicted=10**12, counted=None, bytes=7, ms=1.25, looks=1, error=error,
    )  # fmt: skip


def told(answered: Answered) -> dict[str, object]:
    hidden = ("stored", "fresh")
    return {each.name: getattr(answered, each.name) for each in fields(answered) if each.name not in hidden}


def written(folder: Path, *answers: Answered, recipe=RECIPE, **how) -> None:
    with FileJournal(folder, recipe, **how) as journal:
        journal.add("far", answers, detailed=False)


def known(folder: Path, recipe=RECIPE, **how) -> dict[tuple[str, int], dict[str, object]]:
    with FileJournal(folder, recipe, **how) as journal:
        return {key: told(found) for key, found in journal.known("far").items()}


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    answers = [one(), one(1, "it was gone"), one(2, said="half \ud83d\nof é 字"), one(3, said="\u2028\x85\r\n")]
    written(tmp_path, *answers)
    assert known(tmp_path) == {("a", each.place): told(each) for each in answers}


def test_the_file_is_one_line_an_answer_behind_what_is_compared(tmp_path: Path) -> None:
    written(tmp_path, one(), one(1))
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().split("\n")[:-1]]
    assert lines[0] == {"schema": "saccade.answers/1", "comparison": RECIPE}
    assert [(line["candidate"], line["question"]) for line in lines[1:]] == [("far", 0), ("far", 1)]


def test_answers_are_there_before_the_journal_is_closed(tmp_path: Path) -> None:
    with FileJournal(tmp_path, RECIPE) as journal:
        journal.add("far", [one()], detailed=False)
        assert len((tmp_path / NAME).read_text().splitlines()) == 2


def test_later_lines_win(tmp_path: Path) -> None:
    written(tmp_path, one(error="gone"))
    written(tmp_path, one())
    assert known(tmp_path)["a", 0]["error"] is None


def test_looks_come_back_whole(tmp_path: Path) -> None:
    fake = Fake(asked=lambda *_: answer("?", 0.5, (("?", 0.5), ("!", 0.25))))
    looked = candidate(fake, sides(20, None), title="ladder", detailed=True)
    with FileJournal(tmp_path, RECIPE) as journal:
        ((fresh, *_),) = asked(numbered(2), looked, journal=journal)
    with FileJournal(tmp_path, RECIPE) as journal:
        ((again, *_),) = asked(numbered(2), looked, journal=journal)
    assert len(fake.log) == 4
    assert again.result.trace == fresh.result.trace
    assert (again.result.outcome.answer, again.result.outcome.level) == (fresh.result.outcome.answer, 2)
    one, other = (json.dumps(each.to_json(detailed=True)) for each in (again, fresh))
    assert one == other


@pytest.mark.parametrize("cut", [1, 2, 30, 150])
def test_a_line_that_was_cut_off_is_asked_again(tmp_path: Path, cut: int) -> None:
    written(tmp_path, one(), one(1))
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[:-cut])
    assert list(known(tmp_path)) == [("a", 0)]
    written(tmp_path, one(1))
    assert (tmp_path / NAME).read_bytes() == whole


def test_every_place_at_which_a_journal_may_break_off_is_gone_on_from(tmp_path: Path) -> None:
    written(tmp_path, one(said="é 字"), one(1))
    whole = (tmp_path / NAME).read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in sorted({*range(0, len(whole), 31), *(end + off for end in ends for off in (-1, 0, 1))}):
        (tmp_path / NAME).write_bytes(whole[:cut])
        assert len(known(tmp_path)) == max(0, whole[:cut].count(b"\n") - 1)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"candidate": "far", nonsense\n', "line 3 cannot be read"),
        (b"[1, 2]\n", "line 3 cannot be read: it holds a list"),
        (b'{"candidate": "far"}\n', "line 3 cannot be read: it lacks 'picture'"),
        (b"\xff\xfe\n", "line 3 cannot be read"),
        (b'{"candidate": "far", "picture": "a", "flops": 3}\n', "line 3 cannot be read"),
    ],
)
def test_a_damaged_line_is_refused_by_its_number(tmp_path: Path, line: bytes, why: str) -> None:
    written(tmp_path, one())
    with (tmp_path / NAME).open("ab") as file:
        file.write(line)
    with pytest.raises(SaccadeError, match=f"{why}.*name another folder with --out.*--fresh"):
        known(tmp_path)
    assert known(tmp_path, fresh=True) == {}


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"schema": "saccade.answers/0"}\n')
    with pytest.raises(SaccadeError, match=r"line 1 cannot be read: its schema is 'saccade\.answers/0'"):
        known(tmp_path)


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({**RECIPE, "seed": 1}, "seed differs"),
        ({**RECIPE, "seed": 1, "budgets": None}, "budgets, seed differ"),
        ({**RECIPE, "more": True}, "more differs"),
        ({"benchmark": "numbered", "seed": 0}, "budgets differs"),
    ],
)
def test_a_folder_of_another_comparison_is_refused_by_what_differs(tmp_path: Path, other, differs: str) -> None:
    written(tmp_path, one())
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(SaccadeError, match=f"holds another comparison: {differs};.*--out.*--fresh"):
        known(tmp_path, other)
    assert (tmp_path / NAME).read_bytes() == before
    assert known(tmp_path, other, fresh=True) == {}
    assert known(tmp_path, other) == {}


def test_fresh_forgets_and_retry_asks_failed_questions_again(tmp_path: Path) -> None:
    written(tmp_path, one(), one(1, "gone"), one(2, "gone"), one(2))
    assert list(known(tmp_path)) == [("a", 0), ("a", 1), ("a", 2)]
    assert list(known(tmp_path, retry=True)) == [("a", 0), ("a", 2)]
    assert known(tmp_path, fresh=True) == {}


def test_retried_questions_are_asked_and_no_others(tmp_path: Path) -> None:
    def sometimes(request, size):
        if int(request.question.split(".")[0]) % 3 == 0:
            raise SaccadeError("asked too much")
        return answer("0")

    exam, fine = numbered(12), Server(asked=lambda *_: answer("0"))
    with FileJournal(tmp_path, RECIPE) as journal:
        asked(exam, candidate(Server(asked=sometimes)), journal=journal)
    with FileJournal(tmp_path, RECIPE) as journal:
        (found,) = asked(exam, candidate(fine), journal=journal)
    assert (len(fine.log), sum(each.error is not None for each in found)) == (0, 4)
    with FileJournal(tmp_path, RECIPE, retry=True) as journal:
        (found,) = asked(exam, candidate(fine), journal=journal)
    assert sorted(request.question for request in fine.log) == ["0.0?", "3.0?", "6.0?", "9.0?"]
    assert {(each.error, each.score) for each in found} == {(None, 1.0)}


def test_a_folder_that_another_process_writes_to_is_refused(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from saccade.evaluation.storage.journal import FileJournal\n"
    code += "journal = FileJournal(Path(sys.argv[1]), {}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(SaccadeError, match=r"another comparison writes to .*answers\.jsonl now; wait for it"):
            FileJournal(tmp_path, {})
        other.kill()
    FileJournal(tmp_path, {}).close()


def test_a_refused_folder_is_let_go_of(tmp_path: Path) -> None:
    written(tmp_path, one())
    with pytest.raises(SaccadeError, match="holds another comparison"):
        FileJournal(tmp_path, {})
    FileJournal(tmp_path, RECIPE).close()


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SaccadeError, match=r"answers cannot be written to .*file.*; name another folder with --out"):
        FileJournal(tmp_path / "file" / "out", RECIPE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_that_json_lacks_is_written(tmp_path: Path, value: float) -> None:
    fake = Fake(asked=lambda *_: Answer("a", (1,), (value,)))
    looked = candidate(fake, sides(20, None), title="ladder", detailed=True)
    with FileJournal(tmp_path, RECIPE) as journal, pytest.raises(SaccadeError, match="no finite number"):
        asked(numbered(1), looked, journal=journal)


def test_without_a_folder_answers_last_as_long_as_the_journal() -> None:
    journal = MemoryJournal()
    journal.add("far", [one()], detailed=True)
    assert list(journal.known("far")) == [("a", 0)]
    assert not journal.known("near")
