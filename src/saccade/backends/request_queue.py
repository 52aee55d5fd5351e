"""Questions to one model from many threads: they wait in a queue, and one thread answers those that fit together.

Law     whatever waits in the same bucket of the model as the first in the queue is answered in one batch, at most
        ``batch`` of them; nobody waits for others to come. Answers do not depend on who shares a batch (in float32).
        A model that runs elsewhere is asked by ``batch`` threads, one question each.
Refuses more than ``room`` questions at once. A question that the model refuses fails alone.
"""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from PIL import Image

from saccade.core.answer import Answer
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.caps import check
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, needs
from saccade.core.size import Size

_LOG = logging.getLogger(__name__)
_CLOSING = "the server is closing; ask another"


class BusyError(SaccadeError):
    """No room for another question now."""


@dataclass(frozen=True, slots=True, eq=False)
class QueuedQuestion:
    """``text`` about an opened image; ``top`` alternatives are reported for each token."""

    image: Image.Image
    text: str
    max_tokens: int
    top: int = 0

    @property
    def request(self) -> Ask:
        """What the model is asked, without alternatives."""
        return Ask(question=self.text, max_tokens=self.max_tokens, top=0)


@dataclass(frozen=True, slots=True)
class QueuedReply:
    """The ``answer``, its tokens ``spelt`` out, and whether it ``ended`` by itself; positions and visual tokens that
    were read for it, None where the model does not report them, or not yet.
    """

    answer: Answer
    spelt: tuple[str, ...]
    ended: bool
    tokens: int | None = None
    visual_tokens: int | None = None


Listener = Callable[[QueuedReply], None]
"""Called by the queue's thread with an answer so far, whenever it has grown by a token."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    question: QueuedQuestion
    listener: Listener | None = None
    reply: Future[QueuedReply] = field(default_factory=Future)


class RequestQueue:
    """See the module docstring. ``close`` answers what is begun and gives up what waits."""

    def __init__(self, backend: Backend, room: int = 32, batch: int = 8) -> None:
        if room < 1 or batch < 1:
            raise SaccadeError(f"a queue has room for at least 1 question, 1 a batch; got {room} and {batch}")
        check("serving", needs(Ask(question="")), backend.name, backend.caps)
        self.backend, self._room, self._batch = backend, room, 1 if backend.remote else batch
        self._waiting: deque[_Ticket] = deque()
        self._taken, self._closed = 0, False
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(batch if backend.remote else 1, "queue")

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, before a question is even made: images take room too. Raises BusyError without any."""
        with self._lock:
            if self._taken >= self._room:
                raise BusyError(
                    f"{self._taken} questions wait already, there is room for {self._room}; come back later"
                )
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1

    def ask(self, question: QueuedQuestion, listener: Listener | None = None) -> Future[QueuedReply]:
        """Put a question into the queue; the future raises SaccadeError for what the model refuses."""
        ticket = _Ticket(question, listener)
        with self._lock:
            if self._closed:
                raise BusyError(_CLOSING)
            self._waiting.append(ticket)
            self._threads.submit(self._serve)
        return ticket.reply

    def close(self) -> None:
        """Wait for the batch that is answered now, and send the others away."""
        with self._lock:
            self._closed = True
            left, self._waiting = self._waiting, deque()
        for ticket in left:
            ticket.reply.set_exception(BusyError(_CLOSING))
        self._threads.shutdown(wait=True)

    def _serve(self) -> None:
        """One turn for every question; those that were answered with others leave turns with nothing to do."""
        batch = [ticket for ticket in self._next() if ticket.reply.set_running_or_notify_cancel()]
        try:
            self._answer(batch)
        except Exception:  # whatever it was, nobody may wait for ever
            _LOG.exception("a batch of %d questions failed", len(batch))
            for ticket in batch:
                if not ticket.reply.done():
                    ticket.reply.set_exception(RuntimeError("the model failed; the server's log says why"))
            raise

    def _next(self) -> list[_Ticket]:
        """The first in the queue, and those that share its batch."""
        with self._lock:
            if not self._waiting:
                return []
            first = self._bucket(self._waiting[0])
            batch = [self._waiting[0]]
            for ticket in list(self._waiting)[1:]:
                if len(batch) < self._batch and self._bucket(ticket) == first:
                    batch.append(ticket)
            chosen = set(map(id, batch))
            self._waiting = deque(ticket for ticket in self._waiting if id(ticket) not in chosen)
            return batch

    def _bucket(self, ticket: _Ticket) -> Hashable:
        """Questions with equal buckets share a batch; one that the model refuses shares with nobody."""
        question = ticket.question
        try:
            return question.max_tokens, self.backend.bucket(Size(*question.image.size), question.request)
        except SaccadeError:
            return ticket

    def _answer(self, batch: list[_Ticket]) -> None:
        if not batch:
            return
        try:
            found = self._read(batch)
        except SaccadeError as error:
            if len(batch) == 1:
                batch[0].reply.set_exception(error)
                return
            for ticket in batch:
                self._answer([ticket])
            return
        for ticket, reply in zip(batch, found, strict=True):
            ticket.reply.set_result(reply)

    def _read(self, batch: list[_Ticket]) -> list[QueuedReply]:
        questions = [ticket.question for ticket in batch]
        top = max(question.top for question in questions)
        jobs = [Job(_key(one.image), one.image, replace(one.request, top=top)) for one in questions]

        def heard(number: int, answer: Answer) -> None:
            listener = batch[number].listener
            if listener is not None:
                listener(self._reply(questions[number], answer))

        listened = any(ticket.listener is not None for ticket in batch)
        seen = self.backend.stream(jobs, heard) if listened else self.backend.run(jobs)
        return [self._whole(question, one) for question, one in zip(questions, seen, strict=True)]

    def _whole(self, question: QueuedQuestion, seen: JobResult) -> QueuedReply:
        assert isinstance(seen.observation, Answer)
        reply = self._reply(question, seen.observation)
        return replace(reply, tokens=seen.tokens, visual_tokens=seen.visual_tokens)

    def _reply(self, question: QueuedQuestion, answer: Answer) -> QueuedReply:
        spelt = self.backend.spelt(answer)
        ended = len(answer.logprobs) < question.max_tokens if answer.ended is None else answer.ended
        top = tuple(place[: question.top] for place in answer.top) if question.top else ()
        return QueuedReply(replace(answer, top=top), spelt, ended)


def _key(image: Image.Image) -> Hashable:
    """Equal for equal images alone, so that a model reads one once."""
    return image.size, hashlib.sha256(image.tobytes()).digest()
