"""Few-shot: accuracy on the exam with examples in the prompt, for readers that can be told by examples.

*spelt*     the exam as it stands; the examples are pictures with one question each, of any kind
*unspelt*   the exam's questions of gist with the question left out: only the examples, all of the same kind, tell what
            is asked. Without an example the best that can be said is a word for some kind, so this measures learning
            in context and nothing else

Examples come from the calibration split, the same ones for every reader; intervals resample pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import Progress
from saccade.core.records.codec import parsed, written
from saccade.core.records.files import write_whole
from saccade.evaluation.results import Score
from saccade.evaluation.runner import PICTURES_AT_ONCE
from saccade.evaluation.statistics.intervals import clustered
from saccade.runtime.encoded import Encoded, Shot
from saccade.runtime.reader import Reader
from saccade.tasks.exam import Question, is_right
from saccade.tasks.scenes import Scene, Scenes

SCHEMA = "saccade.shots/1"
POOL = 64
"""Pictures that examples are drawn from."""
SHOTS = (0, 1, 2, 4, 8)
ROWS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRow:
    """One reader with ``shots`` examples: scores of the spelt exam by scale, and of unspelt gist."""

    reader: str
    shots: int
    detail: Score
    gist: Score
    unspelt: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """All rows, and what was asked."""

    exam: str
    pictures: int
    seed: int
    rows: tuple[ShotRow, ...]

    def to_json(self) -> str:
        """As stored, under ``SCHEMA``."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "Shots":
        """What ``to_json`` wrote. Raises SaccadeError for another schema."""
        return parsed(cls, text, SCHEMA, "few-shot study")

    def save(self, path: Path) -> None:
        """Written whole or not at all."""
        write_whole(path, self.to_json())


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with the numbers of its examples and which question of each."""

    picture: int
    question: Question
    spelt: bool
    examples: tuple[tuple[int, Question], ...]


def few_shot(
    readers: Mapping[str, Reader],
    *,
    counts: Sequence[int] = SHOTS,
    pictures: int = 160,
    seed: int = 0,
    progress: Progress | None = None,
) -> Shots:
    """Every reader on the same questions with every number of examples, 0 to 32. Raises SaccadeError for others."""
    if not counts or min(counts) < 0 or max(counts) > POOL // 2:
        raise SaccadeError(f"shots are 0 to {POOL // 2} examples, got {', '.join(map(str, counts)) or 'none'}")
    exam, pool = list(Scenes("test", pictures)), list(Scenes("calibration", POOL))
    asked = list(_asked(exam, pool, max(counts), seed))
    rows = []
    for name, reader in readers.items():
        told = _encode(reader, pool)
        seen = _encode(reader, exam)
        for count in sorted(set(counts)):
            if progress is not None:
                progress(f"{name}, {count} shots", 0, len(asked))
            right = []
            for start in range(0, len(asked), ROWS_AT_ONCE):
                right += _answers(reader, asked[start : start + ROWS_AT_ONCE], seen, told, count)
                if progress is not None:
                    progress(f"{name}, {count} shots", len(right), len(asked))
            rows.append(_row(name, count, asked, np.asarray(right)))
    return Shots(exam=Scenes("test", pictures).name, pictures=pictures, seed=seed, rows=tuple(rows))


def _asked(exam: Sequence[Scene], pool: Sequence[Scene], most: int, seed: int) -> Iterator[_Asked]:
    """Spelt questions, whose examples a picture's questions share, and unspelt ones; equal seeds draw equal examples.

    Examples are in one order, so that those of fewer shots are the last of those of more.
    """
    for number, scene in enumerate(exam):
        rng = np.random.default_rng([seed, number])
        shown = [(int(n), pool[int(n)]) for n in rng.permutation(len(pool))]
        spelt = tuple((n, other.questions[int(rng.integers(len(other.questions)))]) for n, other in shown[:most])
        for question in scene.questions:
            yield _Asked(number, question, True, spelt)
            if question.scale == "gist":
                same = [(n, one) for n, other in shown for one in other.questions if one.kind == question.kind]
                yield _Asked(number, question, False, tuple(same[:most]))


def _encode(reader: Reader, scenes: Sequence[Scene]) -> list[Encoded]:
    made: list[Encoded] = []
    with torch.inference_mode():
        for start in range(0, len(scenes), PICTURES_AT_ONCE):
            made += reader.encode([scene.image() for scene in scenes[start : start + PICTURES_AT_ONCE]])
    return made


def _answers(
    reader: Reader, asked: Sequence[_Asked], seen: Sequence[Encoded], told: Sequence[Encoded], count: int
) -> list[bool]:
    shots = [
        [
            Shot(told[number], one.text if item.spelt else "", one.answers[0])
            for number, one in item.examples[max(0, len(item.examples) - count) :]
        ]
        for item in asked
    ]
    questions = [[item.question.text if item.spelt else ""] for item in asked]
    found = reader.ask([seen[item.picture] for item in asked], questions, shots=shots)
    return [is_right(answer.text, item.question.answers) for (answer,), item in zip(found, asked, strict=True)]


def _row(name: str, count: int, asked: Sequence[_Asked], right: np.ndarray) -> ShotRow:
    def score(chosen: list[bool]) -> Score:
        index = np.flatnonzero(chosen)
        values = right[index]
        ends = clustered(values, [asked[int(place)].picture for place in index]).ends
        return Score(len(values), int(values.sum()), float(values.mean()), ends)

    return ShotRow(
        reader=name,
        shots=count,
        detail=score([item.spelt and item.question.scale == "detail" for item in asked]),
        gist=score([item.spelt and item.question.scale == "gist" for item in asked]),
        unspelt=score([not item.spelt for item in asked]),
    )
