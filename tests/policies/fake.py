"""A model made of rules, for policies: what it says hangs on what it is shown, and all it is asked is written down."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.backend import Backend, Job, JobResult, Observation
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.request import Ask, Conversation, ImageRegion, Request, TurnResult, Watch, YesNo, shown
from saccade.core.size import Size
from saccade.core.trace import CostEstimate
from saccade.core.view import View

EVERYTHING = ~Cap(0)


@dataclass(frozen=True)
class Blank:
    """A picture of one colour."""

    size: Size = field(default_factory=lambda: Size(400, 300))

    def image(self) -> Image.Image:
        return Image.new("RGB", (self.size.width, self.size.height))


def extent(sight: ImageRegion, size: Size) -> Box:
    return Box.of(size) if sight.box is None else sight.box


def answer(text: str, sure: float | None = 1.0, top: tuple[tuple[str, float], ...] = ()) -> Answer:
    if sure is None:
        return Answer(text)
    return Answer(text, (1,), (math.log(sure),), (top,) if top else ())


@dataclass(eq=False)
class Fake(Backend):
    """``asked``, ``chance``, ``look`` and ``talk`` are rules from a request and a picture's size."""

    asked: Callable[[Ask, Size], Answer] = lambda request, size: answer("?", 0.5)
    chance: Callable[[YesNo, Size], float] = lambda request, size: 0.5
    look: Callable[[Watch, Size], tuple[AttentionMap, ...]] = lambda request, size: ()
    talk: Callable[[Conversation, Size], TurnResult] = lambda request, size: TurnResult(answer("?"))
    caps: Cap = EVERYTHING
    name: str = "fake"
    remote: bool = False
    tokens: int = 100
    bytes: int = 0
    log: list[Request] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def price(self, size: Size, request: Request) -> CostEstimate:
        tokens = self.tokens * len(shown(request))
        return CostEstimate(tokens, tokens + 10, 1000 * tokens, self.bytes)

    def same(self, size: Size, request: Request) -> Hashable:
        return replace(request, reason="")

    def bucket(self, size: Size, request: Request) -> Hashable:
        return type(request).__name__

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        self.batches.append(len(jobs))
        made = []
        for job in jobs:
            self.log.append(job.request)
            size = Size(*job.image.size)
            views = tuple(View(extent(sight, size), Size(10, 10)) for sight in shown(job.request))
            tokens = self.tokens * len(views)
            made.append(JobResult(self._said(job.request, size), views, tokens, tokens + 10))
        return made

    def _said(self, request: Request, size: Size) -> Observation:
        match request:
            case Ask():
                return self.asked(request, size)
            case YesNo():
                return self.chance(request, size)
            case Conversation():
                return self.talk(request, size)
            case Watch():
                return self.look(request, size)
        raise AssertionError(request)


def peak(size: Size, x: float, y: float, *, cells: int = 16, width: float = 0.06) -> AttentionMap:
    """Heat around a point, in shares of the sides."""
    across = (np.arange(cells) + 0.5) / cells
    weights = np.exp(-((across[None] - x) ** 2 + (across[:, None] - y) ** 2) / (2 * width**2)) + 0.01
    return grid(size, weights)


def grid(size: Size, weights: np.ndarray) -> AttentionMap:
    rows, cols = weights.shape
    left, top = np.meshgrid(np.arange(cols) * size.width / cols, np.arange(rows) * size.height / rows)
    boxes = np.stack([left, top, left + size.width / cols, top + size.height / rows], axis=-1).reshape(-1, 4)
    return AttentionMap(size, boxes, weights.reshape(-1))
