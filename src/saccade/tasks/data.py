"""Exams from a user's own pictures: JSONL, LLaVA's JSON, or a folder with a CSV.

- ``.jsonl``: one question a line, ``{"image", "question", "answer" | "answers", "boxes"?, "scale"?, "metric"?,
  "choices"?}``.
- ``.json``: a list of LLaVA entries ``{"id"?, "image", "conversations", "scale"?, "metric"?, "choices"?}``. Each human
  turn and the reply to it make one question, asked alone: what was said before is not repeated.
- ``.csv``: the columns ``image``, ``question``, ``answer`` or ``answers`` (parted by ``|``), ``scale``?, ``metric``?,
  ``choices``? (parted by ``|``); named itself, or as the folder that holds it and no second one. Empty cells of the
  last three columns say nothing.

Image paths start at the folder of the data file. ``boxes`` is ``[[left, top, right, bottom], ...]`` in
source pixels; ``scale`` is ``detail`` or ``gist`` and files the question under that heading. ``metric`` names how this
answer is judged, instead of the data set's metric; ``choices`` are what the letters A, B, C … stand for. Ten people's
answers are ten ``answers``, equal ones repeated. The whole file is checked before anything is handed out. No picture is
opened for that: it only has to exist.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.tasks.exam import Exam, Question
from saccade.tasks.records import EXAMPLE, FORMS
from saccade.tasks.values import seen

Opener = Callable[[Path], Image.Image]
"""Opens a file as an upright RGB picture."""
Check = Callable[[Question], None]
"""Raises SaccadeError for a question that cannot be marked, such as one that names an unknown metric."""


class OwnPicture:
    """A picture of the user's; ``place`` is where the data file first names it."""

    def __init__(self, name: str, path: Path, place: str, opener: Opener) -> None:
        self.name, self.path, self.place = name, path, place
        self._opener = opener
        self._questions: list[Question] = []
        self._size: Size | None = None

    @property
    def size(self) -> Size:
        """Pixels once upright, from the opener: the first call opens the picture. Raises as ``image``."""
        return self._size or Size(*self.image().size)

    @property
    def questions(self) -> Sequence[Question]:
        """In the order of the data file."""
        return tuple(self._questions)

    def add(self, question: Question) -> None:
        """Ask one more ``question`` about this picture."""
        self._questions.append(question)

    def image(self) -> Image.Image:
        """Open the picture, anew on each call: no pixels are kept. Raises SaccadeError with the place."""
        try:
            opened = self._opener(self.path)
        except SaccadeError as error:
            raise SaccadeError(f"{self.place}: {error}") from error
        self._size = Size(*opened.size)
        return opened


class OwnExam:
    """Pictures in the order in which the data file first names them; two spellings of a path are one."""

    def __init__(self, name: str, pictures: Sequence[OwnPicture]) -> None:
        self.name, self.pictures = name, tuple(pictures)

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[OwnPicture]:
        return iter(self.pictures)


def read(path: Path, opener: Opener, check: Check) -> Exam:
    """Read the data file or folder at ``path``; the pictures will open through ``opener``.

    ``check`` is shown every question. The exam is named after the file and a hash of its text, which does not cover the
    images. Raises SaccadeError about the first bad record, with its line and how many more there are.
    """
    file = _data_file(path)
    text, digest = _text(file)
    pictures: dict[Path, OwnPicture] = {}
    spelled: dict[str, OwnPicture] = {}  # spares the file system a question for each line
    faults: list[str] = []
    try:
        for place, rows in FORMS[file.suffix.lower()](text):
            try:
                for row in rows():
                    check(row.question)
                    if row.image not in spelled:
                        found = _locate(file.parent, row.image)
                        own = OwnPicture(row.image, found, f"{file} {place}", opener)
                        spelled[row.image] = pictures.setdefault(found.resolve(), own)
                    spelled[row.image].add(row.question)
            except SaccadeError as error:
                faults.append(f"{file} {place}: {error}")
    except SaccadeError as error:  # the file is broken here, and what stands behind could not be told apart
        faults.append(f"{file} {error}")
    if faults:
        more = len(faults) - 1
        raise SaccadeError(faults[0] + (f" (and {more} more bad record{'s' if more > 1 else ''})" if more else ""))
    if not pictures:
        raise SaccadeError(f"{file} holds no questions; it needs at least one (in JSONL {EXAMPLE})")
    return OwnExam(f"{file.name} {digest[:12]}", list(pictures.values()))


def _locate(folder: Path, image: str) -> Path:
    path = folder / image
    if not os.path.isfile(path):  # Path.is_file would raise on a name too long for the file system
        raise SaccadeError(
            f"there is no image file {seen(image)} in {folder}, where image paths start; "
            "correct the path or add the file"
        )
    return path


def _data_file(path: Path) -> Path:
    if path.is_dir():
        tables = sorted(p for p in path.iterdir() if p.suffix.lower() == ".csv" and not p.name.startswith("."))
        if len(tables) != 1:
            found = f" ({', '.join(table.name for table in tables)})" if tables else ""
            raise SaccadeError(
                f"the folder {path} holds {len(tables)} .csv files{found}, expected exactly 1; "
                "name the data file instead of the folder"
            )
        return tables[0]
    if not path.exists():
        raise SaccadeError(f"there is no data file or folder at {path}; check the path")
    if path.suffix.lower() not in FORMS:
        raise SaccadeError(
            f"{path} ends in {path.suffix or 'nothing'!r}, expected .jsonl (one question a line), .json (LLaVA), "
            ".csv or a folder with one .csv; convert it to one of these"
        )
    return path


def _text(file: Path) -> tuple[str, str]:
    """What ``file`` says, and the hash of it in hexadecimal digits."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise SaccadeError(f"{file} cannot be read: {error.strerror}; it has to be a file that you may open") from error
    try:
        return raw.decode("utf-8-sig"), hashlib.sha256(raw).hexdigest()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise SaccadeError(f"{file} line {line}: {found}; save the file as UTF-8 text") from error
