"""The runner: every candidate on every question of a benchmark, whatever backend it runs on.

Law     each question is asked once a candidate, and its answer written to the journal as soon as it is there; what the
        journal holds already is not asked again. Candidates that run here take turns over a few pictures at a time, so
        that each picture is opened once and towers are shared; those that wait for servers go through all questions.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import Progress
from saccade.core.request import Request
from saccade.core.size import Size
from saccade.core.trace import Look
from saccade.evaluation.answered import Answered
from saccade.evaluation.candidates import Candidate
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.storage.journal import Journal, Key
from saccade.policies.base import PolicyInput, Result, Sample
from saccade.policies.scheduler import THREADS, Scheduler
from saccade.policies.single_look import SingleLook
from saccade.tasks.exam import BenchmarkImage, Exam, Question

PICTURES_AT_ONCE = 10
"""Pictures over which local candidates take turns: enough to fill a batch, few enough to stay in memory."""
AT_ONCE = 128
"""Requests in a batch: the questions of so many pictures."""
LEAST = 8
"""Tokens that every answer may take; more where the benchmark's own answers are longer."""
GIVE_UP = 16
"""Questions in a row that a server may leave unanswered before the comparison ends."""
IN_FLIGHT = 2 * THREADS
"""Questions that may be with servers at once: one that is answered so many results after a failure was sent after it.
"""


@dataclass(frozen=True, eq=False)
class PosedQuestion:
    """A question with its picture and its ``place`` there."""

    picture: BenchmarkImage
    place: int
    question: Question

    @property
    def key(self) -> Key:
        """Tells it from the others."""
        return self.picture.name, self.place


class _Opened:
    """A picture that is opened once for all candidates."""

    def __init__(self, picture: BenchmarkImage) -> None:
        self._picture = picture
        self._image: Image.Image | None = None

    @property
    def size(self) -> Size:
        return self._picture.size

    def image(self) -> Image.Image:
        if self._image is None:
            self._image = self._picture.image()
        return self._image


@final
class Runner:
    """Asks ``exam``; answers are marked by ``marking`` and written to ``journal``.

    ``split`` tells the pictures of several benchmarks in one comparison apart, in the journal and in the memories of
    models.
    """

    def __init__(
        self,
        exam: Exam,
        journal: Journal,
        marking: Marking,
        progress: Progress | None = None,
        split: str = "",
    ) -> None:
        self.exam, self.journal, self.marking, self.progress, self.split = exam, journal, marking, progress, split
        self.posed = [
            PosedQuestion(one, place, question) for one in exam for place, question in enumerate(one.questions)
        ]
        if not self.posed:
            raise SaccadeError(f"the benchmark {exam.name} asks nothing; give at least one question")
        # No tokenizer makes more tokens of a text than it has bytes.
        longest = max((len(text.encode()) for one in self.posed for text in one.question.answers), default=0)
        self._longest = max(LEAST, longest)

    def run(self, candidates: Sequence[Candidate]) -> list[list[Answered]]:
        """Each candidate's answers, in the order of the questions.

        A question that a server leaves unanswered counts as wrong, and the others go on. Raises SaccadeError where it
        answers none of ``GIVE_UP`` in a row, where a local model refuses a question, and where a model tells no number
        of tokens.
        """
        local = [one for one in candidates if not one.remote]
        for candidate in candidates:
            Scheduler(candidate.bench).check(candidate.policy)
        self._take_turns(local)
        for candidate in candidates:
            if candidate.remote:
                self._ask(candidate, self._missing(candidate, self.posed), {})
        return [self.answers(candidate) for candidate in candidates]

    def answers(self, candidate: Candidate) -> list[Answered]:
        """What the journal holds of a candidate that was run, in the order of the questions."""
        known = self.journal.known(self._named(candidate))
        return [known[one.key] for one in self.posed]

    def sample(self, posed: PosedQuestion, opened: _Opened | None = None) -> Sample:
        """A question as policies are asked it."""
        key: Hashable = (self.split, posed.picture.name) if self.split else posed.picture.name
        return Sample(opened or posed.picture, posed.question.text, key, max_tokens=self._longest)

    def first_request(self, candidate: Candidate, posed: PosedQuestion) -> Request:
        """The first request of a candidate about a question: all that a single look shows."""
        sample = self.sample(posed)
        caps = {"": candidate.backend.caps} | {name: model.caps for name, model in candidate.bench.items()}
        asked = PolicyInput(sample.question, posed.picture.size, caps, max_tokens=sample.max_tokens)
        return next(candidate.policy.run(asked))

    def refusal(self, candidate: Candidate) -> str | None:
        """Why some picture cannot be shown within a candidate's budget; None where all can, and where it has none."""
        if not isinstance(candidate.policy, SingleLook) or candidate.policy.tokens is None:
            return None
        if self.journal.known(self._named(candidate)):
            return None  # it was asked before
        firsts = {posed.picture.size: posed for posed in reversed(self.posed)}
        for size, posed in firsts.items():
            try:
                candidate.backend.price(size, self.first_request(candidate, posed))
            except SaccadeError as error:
                return str(error)
        return None

    def _named(self, candidate: Candidate) -> str:
        return f"{self.split}: {candidate.key}" if self.split else candidate.key

    def _missing(self, candidate: Candidate, posed: Sequence[PosedQuestion]) -> list[PosedQuestion]:
        known = self.journal.known(self._named(candidate))
        return [one for one in posed if one.key not in known]

    def _take_turns(self, candidates: Sequence[Candidate]) -> None:
        title = candidates[0].key if len(candidates) == 1 else f"{len(candidates)} candidates"
        for done, batch in self._batches():
            opened = {posed.picture.name: _Opened(posed.picture) for posed in batch}
            for number, candidate in enumerate(candidates, start=1):
                self._ask(candidate, self._missing(candidate, batch), opened)
                self._tell(title, len(candidates) * (done - len(opened)) + number * len(opened), len(candidates))

    def _batches(self) -> Iterator[tuple[int, list[PosedQuestion]]]:
        """The questions of a few pictures at a time, and how many pictures are done with them."""
        batch: list[PosedQuestion] = []
        names: dict[str, None] = {}
        done = 0
        for posed in self.posed:
            if posed.picture.name not in names and len(names) == PICTURES_AT_ONCE:
                done += len(names)
                yield done, batch
                batch, names = [], {}
            names[posed.picture.name] = None
            batch.append(posed)
        yield done + len(names), batch

    def _tell(self, title: str, done: int, each: int) -> None:
        if self.progress is not None:
            self.progress(title, done, each * len(self.exam))

    def _ask(self, candidate: Candidate, posed: Sequence[PosedQuestion], opened: dict[str, _Opened]) -> None:
        """Run a candidate over some questions, and note its answers."""
        if not posed:
            return
        for model in candidate.bench.values():
            model.begin()
        asking = _Asking(self, candidate, posed)
        samples = [self.sample(one, opened.get(one.picture.name)) for one in posed]
        scheduler = Scheduler(candidate.bench, at_once=AT_ONCE, keep_errors=candidate.remote)
        try:
            scheduler.run(candidate.policy, samples, asking.told)
        finally:
            asking.write()
        asking.settle()


@final
class _Asking:
    """Answers of one candidate as they come in.

    An answer is written at once, or with others of its batch where it was found here. Questions that a server left
    unanswered are written once it has answered one that was sent later: what fails because it died is asked again.
    """

    def __init__(self, runner: Runner, candidate: Candidate, posed: Sequence[PosedQuestion]) -> None:
        self.runner, self.candidate, self.posed = runner, candidate, posed
        self.total = len(runner.posed)
        self.before = self.total - len(posed)
        self.done, self.ready = 0, list[Answered]()
        self.in_a_row, self.silent = 0, list[tuple[int, Answered]]()

    def told(self, number: int, result: Result) -> None:
        """A question is done."""
        self.done += 1
        answered = self._answered(self.posed[number], result)
        if result.error is not None:
            self.in_a_row += 1
            self.silent.append((self.done, answered))
            if self.in_a_row == min(GIVE_UP, self.total):
                raise SaccadeError(
                    f"{self.candidate.model} left {self.in_a_row} questions in a row without an answer; the last: "
                    f"{result.error}. What it answered before is kept: the same command resumes from there"
                )
        else:
            self._check(result)
            self.in_a_row = 0
            self.ready += [*self._settled(self.done - IN_FLIGHT), answered]
        if self.candidate.remote:
            self.write()
            if self.runner.progress is not None:
                self.runner.progress(self.candidate.key, self.before + self.done, self.total)

    def write(self) -> None:
        """Write what is ready."""
        ready, self.ready = self.ready, []
        self.runner.journal.add(self.runner._named(self.candidate), ready, detailed=self.candidate.detailed)

    def settle(self) -> None:
        """The questions at the end that got no answer."""
        self.ready += self._settled(self.done)
        self.write()

    def _settled(self, last: int) -> list[Answered]:
        """Take those without an answer that were among the first ``last`` results."""
        settled = [answered for place, answered in self.silent if place <= last]
        self.silent = [(place, answered) for place, answered in self.silent if place > last]
        return settled

    def _answered(self, posed: PosedQuestion, result: Result) -> Answered:
        looks = result.trace.looks
        text = result.outcome.answer.text
        mark = None if result.error is not None else self.runner.marking.mark(text, posed.question)
        return Answered(
            picture=posed.picture.name,
            place=posed.place,
            said=text,
            read="" if mark is None else mark.read,
            note="" if mark is None else mark.note,
            score=0.0 if mark is None else mark.score,
            visual_tokens=result.trace.taken,
            tokens=_sum([each.tokens for each in looks]),
            slots=_sum([each.predicted.slots for each in looks]),
            predicted=result.trace.flops,
            counted=_sum([self._counted(posed.picture.size, each) for each in looks]),
            bytes=max((each.predicted.bytes or 0 for each in looks), default=0),
            ms=result.trace.ms,
            looks=len(looks),
            error=result.error,
            fresh=result if self.candidate.detailed else None,
        )

    def _counted(self, size: Size, look: Look) -> int | None:
        model = next(model for model in self.candidate.bench.values() if model.name == look.model)
        return model.counted(size, look.request, look.visual_tokens)

    def _check(self, result: Result) -> None:
        """Raises SaccadeError where a model does not tell how much it read."""
        if any(each.visual_tokens is None and each.tokens is None for each in result.trace.looks):
            raise SaccadeError(
                f"{self.candidate.model} answers, and says nothing of how many tokens it read (usage.prompt_tokens is "
                "missing or does not add up), so that accuracy cannot be set against them; take a server that counts"
            )


def _sum(values: Sequence[int | None]) -> int | None:
    return None if None in values else sum(value for value in values if value is not None)
