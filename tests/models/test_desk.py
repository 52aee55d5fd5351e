"""A desk: answers as the reader alone gives them, whoever shares a batch; room, refusals and closing."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack

import pytest
import torch
from PIL import Image

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.models.base import Reader
from saccade.models.desk import BusyError, Desk, Question, Told
from saccade.models.embedded import embedded
from saccade.models.encoded import Encoded
from tests.parts import picture

WORDS = ["What color is the background?", "How many shapes are there?", "What kind of picture is this?"]


class Slow:
    """A reader that waits at a gate, and notes the batches that it reads."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.gate, self.batches = reader, threading.Event(), list[list[str]]()
        self.begun = threading.Event()

    def encode(self, images: Sequence[Image.Image]) -> list[Encoded]:
        self.begun.set()
        assert self.gate.wait(30)
        return Reader.encode(self.reader, images)

    def ask(self, encoded: Sequence[Encoded], questions: Sequence[Sequence[str]], **told: int) -> list[list[Answer]]:
        self.batches.append([question for (question,) in questions])
        return Reader.ask(self.reader, encoded, questions, **told)


@pytest.fixture(scope="module")
def whole() -> Reader:
    return embedded("pool-4")


@pytest.fixture
def slow(whole: Reader, monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow(whole)
    monkeypatch.setattr(whole, "encode", made.encode)
    monkeypatch.setattr(whole, "ask", made.ask)
    return made


@pytest.fixture
def desk(whole: Reader) -> Iterator[Desk]:
    made = Desk(whole, room=4, batch=3)
    yield made
    made.close()


def question(text: str, max_tokens: int = 4, top: int = 0, side: int = 60) -> Question:
    return Question(picture(side, 50), text, max_tokens, top)


def alone(reader: Reader, asked: Question) -> Answer:
    with torch.inference_mode():
        ((answer,),) = Reader.ask(
            reader, Reader.encode(reader, [asked.image]), [[asked.text]], max_tokens=asked.max_tokens, top=asked.top
        )
    return answer


def held(desk: Desk, slow: Slow, questions: Sequence[Question]) -> list[Future[Told]]:
    """All in line while the first is being read."""
    first = desk.ask(questions[0])
    assert slow.begun.wait(30)
    return [first, *(desk.ask(one) for one in questions[1:])]


def test_one_is_told_all_that_is_known(desk: Desk, whole: Reader):
    asked = question(WORDS[0], top=2)
    told = desk.ask(asked).result(30)
    assert told.answer == alone(whole, asked)
    assert [len(place) for place in told.answer.top] == [2] * len(told.answer.tokens)
    assert told.ended
    assert told.spelt[-1] == "</s>"
    assert "".join(told.spelt[:-1]).strip() == told.answer.text
    assert told.visual_tokens == 4
    (encoded,) = whole.encode([asked.image])
    template = whole.spec.template.replace("{question}", asked.text)
    assert told.tokens == len(whole.prompt(template, [encoded]).ids)


def test_who_listens_hears_their_own_answer_grow(desk: Desk, whole: Reader):
    heard: dict[str, list[Told]] = {text: [] for text in WORDS}
    asked = [desk.ask(question(text, top=1), heard[text].append) for text in WORDS]
    for text, future in zip(WORDS, asked, strict=True):
        told = future.result(30)
        assert heard[text][-1] == told
        assert [one.spelt for one in heard[text]] == [told.spelt[: step + 1] for step in range(len(told.spelt))]
        assert [one.ended for one in heard[text]] == [False] * (len(told.spelt) - 1) + [told.ended]


def test_an_answer_that_is_cut_off(desk: Desk):
    told = desk.ask(question(WORDS[0], max_tokens=1)).result(30)
    assert not told.ended
    assert len(told.spelt) == 1


def test_an_answer_that_ends_with_its_last_token_is_not_cut_off(desk: Desk, whole: Reader):
    length = len(alone(whole, question(WORDS[0])).tokens)
    assert desk.ask(question(WORDS[0], max_tokens=length)).result(30).ended


def test_what_waits_alike_is_read_at_once_in_order(desk: Desk, slow: Slow, whole: Reader):
    asked = [
        question("first"),
        question("a", side=40),
        question("b", max_tokens=2),
        question("c", top=3),
        question("d", top=1),
        question("e"),
    ]
    futures = held(desk, slow, asked)
    slow.gate.set()
    found = [future.result(30).answer for future in futures]
    assert slow.batches == [["first"], ["a", "c", "d"], ["b"], ["e"]]
    for answer, one in zip(found, asked, strict=True):
        expected = alone(whole, one)
        assert (answer.text, answer.tokens) == (expected.text, expected.tokens)
        assert answer.logprobs == pytest.approx(expected.logprobs, abs=1e-5)
        assert [[token for token, _ in place] for place in answer.top] == [
            [token for token, _ in place] for place in expected.top
        ]


def test_one_that_is_refused_fails_alone(desk: Desk, slow: Slow):
    futures = held(desk, slow, [question("first"), question("a"), question("what is <image>?"), question("b")])
    slow.gate.set()
    with pytest.raises(SaccadeError, match="a question is plain text"):
        futures[2].result(30)
    assert all(future.result(30).answer.tokens for future in (futures[1], futures[3]))


def test_a_reader_that_breaks_keeps_nobody_waiting(
    desk: Desk, whole: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with monkeypatch.context() as patched:
        patched.setattr(whole, "ask", lambda *_, **__: 1 / 0)
        with pytest.raises(RuntimeError, match="the reader failed"):
            desk.ask(question("a")).result(30)
    assert "ZeroDivisionError" in caplog.text
    assert desk.ask(question("a")).result(30).answer.tokens


def test_there_is_room_for_so_many(desk: Desk):
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(desk.place())
        with pytest.raises(BusyError, match="4 questions wait already, there is room for 4"), desk.place():
            pass
    with desk.place():
        pass


def test_a_place_is_given_back_by_whoever_fails_in_it(desk: Desk):
    for _ in range(5):
        with pytest.raises(ValueError, match="a bad picture"), desk.place():
            raise ValueError("a bad picture")


def test_closing_sends_those_away_who_wait(desk: Desk, slow: Slow):
    futures = held(desk, slow, [question("first"), question("a", max_tokens=2)])
    closing = threading.Thread(target=desk.close)
    closing.start()
    with pytest.raises(BusyError, match="closing"):
        futures[1].result(30)
    slow.gate.set()
    closing.join()
    assert futures[0].result(30).answer.tokens
    with pytest.raises(BusyError, match="closing"):
        desk.ask(question("late"))


def test_one_that_gave_up_is_not_read(desk: Desk, slow: Slow):
    futures = held(desk, slow, [question("first"), question("a"), question("b")])
    assert futures[1].cancel()
    slow.gate.set()
    assert futures[2].result(30).answer.tokens
    assert slow.batches == [["first"], ["b"]]


@pytest.mark.parametrize(("room", "batch"), [(0, 1), (1, 0)])
def test_refuses_a_desk_without_room(whole: Reader, room: int, batch: int):
    with pytest.raises(SaccadeError, match=f"got {room} and {batch}"):
        Desk(whole, room, batch)
