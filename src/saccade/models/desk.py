"""Questions to one reader from many threads: they wait in line, and one thread answers those that fit together.

Law     whatever waits with the same ``max_tokens`` as the one who came first is read in one batch, at most ``batch`` of
        them; nobody waits for others to come. Answers do not depend on who shares a batch (in float32).
Refuses more than ``room`` questions at once. A question that the reader refuses fails alone.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

import torch
from PIL import Image

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.models.base import Reader

_LOG = logging.getLogger(__name__)
_CLOSING = "the server is closing; ask another"


class BusyError(SaccadeError):
    """No room for another question now."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """``text`` about an opened picture; ``top`` alternatives are told for each token."""

    image: Image.Image
    text: str
    max_tokens: int
    top: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """The ``answer``, its tokens ``spelt`` out, whether it came to an ``end`` by itself; what was read for it."""

    answer: Answer
    spelt: tuple[str, ...]
    ended: bool
    tokens: int
    visual_tokens: int


Listening = Callable[[Told], None]
"""Called by the desk's thread with an answer so far, whenever it has grown by a token."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    question: Question
    heard: Listening | None = None
    told: Future[Told] = field(default_factory=Future)


class Desk:
    """See the module docstring. ``close`` answers what is begun and gives up what waits."""

    def __init__(self, reader: Reader, room: int = 32, batch: int = 8) -> None:
        if room < 1 or batch < 1:
            raise SaccadeError(f"a desk has room for at least 1 question, 1 a batch; got {room} and {batch}")
        self._reader, self._room, self._batch = reader, room, batch
        self._waiting: deque[_Ticket] = deque()
        self._taken, self._closed = 0, False
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, "desk")

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in line, before a question is even made: pictures take room too. Raises BusyError without any."""
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

    def ask(self, question: Question, heard: Listening | None = None) -> Future[Told]:
        """Stand in line; the future raises SaccadeError for what the reader refuses."""
        ticket = _Ticket(question, heard)
        with self._lock:
            if self._closed:
                raise BusyError(_CLOSING)
            self._waiting.append(ticket)
            self._thread.submit(self._serve)
        return ticket.told

    def close(self) -> None:
        """Wait for the batch that is read now, and send the others away."""
        with self._lock:
            self._closed = True
            left, self._waiting = self._waiting, deque()
        for ticket in left:
            ticket.told.set_exception(BusyError(_CLOSING))
        self._thread.shutdown(wait=True)

    def _serve(self) -> None:
        """One turn for every question; those that were answered with others leave turns with nothing to do."""
        batch = [ticket for ticket in self._next() if ticket.told.set_running_or_notify_cancel()]
        try:
            self._answer(batch)
        except Exception:  # whatever it was, nobody may wait for ever
            _LOG.exception("a batch of %d questions failed", len(batch))
            for ticket in batch:
                if not ticket.told.done():
                    ticket.told.set_exception(RuntimeError("the reader failed; the server's log says why"))
            raise

    def _next(self) -> list[_Ticket]:
        with self._lock:
            if not self._waiting:
                return []
            limit = self._waiting[0].question.max_tokens
            batch = [ticket for ticket in self._waiting if ticket.question.max_tokens == limit][: self._batch]
            chosen = set(map(id, batch))
            self._waiting = deque(ticket for ticket in self._waiting if id(ticket) not in chosen)
            return batch

    def _answer(self, batch: list[_Ticket]) -> None:
        if not batch:
            return
        try:
            found = self._read(batch)
        except SaccadeError as error:
            if len(batch) == 1:
                batch[0].told.set_exception(error)
                return
            for ticket in batch:
                self._answer([ticket])
            return
        for ticket, told in zip(batch, found, strict=True):
            ticket.told.set_result(told)

    @torch.inference_mode()
    def _read(self, batch: list[_Ticket]) -> list[Told]:
        reader, questions = self._reader, [ticket.question for ticket in batch]
        encoded = reader.encode([question.image for question in questions])

        def heard(number: int, answer: Answer) -> None:
            listening = batch[number].heard
            if listening is not None:
                listening(self._told(questions[number], answer, encoded[number].count))

        said = reader.ask(
            encoded,
            [[question.text] for question in questions],
            max_tokens=questions[0].max_tokens,
            top=max(question.top for question in questions),
            heard=heard if any(ticket.heard is not None for ticket in batch) else None,
        )
        return [
            self._told(question, answer, picture.count)
            for question, (answer,), picture in zip(questions, said, encoded, strict=True)
        ]

    def _told(self, question: Question, answer: Answer, visual_tokens: int) -> Told:
        answer = replace(answer, top=tuple(place[: question.top] for place in answer.top) if question.top else ())
        spelt = tuple(str(self._reader.tokenizer.decode([token])) for token in answer.tokens)
        ended = answer.tokens[-1] in self._reader.spec.language.ends
        length = self._reader.plan(Size(*question.image.size), question.text).length
        return Told(answer, spelt, ended, length, visual_tokens)
