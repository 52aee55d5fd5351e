"""What every backend keeps of a budget, whatever the picture: nothing is read that stands on padding, budgets are exact
or the least that can be, ``resize`` shows all of the picture in no more than its budget, and prices are what is read.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest

from saccade.architectures import COMPOSITIONS
from saccade.architectures.catalogue import system
from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.endpoint import Endpoint
from saccade.backends.open import open_model
from saccade.backends.random_init import build, spec_of
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, ImageRegion
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.specs.connectors.merge import MergeSpec
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.connectors.resampler import ResamplerSpec
from saccade.specs.layouts.resize import CropSpec, StretchSpec
from saccade.specs.reader import ReaderSpec
from tests.backends.hosted.families import FAMILIES, made
from tests.cli.counting_server import TWIN, CountingServer
from tests.parts import picture

SIZES = {"4:3": (40, 30), "3:4": (36, 48), "strip": (90, 9), "square": (28, 28)}
BUDGETS = (1, 8, 50)
SHARE = 0.3
SERVER = "server"
QUESTION = "what is it?"


def _specs() -> Mapping[str, ReaderSpec]:
    """Ways of viewing and connectors that no reader of the catalogue has, on LLaVA's other parts."""
    base = spec_of("llava")
    assert isinstance(base.connector, MlpSpec)
    wide = {"width_in": base.connector.width_in, "width_out": base.connector.width_out}
    frame = Size(28, 28)
    return {
        "crop": replace(base, views=CropSpec(size=frame)),
        "stretch": replace(base, views=StretchSpec(size=frame)),
        "merge": replace(base, connector=MergeSpec(**wide, budget=6)),
        "pool": replace(base, connector=PoolSpec(**wide, rows=2, cols=2)),
        "shuffle": replace(base, connector=PixelShuffleSpec(**wide, ratio=2)),
        "resampler": replace(base, connector=ResamplerSpec(**wide, queries=4, heads=2)),
    }


MODELS: Mapping[str, Callable[[], Backend]] = {
    **{name: partial(lambda name: open_model(build(name)), name) for name in COMPOSITIONS},
    **{f"llava-{name}": partial(open_model, spec) for name, spec in _specs().items()},
    **{f"hosted-{kind}": partial(lambda kind: open_model(made(kind)), kind) for kind in FAMILIES},
}


@dataclass(frozen=True)
class Read:
    """A request, and what a model read for it."""

    job: Job
    seen: JobResult

    @property
    def size(self) -> Size:
        return Size(*self.job.image.size)


@pytest.fixture(scope="module", params=[*MODELS, SERVER])
def model(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param != SERVER:
        yield MODELS[request.param]()
        return
    server = CountingServer({}, tells=0)
    with server.running(), Endpoint(server.url, caps=Cap.GENERATE) as endpoint:
        endpoint.plan_as(system(TWIN))
        yield endpoint


def ask(tokens: int | None = None, keep: TokenSelection | None = None) -> Ask:
    return Ask(question=QUESTION, max_tokens=1, top=0, sights=(ImageRegion(tokens=tokens),), keep=keep)


def read(model: Backend, requests: Sequence[Ask]) -> list[Read]:
    """Every request about every picture, as far as it can be shown so; like requests run as one batch."""
    batches: dict[Hashable, list[Job]] = {}
    for width, height in SIZES.values():
        for request in requests:
            try:
                bucket = model.bucket(Size(width, height), request), model.price(Size(width, height), request)
            except SaccadeError:
                continue
            batches.setdefault(bucket[0], []).append(Job((width, height), picture(width, height), request))
    return [Read(job, seen) for jobs in batches.values() for job, seen in zip(jobs, model.run(jobs), strict=True)]


SELECTIONS = (
    TokenSelection(rule="random", tokens=3, seed=2),
    TokenSelection(rule="uniform", share=SHARE),
    TokenSelection(rule="uniform", tokens=50),
)


def fewest(model: Backend, size: Size, budget: int) -> int | None:
    """The number of tokens that a refusal names; None where the budget is kept."""
    try:
        model.price(size, ask(budget))
    except SaccadeError as error:
        (named,) = re.findall(r"the fewest are (\d+) visual tokens", str(error))
        return int(named)
    return None


def standing(model: Backend, job: Job) -> list[bool]:
    """Whether each token that is read stands on pixels of the picture."""
    described = model.describe(job)
    assert described is not None
    return [described.ledger.bounds(token) is not None for token in range(len(described.ledger))]


def varies(model: Backend) -> bool:
    """Whether what stands on padding is known once the picture was read."""
    return isinstance(model, ComposedBackend) and model.reader.groups_vary


def priced(model: Backend, one: Read) -> None:
    """The price is what was read, or no less where only the picture tells."""
    price = model.price(one.size, one.job.request)
    if price.visual_tokens is None:
        return
    assert one.seen.visual_tokens is not None
    assert one.seen.tokens is not None
    over = price.visual_tokens - one.seen.visual_tokens
    assert over == 0 or (varies(model) and over > 0), one.job.request
    if price.tokens is not None:
        spliced = not (isinstance(model, ComposedBackend) and model.reader.spec.cross)
        assert price.tokens - one.seen.tokens == (over if spliced else 0), one.job.request


def test_selected_tokens_never_stand_on_padding_and_their_number_is_exact(model: Backend) -> None:
    if Cap.KEEP not in model.caps:
        with pytest.raises(SaccadeError, match="KEEP"):
            model.price(Size(40, 30), ask(keep=TokenSelection(rule="uniform", tokens=1)))
        return
    found = read(model, [ask(), *(ask(keep=one) for one in SELECTIONS)])
    assert len(found) == len(SIZES) * (1 + len(SELECTIONS))
    whole = {one.job.key: standing(model, one.job) for one in found if one.job.request == ask()}
    for one in found:
        priced(model, one)
        assert isinstance(one.job.request, Ask)
        selection = one.job.request.keep
        if selection is None:
            continue
        stands = standing(model, one.job)
        assert all(stands), (one.size, selection)
        content, tokens = sum(whole[one.job.key]), len(whole[one.job.key])
        wanted = max(1, round(SHARE * tokens)) if selection.tokens is None else selection.tokens
        assert one.seen.visual_tokens == len(stands) == min(wanted, content)


def test_resized_pictures_are_shown_whole_within_their_budget(model: Backend) -> None:
    if Cap.RESIZE not in model.caps:
        with pytest.raises(SaccadeError, match="RESIZE"):
            model.price(Size(40, 30), ask(8))
        return
    for one in read(model, [ask(budget) for budget in BUDGETS]):
        priced(model, one)
        (sight,) = one.job.request.sights
        assert sight.tokens is not None
        assert one.seen.visual_tokens is not None
        assert 1 <= one.seen.visual_tokens <= sight.tokens
        sources = [view.source.sides for view in one.seen.views]
        left, top, right, bottom = zip(*sources, strict=True)
        assert max(min(left), min(top)) <= 1
        assert max(right) >= one.size.width - 1
        assert max(bottom) >= one.size.height - 1
        if isinstance(model, ComposedBackend):
            assert all(standing(model, one.job))


def test_a_budget_that_is_refused_names_the_least_that_can_be(model: Backend) -> None:
    if Cap.RESIZE not in model.caps:
        return
    for width, height in SIZES.values():
        size = Size(width, height)
        for budget in BUDGETS:
            least = fewest(model, size, budget)
            if least is None:
                continue
            assert least > budget
            taken = model.price(size, ask(least)).visual_tokens
            assert taken is not None
            assert taken <= least  # fewer where some of the smallest picture's tokens stand on padding


def test_a_selection_of_a_resized_picture_keeps_both(model: Backend) -> None:
    if Cap.RESIZE | Cap.KEEP not in model.caps:
        return
    keep = TokenSelection(rule="uniform", tokens=2)
    for one in read(model, [ask(budget, keep) for budget in BUDGETS]):
        priced(model, one)
        assert one.seen.visual_tokens is not None
        assert one.seen.visual_tokens <= 2
        assert all(standing(model, one.job))
