"""One loop for many samples: their requests are gathered, batched by shape, run, and answered.

A sample whose policy is done leaves, so that a batch holds only those that look again: FLOPs saved are time saved. What
a sample has asked before is not asked again: a level of a ladder that would show a small picture at the same size costs
nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import final

from PIL import Image

from saccade.core.answer import Answer
from saccade.core.backend import Backend, Job, JobResult, Observation
from saccade.core.caps import check
from saccade.core.errors import SaccadeError, unknown
from saccade.core.request import Ask, Conversation, Request, needs, shown
from saccade.core.trace import CostEstimate, Look, Trace
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Result, Run, Sample
from saccade.policies.calibration.confidence import certainty

MEMORY = 2 * 2**30
"""Bytes of pictures and of what their requests are predicted to hold, unless told otherwise."""
AT_ONCE = 64
"""Requests in a batch: large enough to fill two cores."""
THREADS = 8
"""Requests that wait for endpoints side by side."""
PATIENCE = 16
"""Times that a policy may want more than its budget before it is stopped."""
CHANNELS = 3
NOTHING, FREE = Request(), CostEstimate(0, 0, 0, 0)

Told = Callable[[int, Result], None]
"""Called with a sample's number as it is done."""


@final
class Scheduler:
    """Runs policies over samples on a ``bench`` of models by name; "" names the first.

    Pictures are opened when their turn comes. ``memory`` bounds the bytes of opened pictures together with what the
    running requests are predicted to hold; where no request fits beside nothing else, SaccadeError names both numbers.
    With ``keep_errors`` a sample that fails (an endpoint that gives up) is noted in its result, and the others go on.
    """

    def __init__(
        self,
        bench: Mapping[str, Backend],
        *,
        memory: int = MEMORY,
        at_once: int = AT_ONCE,
        threads: int = THREADS,
        keep_errors: bool = False,
    ) -> None:
        if not bench:
            raise SaccadeError("a scheduler needs at least 1 model, got 0")
        for what, number in (("memory", memory), ("at_once", at_once), ("threads", threads)):
            if number < 1:
                raise SaccadeError(f"{what} is at least 1, got {number}")
        self.bench = dict(bench)
        self.memory, self.at_once, self.threads, self.keep_errors = memory, at_once, threads, keep_errors
        self.first = next(iter(bench))

    def model(self, name: str) -> Backend:
        """The model of that name."""
        name = name or self.first
        if name not in self.bench:
            raise unknown("model on the bench", name, self.bench)
        return self.bench[name]

    def check(self, policy: Policy) -> None:
        """Raises SaccadeError where a model cannot do what the policy takes, before anything runs."""
        for name, requires in policy.requires.items():
            model = self.model(name)
            check(type(policy).__name__, requires, model.name, model.caps)

    def run(self, policy: Policy, samples: Iterable[Sample], told: Told | None = None) -> list[Result]:
        """Every sample's result, in the samples' order; ``samples`` are drawn as there is room for them."""
        self.check(policy)
        with ThreadPoolExecutor(self.threads) as pool:
            return _Running(self, policy, iter(samples), pool, told).all()


@dataclass(slots=True, eq=False)
class _Waiting:
    """A sample between two looks."""

    number: int
    sample: Sample
    run: Run
    request: Request = NOTHING
    price: CostEstimate = FREE
    bucket: Hashable = None
    looks: list[Look] = field(default_factory=list)
    known: dict[Hashable, Observation] = field(default_factory=dict)
    spent: int = 0


@dataclass(slots=True, eq=False)
class _Open:
    """A picture that ``users`` samples look at, of ``bytes`` once it is open."""

    bytes: int
    image: Image.Image | None = None
    users: int = 0


@final
class _Running:
    def __init__(
        self, scheduler: Scheduler, policy: Policy, queue: Iterator[Sample], pool: ThreadPoolExecutor, told: Told | None
    ) -> None:
        self.scheduler, self.policy, self.queue, self.pool, self.told = scheduler, policy, queue, pool, told
        self.done: dict[int, Result] = {}
        self.local: list[_Waiting] = []
        self.remote: dict[Future[tuple[list[JobResult], float]], _Waiting] = {}
        self.pictures: dict[Hashable, _Open] = {}
        self.held = 0
        self.next: Sample | None = None
        self.drawn = 0
        self.caps = {"": scheduler.model("").caps} | {name: model.caps for name, model in scheduler.bench.items()}

    def all(self) -> list[Result]:
        try:
            while self._admit() or self.local or self.remote:
                if self.local:
                    self._batch()
                self._collect(block=not self.local)
        except BaseException:
            for future in self.remote:
                future.cancel()
            raise
        return [self.done[number] for number in range(self.drawn)]

    def _admit(self) -> bool:
        """Draw samples while there is room for their pictures, in half of the memory; requests have the other half."""
        came = False
        while len(self.local) < 2 * self.scheduler.at_once and len(self.remote) < 2 * self.scheduler.threads:
            if self.next is None:
                self.next = next(self.queue, None)
            if self.next is None:
                return came
            size = self.next.picture.size.area * CHANNELS
            more = 0 if self.next.key in self.pictures else size
            if (self.local or self.remote) and self.held + more > self.scheduler.memory // 2:
                return came
            sample, self.next = self.next, None
            self._start(sample)
            came = True
        return came

    def _start(self, sample: Sample) -> None:
        number, self.drawn = self.drawn, self.drawn + 1
        size = sample.picture.size
        if sample.key not in self.pictures:
            self.pictures[sample.key] = _Open(size.area * CHANNELS)
            self.held += size.area * CHANNELS
        self.pictures[sample.key].users += 1
        run = self.policy.run(PolicyInput(sample.question, size, self.caps, max_tokens=sample.max_tokens))
        self._advance(_Waiting(number, sample, run), lambda: next(run))

    def _advance(self, one: _Waiting, step: Callable[[], Request]) -> None:
        """Let a policy decide: it wants something, or is done."""
        try:
            request = step()
            while (same := self._same(one, request)) in one.known:  # what was asked before is not asked again
                request = one.run.send(one.known[same])
            self._price(one, request)
        except StopIteration as stop:
            self._finish(one, Result(stop.value, Trace(tuple(one.looks))))
            return
        except BudgetSpent:
            self._failed(one, self._overspent(one))
            return
        except SaccadeError as error:
            self._failed(one, error)
            return
        if self._beyond(one):
            one.spent += 1
            if one.spent > PATIENCE:
                self._failed(one, self._overspent(one))
                return
            self._advance(one, lambda: one.run.throw(BudgetSpent()))
            return
        self._submit(one)

    def _same(self, one: _Waiting, request: Request) -> Hashable:
        place, model = request.model or self.scheduler.first, self.scheduler.model(request.model)
        return place, model.same(one.sample.picture.size, replace(request, model=place))

    def _price(self, one: _Waiting, request: Request) -> None:
        model, size = self.scheduler.model(request.model), one.sample.picture.size
        check(type(self.policy).__name__, needs(request), model.name, model.caps)
        one.request, one.price = request, model.price(size, request)
        one.bucket = (request.model or self.scheduler.first, None if model.remote else model.bucket(size, request))

    def _beyond(self, one: _Waiting) -> bool:
        """Whether a request exceeds what is left. Who only searches, and has no answer yet, leaves room for one more
        look of that size, in which it is given.
        """
        budget, more = one.sample.budget, one.price.visual_tokens or 0
        if budget is None:
            return False
        answers = isinstance(one.request, Ask | Conversation) or any(
            look.said and shown(look.request) for look in one.looks
        )
        return Trace(tuple(one.looks)).taken + (more if answers else 2 * more) > budget

    def _overspent(self, one: _Waiting) -> SaccadeError:
        return SaccadeError(
            f"{type(self.policy).__name__} has looked at {Trace(tuple(one.looks)).taken} visual tokens and wants "
            f"{one.price.visual_tokens or 0} more, the budget is {one.sample.budget}; raise it, or take a policy that "
            "looks at less"
        )

    def _submit(self, one: _Waiting) -> None:
        model = self.scheduler.model(one.request.model)
        if not model.remote:
            self.local.append(one)
        elif (job := self._job(one)) is not None:
            self.remote[self.pool.submit(_timed, model, [job])] = one

    def _job(self, one: _Waiting) -> Job | None:
        """The job to run; none, and the sample is done, where its picture cannot be opened."""
        picture = self.pictures[one.sample.key]
        if picture.image is None:
            try:
                picture.image = one.sample.picture.image()
            except SaccadeError as error:
                self._failed(one, error)
                return None
        return Job(one.sample.key, picture.image, one.request)

    def _batch(self) -> None:
        """Run the largest group of requests of one shape, as many as fit."""
        groups: dict[Hashable, list[_Waiting]] = defaultdict(list)
        for one in self.local:
            groups[one.bucket].append(one)
        chosen = self._fitting(max(groups.values(), key=len))
        numbers = {one.number for one in chosen}
        self.local = [one for one in self.local if one.number not in numbers]
        self._ran([(one, job) for one in chosen if (job := self._job(one)) is not None])

    def _ran(self, batch: list[tuple[_Waiting, Job]]) -> None:
        """Run a batch; one that a model refuses is run one by one, so that whoever is at fault fails alone."""
        if not batch:
            return
        ones, jobs = [one for one, _ in batch], [job for _, job in batch]
        try:
            seen, took = _timed(self.scheduler.model(jobs[0].request.model), jobs)
        except SaccadeError as error:
            if len(batch) == 1 or not self.scheduler.keep_errors:
                self._failed(ones[0], error)
                return
            for pair in batch:
                self._ran([pair])
            return
        self._answer(ones, seen, took)

    def _fitting(self, group: list[_Waiting]) -> list[_Waiting]:
        room = self.scheduler.memory - self.held
        chosen: list[_Waiting] = []
        for one in group[: self.scheduler.at_once]:
            room -= one.price.bytes or 0
            if room < 0:
                break
            chosen.append(one)
        if not chosen:
            raise SaccadeError(
                f"one request is predicted to hold {group[0].price.bytes:,} bytes beside {self.held:,} of pictures, "
                f"the scheduler has {self.scheduler.memory:,}; give it more memory, or look at less at once"
            )
        return chosen

    def _collect(self, *, block: bool) -> None:
        """Hand on what came back from endpoints."""
        if not self.remote:
            return
        ready, _ = wait(self.remote, timeout=None if block else 0, return_when=FIRST_COMPLETED)
        for future in ready:
            one = self.remote.pop(future)
            try:
                seen, took = future.result()
            except SaccadeError as error:
                self._failed(one, error)
                continue
            self._answer([one], seen, took)

    def _failed(self, one: _Waiting, error: SaccadeError) -> None:
        """Note what stopped a sample; raises it where errors are not kept."""
        if not self.scheduler.keep_errors:
            raise error
        self._finish(one, Result(Outcome(Answer("")), Trace(tuple(one.looks)), str(error)))

    def _answer(self, ones: list[_Waiting], seen: list[JobResult], took: float) -> None:
        for one, found in zip(ones, seen, strict=True):
            seconds = took / len(ones) if found.seconds is None else found.seconds
            one.looks.append(self._look(one, found, 1000 * seconds))
            one.known[self._same(one, one.request)] = found.observation
            self._advance(one, lambda one=one, found=found: one.run.send(found.observation))

    def _look(self, one: _Waiting, found: JobResult, ms: float) -> Look:
        said: Observation = found.observation
        model = self.scheduler.model(one.request.model).name
        answer = said if isinstance(one.request, Ask) and isinstance(said, Answer) else None
        likely = said if isinstance(said, float) else None
        return Look(
            request=one.request,
            model=model,
            views=found.views,
            predicted=one.price,
            visual_tokens=found.visual_tokens,
            tokens=found.tokens,
            ms=ms,
            said=answer,
            confidence=likely if answer is None else certainty(answer),
        )

    def _finish(self, one: _Waiting, result: Result) -> None:
        picture = self.pictures[one.sample.key]
        picture.users -= 1
        if not picture.users:
            self.held -= self.pictures.pop(one.sample.key).bytes
        self.done[one.number] = result
        if self.told is not None:
            self.told(one.number, result)


def _timed(model: Backend, jobs: list[Job]) -> tuple[list[JobResult], float]:
    start = perf_counter()
    return model.run(jobs), perf_counter() - start
