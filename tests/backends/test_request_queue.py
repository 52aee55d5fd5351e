"""A request queue: answers as the reader alone gives them, whoever shares a batch; room, refusals and closing."""

import threading
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.embedded.family import embedded
from saccade.backends.open import open_model
from saccade.backends.request_queue import BusyError, QueuedQuestion, QueuedReply, RequestQueue
from saccade.core.answer import Answer
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Request
from saccade.core.size import Size
from saccade.runtime.reader import Reader
from tests.parts import picture
from tests.servers import TEMPLATE

WORDS = ["What color is the background?", "How many shapes are there?", "What kind of picture is this?"]


class Slow(Backend):
    """A model that waits at a gate, and notes the batches that it reads."""

    def __init__(self, inner: ComposedBackend) -> None:
        self.inner, self.gate, self.batches = inner, threading.Event(), list[list[str]]()
        self.begun, self.broken = threading.Event(), False

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def caps(self) -> Cap:
        return self.inner.caps

    def bucket(self, size: Size, request: Request) -> Hashable:
        return self.inner.bucket(size, request)

    def spelt(self, answer: Answer) -> tuple[str, ...]:
        return self.inner.spelt(answer)

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        self.begun.set()
        assert self.gate.wait(30)
        if self.broken:
            raise ZeroDivisionError
        self.batches.append([job.request.question for job in jobs if isinstance(job.request, Ask)])
        return self.inner.run(jobs)


@pytest.fixture(scope="module")
def whole() -> Reader:
    return embedded("pool-4")


@pytest.fixture
def slow(whole: Reader) -> Slow:
    return Slow(ComposedBackend("pool-4", whole))


@pytest.fixture
def queue(whole: Reader) -> Iterator[RequestQueue]:
    made = RequestQueue(ComposedBackend("pool-4", whole), room=4, batch=3)
    yield made
    made.close()


@pytest.fixture
def slowly(slow: Slow) -> Iterator[RequestQueue]:
    """The queue of a slow model."""
    made = RequestQueue(slow, room=4, batch=3)
    yield made
    slow.gate.set()
    made.close()


def question(text: str, max_tokens: int = 4, top: int = 0, side: int = 60) -> QueuedQuestion:
    return QueuedQuestion(picture(side, 50), text, max_tokens, top)


def alone(reader: Reader, asked: QueuedQuestion) -> Answer:
    with torch.inference_mode():
        ((answer,),) = Reader.ask(
            reader, Reader.encode(reader, [asked.image]), [[asked.text]], max_tokens=asked.max_tokens, top=asked.top
        )
    return answer


def held(queue: RequestQueue, slow: Slow, questions: Sequence[QueuedQuestion]) -> list[Future[QueuedReply]]:
    """All in line while the first is being read."""
    first = queue.ask(questions[0])
    assert slow.begun.wait(30)
    return [first, *(queue.ask(one) for one in questions[1:])]


def test_one_is_told_all_that_is_known(queue: RequestQueue, whole: Reader):
    asked = question(WORDS[0], top=2)
    told = queue.ask(asked).result(30)
    assert told.answer == alone(whole, asked)
    assert [len(place) for place in told.answer.top] == [2] * len(told.answer.tokens)
    assert told.ended
    assert told.spelt[-1] == "</s>"
    assert "".join(told.spelt[:-1]).strip() == told.answer.text
    assert told.visual_tokens == 4
    (encoded,) = whole.encode([asked.image])
    template = whole.spec.template.replace("{question}", asked.text)
    assert told.tokens == len(whole.prompt(template, [encoded]).ids)


def test_who_listens_hears_their_own_answer_grow(queue: RequestQueue, whole: Reader):
    heard: dict[str, list[QueuedReply]] = {text: [] for text in WORDS}
    asked = [queue.ask(question(text, top=1), heard[text].append) for text in WORDS]
    for text, future in zip(WORDS, asked, strict=True):
        told = future.result(30)
        assert (heard[text][-1].answer, heard[text][-1].spelt) == (told.answer, told.spelt)
        assert [one.spelt for one in heard[text]] == [told.spelt[: step + 1] for step in range(len(told.spelt))]
        assert [one.ended for one in heard[text]] == [False] * (len(told.spelt) - 1) + [told.ended]


def test_an_answer_that_is_cut_off(queue: RequestQueue):
    told = queue.ask(question(WORDS[0], max_tokens=1)).result(30)
    assert not told.ended
    assert len(told.spelt) == 1


def test_an_answer_that_ends_with_its_last_token_is_not_cut_off(queue: RequestQueue, whole: Reader):
    length = len(alone(whole, question(WORDS[0])).tokens)
    assert queue.ask(question(WORDS[0], max_tokens=length)).result(30).ended


def test_what_waits_alike_is_read_at_once_in_order(slowly: RequestQueue, slow: Slow, whole: Reader):
    asked = [
        question("first"),
        question("a", side=40),
        question("b", max_tokens=2),
        question("c", top=3),
        question("d", top=1),
        question("e"),
    ]
    futures = held(slowly, slow, asked)
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


def test_one_that_is_refused_fails_alone(slowly: RequestQueue, slow: Slow):
    futures = held(slowly, slow, [question("first"), question("a"), question("what is <image>?"), question("b")])
    slow.gate.set()
    with pytest.raises(SaccadeError, match="a question is plain text"):
        futures[2].result(30)
    assert all(future.result(30).answer.tokens for future in (futures[1], futures[3]))


def test_a_model_that_breaks_keeps_nobody_waiting(slowly: RequestQueue, slow: Slow, caplog: pytest.LogCaptureFixture):
    slow.gate.set()
    slow.broken = True
    with pytest.raises(RuntimeError, match="the model failed"):
        slowly.ask(question("a")).result(30)
    assert "ZeroDivisionError" in caplog.text
    slow.broken = False
    assert slowly.ask(question("a")).result(30).answer.tokens


def test_there_is_room_for_so_many(queue: RequestQueue):
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(queue.place())
        with pytest.raises(BusyError, match="4 questions wait already, there is room for 4"), queue.place():
            pass
    with queue.place():
        pass


def test_a_place_is_given_back_by_whoever_fails_in_it(queue: RequestQueue):
    for _ in range(5):
        with pytest.raises(ValueError, match="a bad picture"), queue.place():
            raise ValueError("a bad picture")


def test_closing_sends_those_away_who_wait(slowly: RequestQueue, slow: Slow):
    futures = held(slowly, slow, [question("first"), question("a", max_tokens=2)])
    closing = threading.Thread(target=slowly.close)
    closing.start()
    with pytest.raises(BusyError, match="closing"):
        futures[1].result(30)
    slow.gate.set()
    closing.join()
    assert futures[0].result(30).answer.tokens
    with pytest.raises(BusyError, match="closing"):
        slowly.ask(question("late"))


def test_one_that_gave_up_is_not_read(slowly: RequestQueue, slow: Slow):
    futures = held(slowly, slow, [question("first"), question("a"), question("b")])
    assert futures[1].cancel()
    slow.gate.set()
    assert futures[2].result(30).answer.tokens
    assert slow.batches == [["first"], ["b"]]


@pytest.mark.parametrize(("room", "batch"), [(0, 1), (1, 0)])
def test_refuses_a_desk_without_room(whole: Reader, room: int, batch: int):
    with pytest.raises(SaccadeError, match=f"got {room} and {batch}"):
        RequestQueue(ComposedBackend("pool-4", whole), room, batch)


# Models of other kinds


class Plain(Backend):
    """Says how many jobs came at once; reports nothing else."""

    name, caps, remote = "plain", Cap.GENERATE, False

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        return [JobResult(Answer(f"{len(jobs)} of {job.image.width}"), (), None, None) for job in jobs]


class Far(Plain):
    """The same elsewhere."""

    remote = True


@pytest.mark.parametrize("kind", [Plain, Far])
def test_a_model_that_reports_nothing_answers_in_one_piece(kind: type[Plain]):
    made = RequestQueue(kind())
    heard: list[QueuedReply] = []
    reply = made.ask(question("a"), heard.append).result(30)
    made.close()
    assert (reply.answer.text, reply.spelt, reply.ended) == ("1 of 60", (), True)
    assert (reply.tokens, reply.visual_tokens, heard) == (None, None, [])


def test_a_model_elsewhere_is_asked_one_by_one():
    made = RequestQueue(Far(), batch=3)
    futures = [made.ask(question("a", side=40 + number)) for number in range(6)]
    assert [future.result(30).answer.text for future in futures] == [f"1 of {40 + number}" for number in range(6)]
    made.close()


def test_a_hosted_model_is_served(tmp_path: Path):
    from tests.architectures.llava.folders import checkpoint

    torch.manual_seed(0)
    network, processor = checkpoint(tmp_path / "llava")
    processor.chat_template = TEMPLATE
    hosted = open_model((network.eval(), processor))
    asked = question("a", max_tokens=3, top=2)
    made = RequestQueue(hosted)
    reply = made.ask(asked).result(30)
    (alone_,) = hosted.run([Job("", asked.image, Ask(question="a", max_tokens=3, top=2))])
    made.close()
    assert reply.answer == alone_.observation
    assert len(reply.spelt) == len(reply.answer.logprobs) > 0
    assert (reply.tokens, reply.visual_tokens) == (alone_.tokens, alone_.visual_tokens)


def test_a_model_that_answers_nothing_is_refused():
    class Blind(Plain):
        caps = Cap.ENCODE

    with pytest.raises(SaccadeError, match="serving needs GENERATE"):
        RequestQueue(Blind())
