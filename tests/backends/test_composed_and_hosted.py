"""One LLaVA folder opened as composed and as hosted: equal tokens, equal answers, whatever is asked of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.hosted import HostedBackend, load_hosted
from saccade.backends.open import open_model
from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.backend import Backend, Job, JobResult
from saccade.core.box import Box
from saccade.core.request import WHOLE, Ask, ImageRegion, Request, Watch
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from tests.architectures.llava.folders import checkpoint
from tests.parts import picture

CHAT = (
    "{% for message in messages %}{% for part in message.content %}"
    "{{ '<image>' if part.type == 'image' else part.text }}"
    "{% endfor %}{% endfor %}{{ ' ASSISTANT:' if add_generation_prompt }}"
)
SIZES = {
    "square": (28, 28), "wide": (90, 33), "tall": (31, 67), "landscape": (40, 30), "thin": (200, 9), "line": (1, 60),
    "row": (50, 1),
}  # fmt: skip
BUDGETS = (1, 6, 15, 100)


@dataclass(frozen=True)
class Pair:
    composed: ComposedBackend
    hosted: HostedBackend


@pytest.fixture(scope="module", params=["clip", "siglip"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder: Path = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(5)
    checkpoint(folder, siglip=request.param == "siglip")
    (folder / "chat_template.jinja").write_text(CHAT)
    composed, hosted = open_model(folder), load_hosted(folder)
    assert isinstance(composed, ComposedBackend)
    return Pair(composed, hosted)


def both(pair: Pair, size: tuple[int, int], request: Request) -> tuple[JobResult, JobResult]:
    """What each saw; each one's price is what it read."""
    job = Job(size, picture(*size), request)
    found = []
    for model in (pair.composed, pair.hosted):
        backend: Backend = model
        (seen,) = backend.run([job])
        price = backend.price(Size(*size), request)
        assert (price.visual_tokens, price.tokens) == (seen.visual_tokens, seen.tokens)
        found.append(seen)
    ours, theirs = found
    assert (ours.visual_tokens, ours.tokens, ours.views) == (theirs.visual_tokens, theirs.tokens, theirs.views)
    return ours, theirs


def answered_alike(ours: JobResult, theirs: JobResult) -> None:
    one, other = ours.observation, theirs.observation
    assert isinstance(one, Answer)
    assert isinstance(other, Answer)
    assert (one.text, one.tokens) == (other.text, other.tokens)
    np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)


def ask(budget: int | None = None, keep: TokenSelection | None = None) -> Ask:
    return Ask(question="what is it?", max_tokens=3, sights=(ImageRegion(tokens=budget),), keep=keep)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("rule", ["random", "uniform"])
def test_selected_tokens(pair: Pair, size: tuple[int, int], rule: str) -> None:
    for budget in BUDGETS:
        keep = TokenSelection(rule=rule, tokens=budget, seed=3)  # pyright: ignore[reportArgumentType]
        ours, theirs = both(pair, size, ask(keep=keep))
        answered_alike(ours, theirs)
        assert ours.visual_tokens == min(budget, 16)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_resized(pair: Pair, size: tuple[int, int]) -> None:
    for budget in BUDGETS:
        ours, theirs = both(pair, size, ask(budget))
        answered_alike(ours, theirs)
        assert ours.visual_tokens is not None
        assert ours.visual_tokens <= budget


def test_resized_and_selected_at_once(pair: Pair) -> None:
    keep = TokenSelection(rule="uniform", tokens=3)
    ours, theirs = both(pair, (90, 33), ask(8, keep))
    answered_alike(ours, theirs)
    assert ours.visual_tokens == 3


def test_a_share_of_a_resized_part(pair: Pair) -> None:
    sight = ImageRegion(box=Box(10, 4, 80, 30), tokens=6)
    keep = TokenSelection(rule="random", share=0.5, seed=2)
    request = Ask(question="where?", max_tokens=3, sights=(sight,), keep=keep)
    answered_alike(*both(pair, (90, 33), request))


def test_several_sights_within_one_budget(pair: Pair) -> None:
    part = ImageRegion(box=Box(0, 0, 45, 17), tokens=6)
    for sights in ((WHOLE, ImageRegion(box=Box(0, 0, 20, 20))), (ImageRegion(tokens=6), part)):
        answered_alike(*both(pair, (90, 34), Ask(question="which?", max_tokens=3, sights=sights)))


@pytest.mark.parametrize("by", ["attention", "values"])
@pytest.mark.parametrize("budget", [2, 6, 100])
def test_where_it_looks_in_a_resized_picture(pair: Pair, by: str, budget: int) -> None:
    request = Watch(questions=("what is it?",), by=by, sights=(ImageRegion(tokens=budget),))  # pyright: ignore[reportArgumentType]
    ours, theirs = both(pair, (90, 33), request)
    (one,), (other,) = ours.observation, theirs.observation  # pyright: ignore[reportGeneralTypeIssues]
    assert isinstance(one, AttentionMap)
    assert isinstance(other, AttentionMap)
    assert one.size == other.size == Size(90, 33)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-9)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)
    assert len(one.boxes) == ours.visual_tokens <= budget
