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

from saccade.core.box import Box
from saccade.core.errors import SaccadeError, unknown
from saccade.tasks.exam import Question, Scale

EXAMPLE = '{"image": "cat.jpg", "question": "What animal is this?", "answer": "cat"}'
ENTRY = '{"image": "cat.jpg", "conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}'
EXTRAS = ("id", "model", "source", "width", "height")
"""Keys of LLaVA entries that published files carry and no question needs."""
SCALES: dict[object, Scale] = {"detail": "detail", "gist": "gist"}
FARTHEST = 1e9
"""Pixels; a corner beyond is a mistake. It also keeps out infinities, not-a-number and endless integers."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question and the path of its image, as written."""

    image: str
    question: Question


Records = Iterator[tuple[str, Callable[[], list[Row]]]]
"""The place of each record (``line 3``) and how to read it; reading a bad one raises SaccadeError."""


def seen(value: object) -> str:
    """How an error shows a ``value`` that came out of a file: as JSON, cut to 60 characters."""
    shown = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _jsonl(text: str) -> Records:
    # Only "\n" ends a line: str.splitlines would also cut at separators that may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", partial(_jsonl_line, line.strip())


def _jsonl_line(line: str) -> list[Row]:
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


def _llava_entry(entry: object) -> list[Row]:
    fields = _fields(entry, ("image", "conversations"), ("scale", *EXTRAS))
    turns = fields["conversations"]
    if not isinstance(turns, list) or not turns or len(turns) % 2:
        found = f"{len(turns)} turns" if isinstance(turns, list) else seen(turns)
        raise SaccadeError(f"conversations is {found}, expected a list of human and gpt turns in pairs")
    said: list[str] = []
    for number, turn in enumerate(turns):
        speech, speaker = _fields(turn, ("from", "value")), ("human", "gpt")[number % 2]
        if speech["from"] != speaker:
            found = seen(speech["from"])
            raise SaccadeError(f'turn {number + 1} is from {found}, expected "{speaker}"; human and gpt take turns')
        said.append(_string(speech["value"], f"the value of turn {number + 1}"))
    if (marks := sum(value.count("<image>") for value in said)) > 1:
        raise SaccadeError(f"the turns hold {marks} <image> marks for 1 image; keep the one in the first question")
    shared = {key: fields[key] for key in ("image", "scale") if key in fields}
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
        _fields(dict.fromkeys(names), ("image", "question"), ("answer", "answers", "scale"), "column")
    except SaccadeError as error:
        raise SaccadeError(f"line {line}: {error}; the first line names the columns, parted by commas") from error
    if len(set(names)) < len(names) or ("answer" in names) == ("answers" in names):
        found = ", ".join(names)
        raise SaccadeError(f"line {line}: the columns are {found}; expected each once, and either answer or answers")
    return names


def _csv_line(header: Sequence[str], cells: Sequence[str]) -> list[Row]:
    if len(cells) != len(header):
        raise SaccadeError(f"found {len(cells)} cells, expected {len(header)}; quote a cell that holds a comma")
    named = dict(zip(header, cells, strict=True))
    record: dict[str, object] = {key: cell for key, cell in named.items() if key != "scale" or cell.strip()}
    if "answers" in named:
        record["answers"] = [answer.strip() for answer in named["answers"].split("|")]
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


def _fields(
    record: object, required: Sequence[str], optional: Sequence[str] = (), what: str = "key"
) -> dict[str, object]:
    """``record`` as an object that has all ``required`` keys and none beyond the ``optional``."""
    if not isinstance(record, dict):
        raise SaccadeError(f"found {seen(record)}, expected an object with {', '.join(required)}")
    for name in record:
        if name not in required and name not in optional:
            raise unknown(what, name, (*required, *optional))
    for name in required:
        if name not in record:
            raise SaccadeError(f"the {what} {name!r} is missing; found {', '.join(record) or 'none'}")
    return record


def _row(record: object) -> Row:
    fields = _fields(record, ("image", "question"), ("answer", "answers", "boxes", "scale"))
    if ("answer" in fields) == ("answers" in fields):
        found = "both answer and answers" if "answer" in fields else "neither answer nor answers"
        raise SaccadeError(f"found {found}, expected exactly one of the two")
    answers = fields["answers"] if "answers" in fields else [fields["answer"]]
    if not isinstance(answers, list) or not answers:
        raise SaccadeError(f'answers is {seen(answers)}, expected a list of texts with at least one, like ["cat"]')
    right = tuple(_string(answer, "an answer" if "answers" in fields else "answer") for answer in answers)
    for answer in right:
        if not answer.strip().strip("."):  # marking looks past these, so that saying nothing would be right
            raise SaccadeError(f"the answer {seen(answer)} is only full stops; write what is to be said")
    scale: Scale = "own"
    if "scale" in fields:
        if (named := _string(fields["scale"], "scale")) not in SCALES:
            raise unknown("scale", named, ("detail", "gist"))
        scale = SCALES[named]
    boxes = _boxes(fields["boxes"]) if "boxes" in fields else ()
    question = Question(_string(fields["question"], "question"), right, "own", scale, boxes)
    return Row(_string(fields["image"], "image"), question)


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        cure = f"; put it in quotes: {seen(seen(value))}" if isinstance(value, int | float) else ""
        raise SaccadeError(f"{what} is {seen(value)}, expected text{cure}")
    if not value.strip():
        raise SaccadeError(f"{what} is empty; fill it in or leave the question out")
    return value


def _boxes(value: object) -> tuple[Box, ...]:
    if not isinstance(value, list):
        raise SaccadeError(f"boxes is {seen(value)}, expected [[left, top, right, bottom], ...] in pixels")
    made: list[Box] = []
    for sides in value:
        if not isinstance(sides, list) or len(sides) != 4 or not all(_pixels(side) for side in sides):
            raise SaccadeError(f"boxes holds {seen(sides)}, expected [[left, top, right, bottom], ...] in pixels")
        left, top, right, bottom = sides
        if right <= left or bottom <= top:
            raise SaccadeError(
                f"the box {seen(sides)} has no area; expected [left, top, right, bottom], two corners, "
                "not a corner with a width and a height"
            )
        made.append(Box(left, top, right, bottom))
    return tuple(made)


def _pixels(side: object) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and -FARTHEST < side < FARTHEST
