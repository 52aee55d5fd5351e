"""The three forms of a user's data file, read into rows: one question with the image it is about.

A form walks the text of a file and yields the place of each record together with a call that reads
it, so that one bad record does not hide the others.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from saccade.core.errors import SaccadeError, unknown
from saccade.tasks.exam import Question, Scale
from saccade.tasks.values import boxes_of, choices_of, fields_of, seen, text_of

EXAMPLE = '{"image": "cat.jpg", "question": "What animal is this?", "answer": "cat"}'
ENTRY = '{"image": "cat.jpg", "conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}'
EXTRAS = ("id", "model", "source", "width", "height")
"""Keys of LLaVA entries that published files carry and no question needs."""
SCALES: dict[object, Scale] = {"detail": "detail", "gist": "gist"}
MARKED_BY = ("scale", "metric", "choices")
"""Optional keys that every form takes."""


@dataclass(frozen=True, slots=True)
class Record:
    """A question and the path of its image, as written."""

    image: str
    question: Question


Records = Iterator[tuple[str, Callable[[], list[Record]]]]
"""The place of each record (``line 3``) and how to read it; reading a bad one raises SaccadeError."""


def _jsonl(text: str) -> Records:
    # Only "\n" ends a line: str.splitlines would also cut at separators that may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", partial(_jsonl_line, line.strip())


def _jsonl_line(line: str) -> list[Record]:
    value, end = _decode(line, 0, EXAMPLE)
    if end < len(line):
        raise SaccadeError(f"more text at column {end + 1}, behind the object; write one object a line, like {EXAMPLE}")
    return [_row(value)]


def _llava(text: str) -> Records:
    """Walk the list entry by entry: read as a whole it would not tell on which line an entry starts."""
    if (mark := re.match(r"\s*\[\s*", text)) is None:
        raise SaccadeError("line 1: expected '[', a list of LLaVA entries; name a file of one object a line .jsonl")
    gap, at, number = re.compile(r"\s*([],])\s*"), mark.end(), 0
    line, closed = 1 + text.count("\n", 0, at), text.startswith("]", at)
    at += closed
    while not closed:
        number += 1
        try:
            entry, end = _decode(text, at, ENTRY)
        except SaccadeError as error:
            raise SaccadeError(f"line {line} (entry {number}): {error}") from error
        yield f"line {line} (entry {number})", partial(_llava_entry, entry)
        if (mark := gap.match(text, end)) is None:
            line += text.count("\n", at, end)
            raise SaccadeError(f"line {line}: expected ',' or ']' behind entry {number}; the list is broken or cut off")
        line += text.count("\n", at, mark.end())
        closed, at = mark[1] == "]", mark.end()
    if text[at:].strip():
        raise SaccadeError(f"line {line}: more text behind the ']' that ends the list; one file holds one list")


def _llava_entry(entry: object) -> list[Record]:
    fields = fields_of(entry, ("image", "conversations"), (*MARKED_BY, *EXTRAS))
    turns = fields["conversations"]
    if not isinstance(turns, list) or not turns or len(turns) % 2:
        found = f"{len(turns)} turns" if isinstance(turns, list) else seen(turns)
        raise SaccadeError(f"conversations is {found}, expected a list of human and gpt turns in pairs")
    said: list[str] = []
    for number, turn in enumerate(turns):
        speech, speaker = fields_of(turn, ("from", "value")), ("human", "gpt")[number % 2]
        if speech["from"] != speaker:
            found = seen(speech["from"])
            raise SaccadeError(f'turn {number + 1} is from {found}, expected "{speaker}"; human and gpt take turns')
        said.append(text_of(speech["value"], f"the value of turn {number + 1}"))
    if (marks := sum(value.count("<image>") for value in said)) > 1:
        raise SaccadeError(f"the turns hold {marks} <image> marks for 1 image; keep the one in the first question")
    shared = {key: fields[key] for key in ("image", *MARKED_BY) if key in fields}
    asked = [value.replace("<image>", "").strip() for value in said[::2]]
    return [
        _row({**shared, "question": question, "answer": reply})
        for question, reply in zip(asked, said[1::2], strict=True)
    ]


def _csv(text: str) -> Records:
    table = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    header: list[str] = []
    last = 0
    try:
        for cells in table:
            line, last = last + 1, table.line_num  # a quoted cell may run over several lines
            if not any(cell.strip() for cell in cells):
                continue
            if header:
                yield f"line {line}", partial(_csv_line, header, cells)
            else:
                header = _csv_header([cell.strip() for cell in cells], line)
    except csv.Error as error:
        raise SaccadeError(
            f"line {last + 1}: not CSV: {error}; close every quote, and double those inside a cell"
        ) from error


def _csv_header(names: list[str], line: int) -> list[str]:
    try:
        fields_of(dict.fromkeys(names), ("image", "question"), ("answer", "answers", *MARKED_BY), "column")
    except SaccadeError as error:
        raise SaccadeError(f"line {line}: {error}; the first line names the columns, parted by commas") from error
    if len(set(names)) < len(names) or ("answer" in names) == ("answers" in names):
        found = ", ".join(names)
        raise SaccadeError(f"line {line}: the columns are {found}; expected each once, and either answer or answers")
    return names


def _csv_line(header: Sequence[str], cells: Sequence[str]) -> list[Record]:
    if len(cells) != len(header):
        raise SaccadeError(f"found {len(cells)} cells, expected {len(header)}; quote a cell that holds a comma")
    named = dict(zip(header, cells, strict=True))
    record: dict[str, object] = {key: cell for key, cell in named.items() if key not in MARKED_BY or cell.strip()}
    for key in ("answers", "choices"):
        if key in record:
            record[key] = [text.strip() for text in named[key].split("|")]
    return [_row(record)]


FORMS: dict[str, Callable[[str], Records]] = {".jsonl": _jsonl, ".json": _llava, ".csv": _csv}
"""Endings of data files, in small letters, and how each is walked. A broken frame raises SaccadeError."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SaccadeError(f"the key {seen(twice)} stands twice in one object; keep one")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _decode(text: str, at: int, like: str) -> tuple[object, int]:
    """Read one JSON value that starts at ``at``, and where it ends; an error shows what it should be ``like``."""
    try:
        return DECODER.raw_decode(text, at)
    except SaccadeError:
        raise
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" + (f" of line {error.lineno}" if "\n" in text else "")
        raise SaccadeError(f"not JSON: {error.msg} at {where}; expected an object like {like}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise SaccadeError(f"not JSON that can be read: {error}; expected an object like {like}") from error


def _row(record: object) -> Record:
    fields = fields_of(record, ("image", "question"), ("answer", "answers", "boxes", *MARKED_BY))
    if ("answer" in fields) == ("answers" in fields):
        found = "both answer and answers" if "answer" in fields else "neither answer nor answers"
        raise SaccadeError(f"found {found}, expected exactly one of the two")
    scale: Scale = "own"
    if "scale" in fields:
        if (named := text_of(fields["scale"], "scale")) not in SCALES:
            raise unknown("scale", named, ("detail", "gist"))
        scale = SCALES[named]
    question = Question(
        text_of(fields["question"], "question"),
        _answers(fields),
        "own",
        scale,
        boxes_of(fields["boxes"]) if "boxes" in fields else (),
        metric=text_of(fields["metric"], "metric").strip() if "metric" in fields else "",
        choices=choices_of(fields["choices"]) if "choices" in fields else (),
    )
    return Record(text_of(fields["image"], "image"), question)


def _answers(fields: dict[str, object]) -> tuple[str, ...]:
    answers = fields["answers"] if "answers" in fields else [fields["answer"]]
    if not isinstance(answers, list) or not answers:
        raise SaccadeError(f'answers is {seen(answers)}, expected a list of texts with at least one, like ["cat"]')
    right = tuple(text_of(answer, "an answer" if "answers" in fields else "answer") for answer in answers)
    for answer in right:
        if not answer.strip().strip("."):  # marking looks past these, so that saying nothing would be right
            raise SaccadeError(f"the answer {seen(answer)} is only full stops; write what is to be said")
    return right
