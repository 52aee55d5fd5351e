"""Users' data: every form there and back, pictures that open late, and files that are refused whole."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.evaluation.metrics.marking import Marking
from saccade.tasks.data import read
from saccade.tasks.exam import Question
from tests.tasks.files import CHECK, CSV_HEAD, GOOD, TURNS, never, refused, write


def open_file(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.convert("RGB")


def asked(path: Path) -> dict[str, list[Question]]:
    return {picture.name: list(picture.questions) for picture in read(path, never, CHECK)}


def test_jsonl_there_and_back(folder):
    rows = [
        {"image": "a.png", "question": "What?", "answer": "cat"},
        {"image": "sub/b c.png", "question": "Where? \u2028 here", "answers": ["left", "at left"], "scale": "detail"},
        {"image": "sub/../a.png", "question": "Et ça?", "answer": "7", "boxes": [[1, 2, 3.5, 4], [0, 0, 1, 1]]},
        {"image": str(folder / "sub" / "b c.png"), "question": "All?", "answer": "no", "boxes": [], "scale": "gist"},
    ]
    text = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    wanted = {
        "a.png": [
            Question("What?", ("cat",), "own", "own"),
            Question("Et ça?", ("7",), "own", "own", (Box(1, 2, 3.5, 4), Box(0, 0, 1, 1))),
        ],
        "sub/b c.png": [
            Question("Where? \u2028 here", ("left", "at left"), "own", "detail"),
            Question("All?", ("no",), "own", "gist"),
        ],
    }
    assert asked(write(folder, "mine.jsonl", text)) == wanted
    assert list(asked(folder / "mine.jsonl")) == ["a.png", "sub/b c.png"]
    windows = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n"
    assert asked(write(folder, "windows.JSONL", windows)) == wanted


@pytest.mark.parametrize("indent", [None, 2])
def test_llava_there_and_back(folder, indent):
    later = [{"from": "human", "value": "And now?"}, {"from": "gpt", "value": "dog"}]
    first = [{"from": "human", "value": "What?\n<image>"}, {"from": "gpt", "value": "cat"}]
    entries = [
        {"id": "1", "image": "a.png", "conversations": TURNS + later},
        {"image": "sub/b c.png", "conversations": first, "scale": "gist", "model": ""},
    ]
    path = write(folder, "llava.json", json.dumps(entries, indent=indent) + "\n")
    what, now = Question("What?", ("cat",), "own", "own"), Question("And now?", ("dog",), "own", "own")
    assert asked(path) == {"a.png": [what, now], "sub/b c.png": [Question("What?", ("cat",), "own", "gist")]}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_there_and_back(folder, end):
    lines = ["image, question, answers, scale", 'a.png, "What, or\nwho?",cat|a cat,', "sub/b c.png,How?,so,detail", ""]
    path = write(folder, "table.csv", end.join(lines))
    write(folder, "._table.csv", b"\xff")
    wanted = {
        "a.png": [Question("What, or\nwho?", ("cat", "a cat"), "own", "own")],
        "sub/b c.png": [Question("How?", ("so",), "own", "detail")],
    }
    assert asked(folder) == asked(path) == wanted


def test_an_answer_column_keeps_its_bars(folder):
    questions = asked(write(folder, "t.csv", "question,image,answer\nWhich?,a.png,a|b\n"))["a.png"]
    assert questions == [Question("Which?", ("a|b",), "own", "own")]


def test_pictures_open_when_they_are_asked_for(folder):
    opened: list[Path] = []

    def opener(path: Path) -> Image.Image:
        opened.append(path)
        return open_file(path)

    exam = read(write(folder, "mine.jsonl", f"{GOOD}\n{GOOD.replace('a.png', 'sub/b c.png')}"), opener, CHECK)
    pictures = list(exam)
    assert len(exam) == len(pictures) == 2
    assert opened == []
    assert pictures[1].size == pictures[1].size == Size(12, 40)
    assert opened == [folder / "sub" / "b c.png"]
    assert pictures[0].image().getpixel((0, 0)) == (255, 0, 0)
    assert pictures[0].size == Size(30, 20)
    assert len(opened) == 2


def test_the_name_changes_with_the_text(folder):
    one, two = write(folder, "mine.jsonl", GOOD), write(folder / "sub", "mine.jsonl", GOOD.replace("a.png", "b c.png"))
    assert read(one, never, CHECK).name == read(one, never, CHECK).name != read(two, never, CHECK).name
    assert re.fullmatch(r"mine\.jsonl [0-9a-f]{12}", read(one, never, CHECK).name)


def test_a_picture_that_does_not_open_names_its_line(folder):
    def opener(path: Path) -> Image.Image:
        raise SaccadeError(f"{path.name} is cut short")

    (picture,) = read(write(folder, "mine.jsonl", f"\n{GOOD}\n{GOOD}"), opener, CHECK)
    for look in (picture.image, lambda: picture.size):
        with pytest.raises(SaccadeError, match=r"mine\.jsonl line 2: a\.png is cut short"):
            look()


@pytest.mark.parametrize(("name", "text"), [("a.jsonl", "\n\n"), ("a.json", "[ ]\n"), ("a.csv", f"{CSV_HEAD}\n")])
def test_no_questions_at_all(folder, name, text):
    path = write(folder, name, text)
    assert refused(path).startswith(f"{path} holds no questions; it needs at least one")


def test_files_of_another_kind_are_refused(folder):
    assert refused(folder).startswith(f"the folder {folder} holds 0 .csv files, expected exactly 1; name the data file")
    write(folder, "x.csv", CSV_HEAD)
    write(folder, "y.CSV", CSV_HEAD)
    assert "holds 2 .csv files (x.csv, y.CSV), expected exactly 1" in refused(folder)
    assert "ends in '.txt', expected .jsonl (one question a line), .json (LLaVA)" in refused(write(folder, "m.txt", ""))
    assert "ends in 'nothing', expected .jsonl" in refused(write(folder, "mine", ""))
    assert refused(folder / "gone.jsonl").startswith(f"there is no data file or folder at {folder / 'gone.jsonl'}")


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json", "mine.csv"])
def test_text_that_is_not_utf8_names_its_line(folder, name):
    path = write(folder, name, b"a\nb\n\xe9t\xe9")
    assert refused(path) == f"{path} line 3: byte 0xe9 is not UTF-8; save the file as UTF-8 text"


def test_a_file_that_cannot_be_read_says_why(folder, monkeypatch):
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = write(folder, "mine.jsonl", GOOD)
    monkeypatch.setattr(Path, "read_bytes", denied)
    assert refused(path).startswith(f"{path} cannot be read: Permission denied; it has to be a file")


def test_a_line_may_say_how_it_is_marked_and_what_the_letters_stand_for(folder: Path):
    """The same question in all three forms."""
    people = ["blue"] * 7 + ["navy"] * 3
    vqa = {"image": "a.png", "question": "What?", "answers": people, "metric": "vqa"}
    lettered = {"image": "a.png", "question": "Which?", "answer": "B", "metric": "choice", "choices": ["cat", "dog"]}
    expected = [
        Question("What?", tuple(people), "own", "own", metric="vqa"),
        Question("Which?", ("B",), "own", "own", metric="choice", choices=("cat", "dog")),
    ]
    lines = write(folder, "mine.jsonl", f"{json.dumps(vqa)}\n{json.dumps(lettered)}")
    assert asked(lines) == {"a.png": expected}
    turns = [{"from": "human", "value": "Which?"}, {"from": "gpt", "value": "B"}]
    entry = {"image": "a.png", "conversations": turns, "metric": "choice", "choices": ["cat", "dog"]}
    assert asked(write(folder, "mine.json", json.dumps([entry]))) == {"a.png": expected[1:]}
    head = "image,question,answers,metric,choices"
    cells = f"{head}\na.png,What?,{'|'.join(people)},vqa,\na.png,Which?,B,choice,cat | dog\n"
    assert asked(write(folder, "mine.csv", cells)) == {"a.png": expected}
    assert len({expected[0], expected[1], replace(expected[1])}) == 2


def test_every_question_is_checked_against_the_metric_of_the_data_set(folder: Path):
    path = write(folder, "mine.jsonl", f"{GOOD}\n{GOOD}")
    with pytest.raises(
        SaccadeError, match=r"mine\.jsonl line 1: the metric vqa takes the 10 answers .* got 1; .*1 more"
    ):
        read(path, never, Marking("vqa").check)
    assert len(read(path, never, Marking("anls").check)) == 1
