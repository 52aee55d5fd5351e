"""Training sequences: a picture with several questions, or several pictures with a question each.

*Packed*: ``<s> picture question answer question answer …``; every question sees the picture and itself, so vision is
paid once for all answers.
*Episode*: ``<s> picture question answer picture question answer …``, read from left to right as a prompt with examples
is; every answer is learned, so that one sequence teaches with no examples, one, two, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from saccade.core.errors import SaccadeError
from saccade.specs.layouts.sequence import ImageCall, Tokens, Vector, ids_of
from saccade.specs.reader import ReaderSpec
from saccade.training.features import FeatureImage, TrainingQuestion

LONGEST = 9
"""Pictures of an episode, at most: eight examples and a question."""
SPELT = 0.4
"""Share of the episodes whose questions are spelt out; in the others only the examples tell what is asked."""
UNSPELT = ("background", "layout", "count", "majority")
"""Kinds of question whose answers come from different words, so that an example tells which of them is meant."""
LEARNABLE = 7.0
"""Print lower than this, in pixels of the best view, is not asked for: its answers would teach guessing."""


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """``ids``, ``positions``, ``marks`` (visual places): batch × length; ``mask`` says which place sees
    which; ``target`` holds the next token where an answer is learned, -100 elsewhere; ``looking`` the number of the
    picture that a place looks at where pictures are called, -1 for none.
    """

    ids: Tensor
    positions: Tensor
    marks: Tensor
    mask: Tensor
    target: Tensor
    looking: Tensor

    def to(self, device: torch.device) -> "TrainingBatch":
        """The same on ``device``."""
        parts = (self.ids, self.positions, self.marks, self.mask, self.target, self.looking)
        return TrainingBatch(*(part.to(device) for part in parts))


@dataclass(slots=True)
class SequenceRow:
    """One sequence as it grows: ``place`` is the next position, ``now`` the picture that is looked at."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    block: list[int] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    looking: list[int] = field(default_factory=list)
    place: int = 0
    now: int = -1

    def text(self, ids: Sequence[int], *, block: int = 0, mark: bool = False) -> None:
        """Tokens at the next positions; those of a block beyond 0 leave the next position where it was."""
        count = len(ids)
        self.ids += ids
        self.positions += range(self.place, self.place + count)
        self.marks += [int(mark)] * count
        self.block += [block] * count
        self.target += [-100] * count
        self.looking += [self.now] * count
        self.place += 0 if block else count

    def picture(self, spec: ReaderSpec, seen: FeatureImage, keep: np.ndarray | None = None) -> None:
        """A picture; of its visual tokens only those that ``keep`` numbers, the others leave their positions empty."""
        kept = None if keep is None else set(keep.tolist())
        number = 0
        for span in spec.spans(seen.layout):
            if isinstance(span, Vector):
                raise SaccadeError(
                    "sequences are packed from token ids, and this reader has learned vectors in places of their own; "
                    "train it by its loss"
                )
            if not isinstance(span, Tokens):
                self.now += isinstance(span, ImageCall)
                self.text(ids_of(span))
                continue
            for _ in range(span.count):
                if kept is None or number in kept:
                    self.text([spec.image_id], mark=True)
                else:
                    self.place += 1
                number += 1

    def question(self, one: TrainingQuestion, block: int) -> None:
        """A question and its answer, learned, that no other block sees."""
        self.text([*one.question, *one.answer[:-1]], block=block)
        self._learn(one.answer, last=0)

    def turn(self, question: Sequence[int], answer: Sequence[int]) -> None:
        """A question and its answer, learned, with its end: what follows sees both."""
        self.text([*question, *answer])
        self._learn(answer, last=1)

    def _learn(self, answer: Sequence[int], last: int) -> None:
        end = len(self.target) - last
        self.target[end - len(answer) : end] = answer


def assemble(
    spec: ReaderSpec,
    pictures: Sequence[FeatureImage],
    asked: Sequence[Sequence[TrainingQuestion]],
    keep: Sequence[np.ndarray] | None = None,
) -> TrainingBatch:
    """Packed sequences, padded on the right."""
    rows = []
    for number, (picture, some) in enumerate(zip(pictures, asked, strict=True)):
        row = SequenceRow()
        row.text([1])
        row.picture(spec, picture, None if keep is None else keep[number])
        for block, one in enumerate(some, start=1):
            row.question(one, block)
        rows.append(row)
    return _batch(rows)


def episodes(
    spec: ReaderSpec,
    told: Sequence[Sequence[tuple[FeatureImage, TrainingQuestion]]],
    spelt: Sequence[bool],
    silent: Sequence[int],
) -> TrainingBatch:
    """Episodes, padded on the right: runs of pictures with a question each, ``silent`` where it is not ``spelt``."""
    rows = []
    for turns, plain in zip(told, spelt, strict=True):
        row = SequenceRow()
        row.text([1])
        for picture, one in turns:
            row.picture(spec, picture)
            row.turn(one.question if plain else silent, one.answer)
        rows.append(row)
    return _batch(rows)


def _batch(rows: Sequence[SequenceRow]) -> TrainingBatch:
    length = max(len(row.ids) for row in rows)
    filled = np.zeros((6, len(rows), length), np.int64)
    filled[3], filled[4], filled[5] = -1, -100, -1
    for index, row in enumerate(rows):
        values = (row.ids, row.positions, row.marks, row.block, row.target, row.looking)
        filled[:, index, : len(row.ids)] = values
    ids, positions, marks, block, target, looking = torch.from_numpy(filled)
    same = (block[:, None, :] == block[:, :, None]) | (block[:, None, :] == 0)
    return TrainingBatch(ids, positions, marks.bool(), same.tril()[:, None], target, looking)


def draw(pictures: Sequence[FeatureImage], rng: np.random.Generator) -> tuple[list[tuple[int, TrainingQuestion]], bool]:
    """One episode: numbers of pictures with a question each, and whether questions are spelt out.

    Unspelt, all are of one kind of gist, which every picture has; spelt, of any kind that can be read.
    """
    spelt = bool(rng.random() < SPELT)
    count = int(rng.integers(1, LONGEST + 1))
    chosen = rng.choice(len(pictures), size=count, replace=False)
    if spelt:
        able = [[one for one in pictures[number].asked if one.height >= LEARNABLE] for number in chosen]
        return [(int(n), some[int(rng.integers(len(some)))]) for n, some in zip(chosen, able, strict=True)], True
    kind = UNSPELT[int(rng.integers(len(UNSPELT)))]
    found = [(int(n), one) for n in chosen for one in pictures[n].asked if one.kind == kind]
    return (found, False) if found else draw(pictures, rng)
