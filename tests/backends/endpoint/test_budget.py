"""Images within a budget of visual tokens, for servers: by a twin's plan, or by what the server read before."""

from collections.abc import Callable

import pytest

from saccade.architectures.catalogue import system
from saccade.backends.endpoint import Endpoint
from saccade.backends.endpoint.budget import Budget
from saccade.core.backend import Job
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import WHOLE, Ask, Conversation, ImageRegion, Turn
from saccade.core.size import Size
from tests.backends.endpoint.fake import Fake
from tests.parts import picture

QWEN = "qwen2.5-vl-7b"
SIZE = Size(640, 480)


def ask(tokens: int | None = None, box: Box | None = None) -> Ask:
    return Ask(question="What?", sights=(ImageRegion(tokens=tokens, box=box),))


def test_a_server_reads_what_its_twin_priced(fake: Fake, endpoint: Callable[..., Endpoint]) -> None:
    model = endpoint(caps=Cap.GENERATE)
    model.plan_as(system(QWEN))
    for tokens in (16, 60, 200):
        price = model.price(SIZE, ask(tokens))
        (seen,) = model.run([Job("a", picture(640, 480), ask(tokens))])
        assert price.visual_tokens == seen.visual_tokens
        assert seen.visual_tokens is not None
        assert 0.7 * tokens <= seen.visual_tokens <= tokens
        (view,) = seen.views
        assert view.source == Box.of(SIZE)
        assert view.size.width / view.size.height == pytest.approx(4 / 3, rel=0.02)
    assert len(fake.seen) == 3


def test_resizing_needs_a_twin(endpoint: Callable[..., Endpoint]) -> None:
    model = endpoint(caps=Cap.GENERATE)
    assert Cap.RESIZE not in model.caps
    with pytest.raises(SaccadeError, match="RESIZE"):
        model.price(SIZE, ask(60))
    model.plan_as(system(QWEN))
    assert Cap.RESIZE in model.caps
    assert model.fingerprint.endswith(f" tiny {QWEN}")


def test_a_whole_picture_takes_what_the_plan_counts(endpoint: Callable[..., Endpoint]) -> None:
    model = endpoint(caps=Cap.GENERATE | Cap.MULTI_IMAGE)
    model.plan_as(system(QWEN))
    path = system(QWEN).path()
    assert model.price(SIZE, ask()).visual_tokens == path.plan([SIZE], 0).visual_tokens
    two = Ask(question="What?", sights=(WHOLE, ImageRegion(box=Box(0, 0, 320, 240))))
    assert model.price(SIZE, two).visual_tokens == path.plan([SIZE, Size(320, 240)], 0).visual_tokens


def test_parts_of_a_picture_have_budgets_of_their_own(endpoint: Callable[..., Endpoint]) -> None:
    model = endpoint(caps=Cap.GENERATE)
    model.plan_as(system(QWEN))
    (seen,) = model.run([Job("a", picture(640, 480), ask(40, Box(100, 100, 400, 200)))])
    (view,) = seen.views
    assert view.source == Box(100, 100, 400, 200)
    assert view.size == Size(294, 98)


def test_conversations_are_resized_too(endpoint: Callable[..., Endpoint]) -> None:
    model = endpoint(caps=Cap.GENERATE | Cap.INSTRUCT)
    model.plan_as(system(QWEN))
    talk = Conversation(turns=(Turn("user", "What?", (ImageRegion(tokens=30),)),))
    (sight,) = model._resolved(talk, SIZE).turns[0].sights
    assert sight.tokens is None
    assert sight.side is not None
    assert sight.side < 640


def test_what_was_read_of_whole_pictures_tells_sizes_without_a_twin() -> None:
    budget = Budget()
    budget.learn(SIZE, 400)
    assert budget.resolved(ImageRegion(tokens=100), SIZE) == ImageRegion(side=320)
    assert budget.resolved(ImageRegion(tokens=900), SIZE) == ImageRegion(side=640)
    assert budget.resolved(ImageRegion(tokens=1), SIZE) == ImageRegion(side=32)
    assert budget.resolved(WHOLE, SIZE) == WHOLE
    with pytest.raises(SaccadeError, match=r"how many visual tokens a picture of 30×40 takes there.*\(--twin\)"):
        budget.resolved(ImageRegion(tokens=9), Size(30, 40))


def test_a_twin_tells_better_than_what_was_read() -> None:
    budget = Budget()
    budget.learn(SIZE, 400)
    before = budget.resolved(ImageRegion(tokens=100), SIZE)
    budget.plan_as(system(QWEN))
    after = budget.resolved(ImageRegion(tokens=100), SIZE)
    assert budget.planned
    assert before != after
    assert budget.twin == QWEN
    assert budget.tokens(Size(after.side or 0, round((after.side or 0) * 0.75))) in range(80, 101)


def test_only_whole_pictures_are_learned(endpoint: Callable[..., Endpoint]) -> None:
    model = endpoint(caps=Cap.GENERATE)
    model.learn(SIZE, ask(60), 60)
    model.learn(SIZE, ask(box=Box(0, 0, 10, 10)), 4)
    with pytest.raises(SaccadeError, match="nobody knows yet"):
        model._budget.resolved(ImageRegion(tokens=60), SIZE)
    model.learn(SIZE, ask(), 400)
    assert model._budget.resolved(ImageRegion(tokens=100), SIZE) == ImageRegion(side=320)


def test_a_budget_below_the_smallest_size_is_refused(endpoint: Callable[..., Endpoint]) -> None:
    model = endpoint(caps=Cap.GENERATE)
    model.plan_as(system(QWEN))
    with pytest.raises(SaccadeError, match="640×480 cannot be shown in 1 visual tokens, the fewest are 4"):
        model.price(SIZE, ask(1))
