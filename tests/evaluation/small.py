"""Small benchmarks and made-up models for comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from saccade.core.answer import Answer
from saccade.core.backend import Job, JobResult
from saccade.core.caps import Cap
from saccade.core.request import Ask, Request, shown
from saccade.core.size import Size
from saccade.core.trace import CostEstimate
from saccade.core.view import View
from saccade.evaluation.answered import Answered
from saccade.evaluation.candidates import Candidate, Model
from saccade.evaluation.compare import Comparison, ComparisonPlan, compare
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.results import Results, Row
from saccade.evaluation.runner import Runner
from saccade.evaluation.storage.journal import Journal, MemoryJournal
from saccade.policies.base import Policy
from saccade.policies.single_look import SingleLook
from saccade.tasks.exam import Exam, Question
from saccade.tasks.scenes import Scenes
from saccade.views.image_region import extent, shown_size
from tests.policies.fake import EVERYTHING, Fake, answer

EXAM = Scenes("test", 4)
ANSWERS = {question.text: question.answers[0] for scene in EXAM for question in scene.questions}
ASKED = sum(len(scene.questions) for scene in EXAM)
RED = Question("What colour is it?", ("red",), "own", "own")


@dataclass
class Own:
    """A picture that counts how often it is opened."""

    name: str
    questions: tuple[Question, ...] = (RED,)
    size: Size = field(default_factory=lambda: Size(50, 40))
    opened: int = 0

    def image(self) -> Image.Image:
        self.opened += 1
        colour = tuple(self.name.encode().ljust(3, b"~")[-3:])
        return Image.new("RGB", (self.size.width, self.size.height), colour)


@dataclass
class OwnExam:
    """Pictures as given."""

    pictures: Sequence[Own]
    name: str = "own"

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Own]:
        return iter(self.pictures)


def numbered(pictures: int, questions: int = 1, name: str = "numbered") -> OwnExam:
    """A benchmark of so many pictures with so many different questions each."""
    return OwnExam(
        [
            Own(f"p{place}", tuple(Question(f"{place}.{n}?", (str(n),), "own", "own") for n in range(questions)))
            for place in range(pictures)
        ],
        name,
    )


@dataclass(eq=False)
class Server(Fake):
    """Answers elsewhere and reads a token for every 100 pixels; ``counts`` says whether it tells them apart."""

    remote: bool = True
    counts: bool = True
    caps: Cap = EVERYTHING & ~(Cap.RESIZE | Cap.KEEP)
    name: str = "far"

    def price(self, size: Size, request: Request) -> CostEstimate:
        return CostEstimate(None, None, None, None)

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        (job,) = jobs
        size = Size(*job.image.size)
        sizes = [shown_size(sight, size) for sight in shown(job.request)]
        tokens = sum(max(1, one.area // 100) for one in sizes)
        (seen,) = super().run(jobs)
        views = tuple(View(extent(s, size), one) for s, one in zip(shown(job.request), sizes, strict=True))
        return [replace(seen, views=views, visual_tokens=tokens if self.counts else None, tokens=tokens + 7)]


def right(request: Ask, size: Size) -> Answer:
    """What the generated benchmark takes for right."""
    return answer(ANSWERS[request.question], 0.99)


def candidate(model: Fake, policy: Policy | None = None, **more) -> Candidate:
    """One look of a model, or another policy."""
    told = {"title": "once", "bench": {model.name: model}, **more}
    return Candidate(model=model.name, policy=policy or SingleLook(top=0), **told)


def asked(
    exam: Exam, *candidates: Candidate, journal: Journal | None = None, marking: Marking | None = None
) -> list[list[Answered]]:
    """What candidates answer."""
    return Runner(exam, journal or MemoryJournal(), marking or Marking()).run(candidates)


def compared(model: Fake, exam: Exam = EXAM, journal: Journal | None = None, **more) -> Comparison:
    """One model on its own, with its baselines."""
    policies = more.pop("policies", {})
    plan = ComparisonPlan(
        exam=exam,
        models={model.name: Model(model.name, {0: model}, baseline=True, alone=True)},
        reference=model.name,
        policies=policies,
        driven=[model.name] if policies else [],
        **more,
    )
    return compare(plan, journal)


def find(results: Results, reader: str, policy: str = "once", budget: int | None = None) -> Row:
    """The row of that name."""
    return next(one for one in results.rows if (one.reader, one.policy, one.budget) == (reader, policy, budget))
