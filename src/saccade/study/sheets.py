"""Sitting an exam: every reader's answers under each policy, with what each cost."""

import hashlib
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import nn

from saccade.core.answer import Answer
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.plan import Plan
from saccade.core.size import Size
from saccade.evaluation.results import Fidelity
from saccade.evaluation.shown import Seen
from saccade.models.base import Reader
from saccade.models.encoded import Encoded, Patches
from saccade.models.flops import Counter
from saccade.models.regions import regions_of
from saccade.study.baselines import Framed, keep_random, keep_uniform, smaller
from saccade.tasks.exam import Exam, Picture, is_right
from saccade.towers.regions import RegionTower

PICTURES_AT_ONCE = 10

Progress = Callable[[str, int, int], None]
"""Called with what is running, how many pictures are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A reader that takes part: ``trained`` says in one sentence how it was, ``baseline`` whether the
    resize, random and uniform rows are made from it.
    """

    reader: Reader
    fidelity: Fidelity
    trained: str
    baseline: bool = False
    seed: int = 0
    others: tuple[tuple[int, Reader], ...] = ()

    @property
    def seeds(self) -> dict[int, Reader]:
        """Readers by training seed, this one's first."""
        return {self.seed: self.reader, **dict(self.others)}


@dataclass(slots=True)
class Sheet:
    """One row's answers as they come in: whether right, and what each took."""

    name: str
    policy: str
    budget: int | None
    entrant: Entrant
    right: list[bool] = field(default_factory=list)
    plans: list[tuple[Plan, int]] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)


def sit(
    entrants: Mapping[str, Entrant],
    exam: Exam,
    budgets: Sequence[int],
    seed: int,
    showing: Mapping[str, int],
    progress: Progress | None,
    twins: Sequence[int] = (),
) -> list[Sheet]:
    """All entrants through the exam side by side, so that a picture is opened once and each tower runs once over it.

    An entrant's further training seeds take turns of their own behind the first. ``twins`` are further budgets of
    ``resize`` alone.
    """
    sheets = {name: _sheets(name, entrant, exam, budgets, twins) for name, entrant in entrants.items()}
    turns = max(len(entrant.seeds) for entrant in entrants.values())
    for turn in range(turns):
        sitting = [
            Sitting(list(entrant.seeds.values())[turn], sheets[name], seed)
            for name, entrant in entrants.items()
            if turn < len(entrant.seeds)
        ]
        title = f"{len(sitting)} readers" if turns == 1 else f"{len(sitting)} readers, seed {turn + 1} of {turns}"
        for done, batch in _batches(exam, PICTURES_AT_ONCE):
            pictures = Pictures([picture.image() for picture in batch])
            for number, one in enumerate(sitting, start=1):
                one.take(batch, pictures, showing if turn == 0 else {})
                if progress is not None:
                    read = len(sitting) * (done - len(batch)) + number * len(batch)
                    progress(title, read, len(sitting) * len(exam))
    return [sheet for made in sheets.values() for sheet in made]


def _sheets(name: str, entrant: Entrant, exam: Exam, budgets: Sequence[int], twins: Sequence[int]) -> list[Sheet]:
    """An entrant's rows: alone, and as a baseline under every budget as well."""
    budgets = _fewer(name, entrant, exam, budgets) if entrant.baseline else []
    framed = isinstance(entrant.reader.spec.views, Framed)
    policies = ("resize", "random", "uniform") if framed else ("random", "uniform")
    lesser = [Sheet(name, policy, budget, entrant) for policy in policies for budget in budgets]
    lesser += [Sheet(name, "resize", budget, entrant) for budget in twins if entrant.baseline and framed]
    return [Sheet(name, "once", None, entrant), *lesser]


@final
class Pictures:
    """A batch of pictures, and what towers made of it: each runs once for every way of viewing, on the clock."""

    def __init__(self, images: Sequence[Image.Image]) -> None:
        self.images = images
        self._seen: dict[Hashable, tuple[Patches, float]] = {}

    def encode(self, seat: "Seat") -> tuple[list[Encoded], float]:
        """A reader's tokens, and the seconds that tower and connector took, whoever ran the tower first."""
        with torch.inference_mode():
            if seat.sight not in self._seen:
                start = time.perf_counter()
                self._seen[seat.sight] = seat.reader.patches(self.images), time.perf_counter() - start
            seen, took = self._seen[seat.sight]
            start = time.perf_counter()
            return seat.reader.connected(seen), took + time.perf_counter() - start


@final
class Seat:
    """A reader at the exam, with what need not be worked out twice: what questions cost, and who sees as it does."""

    def __init__(self, reader: Reader) -> None:
        spec = reader.spec
        self.reader, self._counter = reader, Counter(reader)
        self.sight = (_digest(reader.tower), spec.tower, spec.views, spec.mean, spec.std, spec.resample)
        self._positions, self._plan, self._counted = cache(reader.positions), cache(spec.plan), cache(self._count)

    def cost(self, size: Size, question: str, dropped: int) -> tuple[Plan, int]:
        """A question's plan, and its FLOPs as counted with ``dropped`` tokens left out."""
        text = self._positions(question)
        return self._plan(size, text), self._counted(size, text, dropped)

    def _count(self, size: Size, text: int, dropped: int) -> int:
        plan = self._plan(size, text)
        return self._counter.look([plan.layout], [plan.length - plan.slots], dropped)


@final
class Sitting:
    """One reader at the exam, whose answers go onto ``sheets``; what only drops tokens shares the encoding."""

    def __init__(self, reader: Reader, sheets: Sequence[Sheet], seed: int) -> None:
        self.sheets, self.rng = sheets, np.random.default_rng(seed)
        resized = {sheet.budget for sheet in sheets if sheet.policy == "resize" and sheet.budget}
        self.whole = Seat(reader)
        self.lesser = {budget: Seat(smaller(reader, budget)) for budget in resized}

    def take(self, batch: Sequence[Picture], pictures: Pictures, showing: Mapping[str, int]) -> None:
        """One batch of pictures, every question of each, under every policy."""
        encoded, took = pictures.encode(self.whole)
        for sheet in self.sheets:
            if sheet.policy == "resize" and sheet.budget is not None:
                seat = self.lesser[sheet.budget]
                _take(sheet, seat, batch, *pictures.encode(seat), None, pictures.images, showing)
                continue
            keep = _keep(sheet, encoded, self.rng)
            _take(sheet, self.whole, batch, encoded, took, keep, pictures.images, showing)


def _digest(module: nn.Module) -> str:
    """Equal for equal weights."""
    made = hashlib.sha256()
    for weight in module.state_dict().values():
        made.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return made.hexdigest()


def _keep(sheet: Sheet, encoded: Sequence[Encoded], rng: np.random.Generator) -> list[torch.Tensor] | None:
    """The tokens that a sheet's policy reads, None for all."""
    if sheet.budget is None:
        return None
    return keep_random(encoded, sheet.budget, rng) if sheet.policy == "random" else keep_uniform(encoded, sheet.budget)


def _fewer(name: str, entrant: Entrant, exam: Exam, budgets: Sequence[int]) -> list[int]:
    """The budgets that take something away from this reader."""
    whole = entrant.reader.plan(next(iter(exam)).size, "").visual_tokens
    fewer = [budget for budget in budgets if budget < whole]
    if not fewer:
        asked = ", ".join(map(str, budgets)) or "none"
        raise SaccadeError(
            f"baselines need budgets below the {whole} visual tokens of {name}, got {asked}; try {max(1, whole // 4)}"
        )
    return fewer


def _take(
    sheet: Sheet,
    seat: Seat,
    batch: Sequence[Picture],
    encoded: Sequence[Encoded],
    encoding: float,
    keep: Sequence[torch.Tensor] | None,
    images: Sequence[Image.Image],
    showing: Mapping[str, int],
) -> None:
    """Answers of one batch onto a sheet. Time is the batch's share a question, its encoding included."""
    start = time.perf_counter()
    answers = seat.reader.ask(encoded, [[q.text for q in picture.questions] for picture in batch], keep=keep)
    took = encoding + time.perf_counter() - start
    sheet.ms.append(1000 * took / sum(len(picture.questions) for picture in batch))
    for number, (picture, said) in enumerate(zip(batch, answers, strict=True)):
        gone = 0 if keep is None else encoded[number].count - len(keep[number])
        for question, answer in zip(picture.questions, said, strict=True):
            plan, counted = seat.cost(picture.size, question.text, gone)
            sheet.right.append(is_right(answer.text, question.answers))
            sheet.plans.append((plan, gone))
            sheet.counted.append(counted)
        if picture.name in showing:
            kept = None if keep is None else keep[number]
            look = seat.reader.looked(encoded[number], picture.questions[showing[picture.name]].text)
            regions = _regions(seat.reader, images[number])
            watched = seat.reader.watched(images[number])
            _note(sheet, picture, look, kept, said, showing[picture.name], watched, regions)


def _regions(reader: Reader, image: Image.Image) -> tuple[Box, ...]:
    """What a picture is taken apart into, by the reader that does so."""
    found = regions_of(reader, image) if isinstance(reader.tower, RegionTower) else []
    return tuple(region.box for region in found)


def _note(
    sheet: Sheet,
    picture: Picture,
    encoded: Encoded,
    keep: torch.Tensor | None,
    said: Sequence[Answer],
    index: int,
    watched: np.ndarray | None,
    regions: tuple[Box, ...],
) -> None:
    """What the report shows of this reader and picture."""
    question, answer = picture.questions[index], said[index]
    ledger = encoded.ledger if keep is None else encoded.ledger.keep(keep.tolist())
    gone = encoded.count - len(ledger)
    plan = sheet.plans[-1][0]
    slots = plan.slots - (0 if plan.cross_keys else gone)
    title = sheet.name if sheet.policy == "once" else f"{sheet.name} · {sheet.policy} {sheet.budget}"
    right = is_right(answer.text, question.answers)
    sheet.seen[picture.name] = Seen(
        title, answer.text, right, encoded.layout, ledger, len(ledger), slots, watched, encoded.path, regions
    )


def _batches(exam: Exam, size: int) -> Iterator[tuple[int, list[Picture]]]:
    batch: list[Picture] = []
    for number, picture in enumerate(exam, start=1):
        batch.append(picture)
        if len(batch) == size or number == len(exam):
            yield number, batch
            batch = []
