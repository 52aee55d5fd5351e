"""Sitting side by side: what is shared is run once, and every answer and charge is as it would be alone."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from PIL import Image

from saccade.core.size import Size
from saccade.models.base import Reader
from saccade.models.embedded import embedded
from saccade.models.regions import regions_of
from saccade.study import sheets
from saccade.study.baselines import keep_random, keep_uniform
from saccade.study.sheets import Entrant, Pictures, Seat, Sheet, sit
from saccade.tasks.exam import Question
from saccade.tasks.scenes import Scenes
from saccade.towers.stem import StemTower
from tests.parts import picture

LLAVA, POOL = embedded("llava"), embedded("pool-4")


@dataclass
class Own:
    """A picture that counts how often it is opened."""

    name: str
    questions: tuple[Question, ...] = (Question("What colour is it?", ("red",), "own", "own"),)
    size: Size = field(default_factory=lambda: Size(50, 40))
    opened: int = 0

    def image(self) -> Image.Image:
        self.opened += 1
        return picture(50, 40, len(self.name))


@dataclass
class OwnExam:
    pictures: list[Own]
    name: str = "own"

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Own]:
        return iter(self.pictures)


def entrants(**readers: Reader) -> dict[str, Entrant]:
    return {name: Entrant(reader, "exact", "no") for name, reader in readers.items()}


def run(exam, told: dict[str, Entrant], budgets=(16, 4)) -> list[Sheet]:
    return sit(told, exam, budgets, 0, {}, None)


@pytest.fixture
def runs(monkeypatch) -> list[tuple[int, ...]]:
    """The shape of every batch that a tower is run on, counting FLOPs apart."""
    shapes, forward = [], StemTower.forward

    def counting(self, pixels):
        shapes.extend([] if pixels.is_meta else [tuple(pixels.shape)])
        return forward(self, pixels)

    monkeypatch.setattr(StemTower, "forward", counting)
    return shapes


def test_equal_towers_run_once_and_others_by_themselves(runs):
    other = deepcopy(LLAVA)
    with torch.no_grad():
        next(other.tower.parameters()).mul_(1.5)
    brighter = deepcopy(LLAVA)
    brighter.spec = replace(brighter.spec, mean=(0.4, 0.4, 0.4))
    exam = OwnExam([Own("a"), Own("bb")])
    run(exam, entrants(llava=LLAVA, pool=POOL))
    assert runs == [(2, 3, 128, 128)]
    run(exam, entrants(llava=LLAVA, pool=POOL, other=other, brighter=brighter))
    assert len(runs) == 4


def test_another_way_of_viewing_is_another_look(runs):
    told = {"llava": Entrant(LLAVA, "exact", "no", baseline=True), "thin": Entrant(POOL, "exact", "no")}
    run(OwnExam([Own("a")]), told, budgets=(16,))
    assert sorted(runs) == [(1, 3, 32, 32), (1, 3, 128, 128)]


def test_pictures_are_opened_once_for_all_readers(monkeypatch):
    monkeypatch.setattr(sheets, "PICTURES_AT_ONCE", 2)
    exam = OwnExam([Own("a"), Own("bb"), Own("ccc")])
    run(exam, entrants(llava=LLAVA, pool=POOL))
    assert [one.opened for one in exam.pictures] == [1, 1, 1]


def test_answers_are_those_of_each_reader_alone():
    exam = Scenes("test", 4)
    together = run(exam, {"llava": Entrant(LLAVA, "exact", "no", baseline=True), **entrants(pool=POOL)})
    alone = run(exam, {"llava": Entrant(LLAVA, "exact", "no", baseline=True)}) + run(exam, entrants(pool=POOL))
    assert [(one.name, one.policy, one.budget) for one in together] == [
        (one.name, one.policy, one.budget) for one in alone
    ]
    for one, other in zip(together, alone, strict=True):
        assert (one.right, one.plans, one.counted) == (other.right, other.plans, other.counted)


def test_every_policy_reads_what_its_name_says(monkeypatch):
    told, ask = [], Reader.ask

    def listening(self, encoded, questions, *, keep=None, **more):
        told.append((encoded, keep))
        return ask(self, encoded, questions, keep=keep, **more)

    monkeypatch.setattr(Reader, "ask", listening)
    exam = OwnExam([Own("a"), Own("bb")])
    found = sit({"llava": Entrant(LLAVA, "exact", "no", baseline=True)}, exam, (4,), 7, {}, None)
    assert [sheet.policy for sheet in found] == ["once", "resize", "random", "uniform"]
    (whole, every), (small, all_of_it), (read, some), (_, even) = told
    assert every is None
    assert all_of_it is None
    assert [one.count for one in whole] == [256, 256]
    assert [one.count for one in small] == [4, 4]
    for kept, expected in ((some, keep_random(read, 4, np.random.default_rng(7))), (even, keep_uniform(read, 4))):
        assert all(torch.equal(one, other) for one, other in zip(kept, expected, strict=True))
    assert [gone for sheet in found for _, gone in sheet.plans] == [0, 0, 0, 0, 252, 252, 252, 252]


def test_what_is_shown_is_what_was_read_of_that_picture_and_question():
    """Of tokens beside the text, dropping some leaves the positions as they are."""
    flamingo, foveated, pieces = (embedded(name) for name in ("flamingo", "foveated", "object-centric"))
    told = {
        "llava": Entrant(LLAVA, "exact", "no", baseline=True),
        "flamingo": Entrant(flamingo, "exact", "no", baseline=True),
        **entrants(foveated=foveated, pieces=pieces, pool=POOL),
    }
    exam = list(Scenes("test", 2))
    one = exam[1]
    asked = len(one.questions) - 1
    found = sit(told, Scenes("test", 2), (16,), 0, {one.name: asked}, None)
    for sheet in found:
        reader, plan = sheet.entrant.reader, sheet.plans[-1][0]
        (shown,) = sheet.seen.values()
        kept = 16 if sheet.policy in ("random", "uniform") else plan.visual_tokens
        assert shown.visual_tokens == len(shown.ledger) == kept
        assert shown.slots == (1 if reader is flamingo else kept)
        assert shown.right == sheet.right[-1]
        whole = reader.encode([one.image()])[0]
        if sheet.policy == "once":
            question = one.questions[asked].text
            assert shown.answer == reader.ask([whole], [[question]])[0][0].text
            assert shown.path == reader.looked(whole, question).path
            assert (shown.regions == ()) == (reader is not pieces)
    by_name = {sheet.name: sheet.seen[one.name] for sheet in found if sheet.policy == "once"}
    assert by_name["foveated"].path
    assert by_name["pieces"].regions == tuple(region.box for region in regions_of(pieces, one.image()))
    watched, expected = by_name["flamingo"].watched, flamingo.watched(one.image())
    assert watched is not None
    assert expected is not None
    np.testing.assert_array_equal(watched, expected)


def test_a_shared_look_is_charged_to_everyone(monkeypatch):
    """On a clock that ticks once a reading: the tower takes a second and a connector another."""
    ticks = iter(range(100))
    monkeypatch.setattr(sheets.time, "perf_counter", lambda: float(next(ticks)))
    pictures = Pictures([picture(50, 40)])
    first, second = Seat(LLAVA), Seat(POOL)
    assert [pictures.encode(seat)[1] for seat in (first, second, first)] == [2, 2, 2]


def test_time_is_the_batchs_share_a_question(monkeypatch):
    """On the same clock, four questions share a second each of the tower, the connector and the answers."""
    ticks = iter(range(100))
    monkeypatch.setattr(sheets.time, "perf_counter", lambda: float(next(ticks)))
    question = Question("What colour is it?", ("red",), "own", "own")
    (sheet,) = run(OwnExam([Own("a"), Own("bb", questions=(question,) * 3)]), entrants(llava=LLAVA))
    assert sheet.ms == [750]


@torch.no_grad()
def test_shared_patches_become_each_readers_own_tokens():
    pictures = Pictures([picture(50, 40), picture(300, 100)])
    for reader in (LLAVA, POOL):
        found, _ = pictures.encode(Seat(reader))
        for one, other in zip(found, reader.encode(pictures.images), strict=True):
            assert torch.equal(one.tokens, other.tokens)
            assert one.spec is reader.spec


def test_further_seeds_follow_the_first(runs):
    twice = Entrant(LLAVA, "exact", "no", seed=3, others=((5, POOL),))
    exam = OwnExam([Own("a"), Own("bb")])
    (both,) = run(exam, {"llava": twice})
    (one,), (other,) = run(exam, entrants(one=LLAVA)), run(exam, entrants(other=POOL))
    assert both.right == one.right + other.right
    assert both.plans == one.plans + other.plans


def test_progress_counts_every_readers_pictures(monkeypatch):
    monkeypatch.setattr(sheets, "PICTURES_AT_ONCE", 2)
    told: list[tuple[str, int, int]] = []
    exam = OwnExam([Own("a"), Own("bb"), Own("ccc")])
    sit(entrants(llava=LLAVA, pool=POOL), exam, (), 0, {}, lambda *found: told.append(found))
    assert told == [("2 readers", done, 6) for done in (2, 4, 5, 6)]
