import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import pytest
from PIL import Image

from saccade.core.answer import Answer
from saccade.core.backend import Job, JobResult
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, ImageRegion
from saccade.core.size import Size
from saccade.policies import scheduler
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run, Sample, ask
from saccade.policies.scheduler import Scheduler
from saccade.policies.single_look import SingleLook
from tests.policies.fake import Blank, Fake, answer


def samples(count: int) -> list[Sample]:
    return [Sample(Blank(), f"q{number}", number) for number in range(count)]


@dataclass(frozen=True)
class Several(Policy):
    """Asks as often as the question says."""

    @property
    def requires(self) -> dict[str, Cap]:
        return {"": Cap.GENERATE}

    def run(self, asked: PolicyInput) -> Run:
        said = answer("")
        try:
            for number in range(int(asked.question[1:]) % 4 + 1):
                said = yield from ask(asked.look(ImageRegion(side=90 + number), reason=f"look {number}"))
        except BudgetSpent:
            return Outcome(said, boxes=(asked.whole,))
        return Outcome(said)


def test_results_come_in_the_order_of_the_samples() -> None:
    fake = Fake(asked=lambda request, size: answer(request.question.upper()))
    results = Scheduler({"fake": fake}, at_once=5).run(Several(), samples(23))
    assert [one.outcome.answer.text for one in results] == [f"Q{number}" for number in range(23)]
    assert [len(one.trace.looks) for one in results] == [number % 4 + 1 for number in range(23)]


def test_finished_samples_leave_and_others_take_their_place() -> None:
    fake = Fake()
    Scheduler({"fake": fake}, at_once=8).run(Several(), samples(64))
    assert sum(fake.batches) == 16 * (1 + 2 + 3 + 4)
    assert len(fake.batches) <= 24  # 20 full batches, and few that are not
    assert max(fake.batches) == 8


def test_what_was_asked_before_is_answered_and_not_asked_again() -> None:
    @dataclass(frozen=True)
    class Twice(Policy):
        @property
        def requires(self) -> dict[str, Cap]:
            return {"": Cap.GENERATE}

        def run(self, asked: PolicyInput) -> Run:
            first = yield from ask(asked.look(ImageRegion(side=90), reason="one"))
            again = yield from ask(asked.look(ImageRegion(side=90), reason="another"))
            other = yield from ask(asked.look(ImageRegion(side=91), reason="one"))
            assert again is first
            return Outcome(other)

    fake = Fake(asked=lambda request, size: answer(str(request.sights[0].side)))
    results = Scheduler({"fake": fake}).run(Twice(), [samples(1)[0]] * 2)
    assert [one.outcome.answer.text for one in results] == ["91", "91"]
    assert [[look.request.reason for look in one.trace.looks] for one in results] == [["one", "one"]] * 2


def test_only_requests_of_one_bucket_share_a_batch() -> None:
    fake = Fake()
    kinds: list[set[str]] = []
    run = fake.run

    def noted(jobs):
        kinds.append({job.request.question for job in jobs})
        return run(jobs)

    fake.run = noted
    fake.bucket = lambda size, request: request.question
    Scheduler({"fake": fake}).run(
        SingleLook(), [replace(one, question="ab"[i % 2]) for i, one in enumerate(samples(10))]
    )
    assert kinds in ([{"a"}, {"b"}], [{"b"}, {"a"}])


def test_the_largest_group_runs_first() -> None:
    fake = Fake()
    fake.bucket = lambda size, request: request.question
    Scheduler({"fake": fake}).run(SingleLook(), [replace(one, question="abb"[i]) for i, one in enumerate(samples(3))])
    assert fake.batches == [2, 1]


def test_batches_of_two_buckets_are_full_too() -> None:
    fake = Fake()
    fake.bucket = lambda size, request: request.question
    queue = [replace(one, question="ab"[i % 2]) for i, one in enumerate(samples(16))]
    Scheduler({"fake": fake}, at_once=4).run(SingleLook(), queue)
    assert fake.batches == [4] * 4


@dataclass(frozen=True)
class Named(Several):
    """Asks the model that the question names, as often as the second word says."""

    def run(self, asked: PolicyInput) -> Run:
        name, often = asked.question.split()
        for number in range(int(often)):
            said = yield from ask(asked.on(name).look(ImageRegion(side=50 + number), reason=""))
        return Outcome(said)


def test_two_models_share_no_batch() -> None:
    bench = {name: Fake(asked=lambda *_, name=name: answer(name), name=name) for name in "ab"}
    questions = ["a 1", "b 1", "a 1", "b 1"]
    results = Scheduler(bench).run(Named(), [Sample(Blank(), one, i) for i, one in enumerate(questions)])
    assert [one.outcome.answer.text for one in results] == ["a", "b", "a", "b"]


def test_two_models_that_call_themselves_alike_are_two() -> None:
    @dataclass(frozen=True)
    class Both(Several):
        def run(self, asked: PolicyInput) -> Run:
            one = yield from ask(asked.look(ImageRegion(), reason=""))
            two = yield from ask(asked.on("second").look(ImageRegion(), reason=""))
            again = yield from ask(asked.on("first").look(ImageRegion(), reason=""))
            return Outcome(answer(one.text + two.text + again.text))

    bench = {place: Fake(asked=lambda *_, place=place: answer(place[0]), name="qwen") for place in ("first", "second")}
    results = Scheduler(bench).run(Both(), samples(3))
    assert [one.outcome.answer.text for one in results] == ["fsf"] * 3
    assert [len(one.trace.looks) for one in results] == [2] * 3


def test_no_name_means_the_first_model() -> None:
    first, second = Fake(name="first"), Fake(name="second")
    Scheduler({"first": first, "second": second}).run(SingleLook(), samples(2))
    assert (len(first.log), len(second.log)) == (2, 0)


def test_each_sample_is_told_as_it_is_done() -> None:
    told = {}
    results = Scheduler({"fake": Fake()}).run(Several(), samples(9), told.__setitem__)
    assert list(told) != sorted(told)
    assert [told[number] for number in range(9)] == results


def test_the_time_of_a_batch_is_shared_among_its_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "perf_counter", iter([5.0, 5.8]).__next__)
    results = Scheduler({"fake": Fake()}).run(SingleLook(), samples(4))
    assert [one.trace.looks[0].ms for one in results] == pytest.approx([200] * 4)


class Timed(Fake):
    """A model that knows what its jobs took: the first question less than the second."""

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        return [replace(seen, seconds=0.5 * number) for number, seen in enumerate(super().run(jobs), start=1)]


def test_a_model_that_knows_what_a_job_took_is_believed() -> None:
    results = Scheduler({"timed": Timed()}).run(SingleLook(), samples(2))
    assert [one.trace.looks[0].ms for one in results] == [500, 1000]


def test_every_look_is_traced_with_what_was_predicted_and_measured() -> None:
    fake = Fake(asked=lambda request, size: answer("yes", 0.25))
    (result,) = Scheduler({"fake": fake}).run(SingleLook(), samples(1))
    (look,) = result.trace.looks
    assert (look.predicted.visual_tokens, look.predicted.flops, look.visual_tokens, look.tokens) == (
        100,
        100_000,
        100,
        110,
    )
    assert look.confidence == pytest.approx(0.25)
    assert look.said == result.outcome.answer
    assert look.request.reason == "the whole picture"
    assert look.model == "fake"
    assert look.ms >= 0
    assert (result.trace.visual_tokens, result.trace.flops) == (100, 100_000)


def test_a_missing_capability_is_refused_by_name_before_anything_runs() -> None:
    fake = Fake(caps=Cap.LOGPROBS)
    drawn = []

    def queue() -> Iterator[Sample]:
        drawn.append(1)
        yield from samples(1)

    with pytest.raises(SaccadeError, match="SingleLook needs GENERATE, which fake has not"):
        Scheduler({"fake": fake}).run(SingleLook(), queue())
    assert not drawn
    assert not fake.log


def test_a_request_beyond_what_was_declared_is_refused_too() -> None:
    @dataclass(frozen=True)
    class Two(Policy):
        @property
        def requires(self) -> dict[str, Cap]:
            return {"": Cap.GENERATE}

        def run(self, asked: PolicyInput) -> Run:
            said = yield from ask(Ask(sights=(ImageRegion(), ImageRegion()), question=asked.question))
            return Outcome(said)

    with pytest.raises(SaccadeError, match="Two needs MULTI_IMAGE"):
        Scheduler({"fake": Fake(caps=Cap.GENERATE)}).run(Two(), samples(1))


def test_a_budget_ends_a_policy_that_has_something_to_say() -> None:
    sample = replace(samples(4)[3], budget=250)
    (result,) = Scheduler({"fake": Fake()}).run(Several(), [sample])
    assert len(result.trace.looks) == 2
    assert result.outcome.boxes


def test_a_budget_may_be_spent_to_the_last_token() -> None:
    (result,) = Scheduler({"fake": Fake()}).run(Several(), [replace(samples(4)[3], budget=300)])
    assert result.trace.visual_tokens == 300


def test_a_policy_that_looks_on_when_its_budget_is_spent_is_stopped() -> None:
    @dataclass(frozen=True)
    class Greedy(Several):
        def run(self, asked: PolicyInput) -> Run:
            for side in count(50):
                try:
                    yield from ask(asked.look(ImageRegion(side=side), reason="more"))
                except BudgetSpent:
                    continue
            raise AssertionError("there is always one more")

    with pytest.raises(SaccadeError, match="100 visual tokens and wants 100 more, the budget is 150"):
        Scheduler({"fake": Fake()}).run(Greedy(), [replace(samples(1)[0], budget=150)])


@pytest.mark.parametrize("remote", [False, True])
def test_a_picture_that_cannot_be_opened_fails_alone(remote: bool) -> None:
    class Broken(Blank):
        def image(self) -> Image.Image:
            raise SaccadeError("it is no picture")

    asked = [Sample(Blank(), "one", 1), Sample(Broken(), "two", 2), Sample(Blank(), "three", 3)]
    results = Scheduler({"fake": Fake(remote=remote)}, keep_errors=True).run(SingleLook(), asked)
    assert [one.error for one in results] == [None, "it is no picture", None]
    with pytest.raises(SaccadeError, match="it is no picture"):
        Scheduler({"fake": Fake(remote=remote)}).run(SingleLook(), asked)


def test_what_a_model_refuses_in_a_batch_fails_alone() -> None:
    def asked(request: Ask, size: Size) -> Answer:
        if request.question == "q3":
            raise SaccadeError("not this one")
        return answer("yes")

    results = Scheduler({"fake": Fake(asked=asked)}, keep_errors=True).run(SingleLook(), samples(6))
    assert [one.error for one in results] == [None, None, None, "not this one", None, None]
    assert [one.outcome.answer.text for one in results] == ["yes", "yes", "yes", "", "yes", "yes"]


def test_a_budget_below_the_first_look_is_refused_with_both_numbers() -> None:
    with pytest.raises(SaccadeError, match="0 visual tokens and wants 100 more, the budget is 99"):
        Scheduler({"fake": Fake()}).run(SingleLook(), [replace(samples(1)[0], budget=99)])


class Drawn:
    """A picture of 12 kB that tells how many like it are open."""

    open, most = 0, 0

    @property
    def size(self) -> Size:
        return Size(64, 64)

    def image(self) -> Image.Image:
        made = Image.new("RGB", (64, 64))
        weakref.finalize(made, self._closed)
        Drawn.open += 1
        Drawn.most = max(Drawn.most, Drawn.open)
        return made

    @staticmethod
    def _closed() -> None:
        Drawn.open -= 1


def test_memory_stays_below_the_bound_however_many_wait() -> None:
    bound, count, held = 2**20, 10_000, 2**16
    fake = Fake(bytes=held)
    drawn = 0

    def queue() -> Iterator[Sample]:
        nonlocal drawn
        for number in range(count):
            drawn = number + 1
            assert drawn - sum(fake.batches) <= 128  # others are not even drawn
            yield Sample(Drawn(), f"q{number}", number)

    results = Scheduler({"fake": fake}, memory=bound).run(SingleLook(), queue())
    assert len(results) == sum(fake.batches) == count
    assert Drawn.most * 64 * 64 * 3 + max(fake.batches) * held <= bound
    assert max(fake.batches) > 4
    assert Drawn.open == 0


def test_a_request_that_never_fits_is_refused_with_both_numbers() -> None:
    with pytest.raises(SaccadeError, match=r"5,000,000 bytes beside 360,000 of pictures, the scheduler has 1,000,000"):
        Scheduler({"fake": Fake(bytes=5_000_000)}, memory=1_000_000).run(SingleLook(), samples(3))


def test_a_picture_is_opened_once_for_all_of_its_questions() -> None:
    opened = []

    class Counted(Blank):
        def image(self) -> Image.Image:
            opened.append(1)
            return super().image()

    picture = Counted()
    Scheduler({"fake": Fake()}).run(SingleLook(), [Sample(picture, f"q{number}", "same") for number in range(12)])
    assert len(opened) == 1


def test_questions_about_one_picture_take_its_memory_once() -> None:
    fake = Fake()
    twice = 2 * 64 * 64 * 3
    one, other = ([Sample(Drawn(), f"q{number}", key) for number in range(12)] for key in "ab")
    Scheduler({"fake": fake}, memory=2 * twice - 2, at_once=12).run(SingleLook(), [*one, *other])
    assert fake.batches == [12, 12]


def test_endpoints_are_asked_side_by_side() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    class Slow(Fake):
        def run(self, jobs):
            nonlocal inside, most
            assert len(jobs) == 1
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1
            return super().run(jobs)

    results = Scheduler({"slow": Slow(remote=True)}, threads=4).run(Several(), samples(16))
    assert most == 4
    assert [len(one.trace.looks) for one in results] == [number % 4 + 1 for number in range(16)]


def test_models_here_do_not_wait_for_endpoints() -> None:
    done = threading.Event()

    def asked(request: Ask, size: Size) -> Answer:
        if len(near.log) == 4:
            done.set()
        return answer("near")

    near = Fake(asked=asked, name="near")
    far = Fake(asked=lambda *_: answer("in time" if done.wait(10) else "late"), name="far", remote=True)
    queue = [Sample(Blank(), "far 1", 0), Sample(Blank(), "near 5", 1)]
    results = Scheduler({"near": near, "far": far}).run(Named(), queue)
    assert [one.outcome.answer.text for one in results] == ["in time", "near"]


@pytest.mark.parametrize("remote", [False, True])
def test_one_failure_stops_all_unless_errors_are_kept(remote: bool) -> None:
    def asked(request: Ask, size: Size):
        if request.question == "q2" and remote:
            raise SaccadeError("it gave up")
        return answer("fine")

    fake = Fake(asked=asked, remote=remote)
    if not remote:
        price = fake.price

        def priced(size: Size, request: Ask):
            if request.question == "q2":
                raise SaccadeError("it gave up")
            return price(size, request)

        fake.price = priced
    with pytest.raises(SaccadeError, match="it gave up"):
        Scheduler({"fake": fake}).run(SingleLook(), samples(5))
    results = Scheduler({"fake": fake}, keep_errors=True).run(SingleLook(), samples(5))
    assert [one.error for one in results] == [None, None, "it gave up", None, None]


@pytest.mark.parametrize("where", ["asked", "price"])
def test_a_failure_keeps_the_looks_before_it(where: str) -> None:
    fake = Fake(remote=True)
    rule = getattr(fake, where)

    def failing(*given):
        if any(isinstance(one, Ask) and one.reason == "look 2" for one in given):
            raise SaccadeError("it gave up")
        return rule(*given)

    setattr(fake, where, failing)
    (result,) = Scheduler({"fake": fake}, keep_errors=True).run(Several(), samples(4)[3:])
    assert result.error == "it gave up"
    assert [look.request.reason for look in result.trace.looks] == ["look 0", "look 1"]


@pytest.mark.parametrize("wrong", [{"memory": 0}, {"at_once": 0}, {"threads": -1}])
def test_bounds_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SaccadeError, match=r"is at least 1, got"):
        Scheduler({"fake": Fake()}, **wrong)
    with pytest.raises(SaccadeError, match="at least 1 model"):
        Scheduler({})


def test_an_unknown_model_gets_near_matches() -> None:
    with pytest.raises(SaccadeError, match="did you mean fake"):
        Scheduler({"fake": Fake()}).model("fakee")
