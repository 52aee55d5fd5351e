"""The journal of a comparison: every answer on a line of its own, written as soon as it is there.

Law     ``answers.jsonl`` begins with a line that says what is compared; each further line is one answer of one
        candidate, in any order. Lines are only ever appended. A comparison that was stopped, by whatever, goes on from
        its journal, and a line that was cut off in the middle is asked again.
Loses   nothing that was answered; answers are with the system once they are written, and on the disk once a second.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from filelock import FileLock, Timeout

from saccade.core.errors import SaccadeError
from saccade.core.records.trace_codec import Json
from saccade.evaluation.answered import Answered

NAME = "answers.jsonl"
SCHEMA = "saccade.answers/1"
Key = tuple[str, int]
"""A picture's name, and the number of one of its questions."""


@runtime_checkable
class Journal(Protocol):
    """Where answers are kept while a comparison runs."""

    def known(self, candidate: str) -> Mapping[Key, Answered]:
        """The answers of one candidate so far."""
        ...

    def add(self, candidate: str, answers: Iterable[Answered], *, detailed: bool) -> None:
        """Store further answers of one candidate."""
        ...


class MemoryJournal:
    """A journal that lasts as long as the comparison: where no folder for results was named."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Key, Answered]] = defaultdict(dict)

    def known(self, candidate: str) -> Mapping[Key, Answered]:
        """See ``Journal``."""
        return self._known[candidate]

    def add(self, candidate: str, answers: Iterable[Answered], *, detailed: bool) -> None:
        """See ``Journal``."""
        del detailed
        self._known[candidate].update({(one.picture, one.place): one for one in answers})


class FileJournal(MemoryJournal):
    """``answers.jsonl`` in ``folder``, of the comparison that ``recipe`` (JSON-safe) describes; a context manager.

    With ``fresh`` an earlier journal is replaced. With ``retry`` its questions without an answer are asked again.
    Raises SaccadeError where the folder holds the journal of another comparison, or another process writes to it.
    """

    def __init__(self, folder: Path, recipe: Json, *, fresh: bool = False, retry: bool = False) -> None:
        super().__init__()
        self._path = folder / NAME
        self._recipe = json.loads(json.dumps(recipe))
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._locked()
            self._file = self._path.open("a+b")
        self._synced = time.monotonic()
        try:
            if fresh:
                self._file.truncate(0)
            self._read(retry)
        except BaseException:
            self._file.close()
            self._lock.release()
            raise

    def __enter__(self) -> "FileJournal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left and let go of the file."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._lock.release()

    def add(self, candidate: str, answers: Iterable[Answered], *, detailed: bool) -> None:
        """See ``Journal``."""
        answers = list(answers)
        super().add(candidate, answers, detailed=detailed)
        self._write({"candidate": candidate, **one.to_json(detailed=detailed)} for one in answers)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raises what the disk refuses as a SaccadeError."""
        try:
            yield
        except OSError as error:
            raise SaccadeError(
                f"answers cannot be written to {self._path} ({error}); name another folder with --out"
            ) from error

    def _write(self, lines: Iterable[Json]) -> None:
        text = "".join(_line(line) for line in lines)
        with self._writing():
            self._file.write(text.encode("utf-8", "surrogatepass"))  # a server may send half of a pair of surrogates
            self._file.flush()
            if time.monotonic() - self._synced > 1:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def _locked(self) -> FileLock:
        lock = FileLock(self._path.with_name(f".{NAME}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise SaccadeError(
                f"another comparison writes to {self._path} now; wait for it, or name another folder with --out"
            ) from error
        return lock

    def _read(self, retry: bool) -> None:
        self._file.seek(0)
        raw = self._file.read()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):  # a line that was cut off: its answer is asked again
            self._file.truncate(whole)
        lines = raw[:whole].splitlines()
        if not lines:
            self._write([{"schema": SCHEMA, "comparison": self._recipe}])
            return
        self._check(self._parsed(1, lines[0]))
        for number, line in enumerate(lines[1:], start=2):
            data = self._parsed(number, line)
            try:
                one = Answered.of_json(data)
                candidate = str(data["candidate"])
            except (KeyError, TypeError) as error:
                raise self._damaged(number, f"it lacks {error}") from error
            if one.error is not None and retry:
                self._known[candidate].pop((one.picture, one.place), None)
            else:
                self._known[candidate][one.picture, one.place] = one

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise self._damaged(number, str(error)) from error
        if not isinstance(data, dict):
            raise self._damaged(number, f"it holds a {type(data).__name__}")
        return data

    def _check(self, head: Json) -> None:
        if head.get("schema") != SCHEMA:
            raise self._damaged(1, f"its schema is {head.get('schema')!r}, this version reads {SCHEMA!r}")
        other = head.get("comparison")
        if other != self._recipe:
            known = other if isinstance(other, dict) else {}
            differs = [name for name in {**known, **self._recipe} if known.get(name) != self._recipe.get(name)]
            verb = "differs" if len(differs) == 1 else "differ"
            raise SaccadeError(
                f"{self._path} holds another comparison: {', '.join(differs)} {verb}; "
                "name another folder with --out, or start over in this one with --fresh"
            )

    def _damaged(self, number: int, why: str) -> SaccadeError:
        return SaccadeError(
            f"{self._path} line {number} cannot be read: {why}; name another folder with --out, or begin anew in this "
            "one with --fresh"
        )


def _line(data: Json) -> str:
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise SaccadeError(
            f"{data['candidate']} answered question {data['question']} of {data['picture']} with a confidence or a "
            "score that is no finite number; look for overflow in the model, such as one run in float16"
        ) from error
