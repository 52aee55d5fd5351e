"""One image of the generated benchmark with its questions, to try things on what the embedded models know."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from saccade.api.png import note_of, png_path, write_png
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import whole
from saccade.core.records.files import write_whole
from saccade.tasks.exam import Question
from saccade.tasks.scenes import VERSION, Scene

SCHEMA = "saccade.exam/1"
FIRST = 1_000_000_000
"""Number of the image of seed 0 in the calibration split: beyond every one that is trained, calibrated or tested on."""
KEYS = ("image", "question", "answer", "boxes", "scale")
"""What a line of the questions' file holds, as ``saccade compare --data`` reads it."""


@dataclass(frozen=True, slots=True, eq=False)
class ExamImage:
    """An ``image`` of the generated benchmark, its ``questions``, and the ``files`` that were written."""

    seed: int
    image: Image.Image
    questions: tuple[Question, ...]
    files: tuple[Path, ...] = ()

    def record(self) -> dict[str, Any]:
        """Everything but the pixels as JSON-safe data."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "seed": self.seed,
            "size": list(self.image.size),
            "files": [str(file) for file in self.files],
            "questions": [{**_line(question), "kind": question.kind} for question in self.questions],
        }


def exam(seed: int = 0, out: str | os.PathLike[str] | None = None) -> ExamImage:
    """Draw one image of the generated benchmark.

    Args:
        seed: Which one, from 0. None of them is in the training, calibration or test images.
        out: A PNG to write the image to; its questions are written beside it, in a JSONL file of the same name that
            ``saccade compare --data`` reads. What this function wrote before is replaced.

    Raises SaccadeError where ``out`` is no place for a PNG, or holds something else.
    """
    scene = Scene("calibration", FIRST + whole("seed", seed, 0))
    if out is None:
        return ExamImage(seed, scene.image(), scene.questions)
    path = png_path(out, "--out")
    lines = path.with_suffix(".jsonl")
    _replaceable(path, lines)
    write_png(scene.image(), path, SCHEMA)
    written = [json.dumps({"image": path.name, **_line(question)}, ensure_ascii=False) for question in scene.questions]
    write_whole(lines, "".join(f"{line}\n" for line in written))
    return ExamImage(seed, scene.image(), scene.questions, (path, lines))


def _line(question: Question) -> dict[str, Any]:
    return {
        "question": question.text,
        "answer": question.answers[0],
        "boxes": [list(box.sides) for box in question.evidence],
        "scale": question.scale,
    }


def _replaceable(image: Path, lines: Path) -> None:
    """Refuse to replace what ``exam`` did not write."""
    for path, ours in ((image, _is_image), (lines, _is_lines)):
        if path.exists() and not ours(path):
            raise SaccadeError(f"{path} exists and was not written by saccade exam; name another file with --out")


def _is_image(path: Path) -> bool:
    return path.is_file() and note_of(path) == SCHEMA


def _is_lines(path: Path) -> bool:
    """Whether every line of a file is a question as ``exam`` writes it."""
    try:
        read = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return False
    return bool(read) and all(isinstance(line, dict) and tuple(line) == KEYS for line in read)
