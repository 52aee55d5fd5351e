"""The ladder and the tree over a server that misbehaves: they go on where it can be coped with, and stop clearly."""

from collections.abc import Callable
from typing import Any

import pytest

from saccade.backends.endpoint import Endpoint
from saccade.backends.endpoint import transport as line
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.policies.base import Policy, Result, Sample
from saccade.policies.ladder import sides
from saccade.policies.scheduler import Scheduler
from saccade.policies.zoom_tree import ZoomTree
from tests.backends.endpoint.fake import Behaviour, Fake, Said, completion, pictures, reply, said
from tests.policies.fake import Blank

Make = Callable[..., Endpoint]
POLICIES = {"ladder": sides(32, None, agree=True), "zoom-tree": ZoomTree(visits=2)}
SAMPLES = [Sample(Blank(Size(120, 90)), f"What is number {number}?", number) for number in range(3)]


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "sleep", lambda seconds: None)


def run(endpoint: Endpoint, policy: Policy, *, keep_errors: bool = False) -> list[Result]:
    return Scheduler({"far": endpoint}, threads=2, keep_errors=keep_errors).run(policy, SAMPLES)


def once_in(count: int, fault: Said) -> Behaviour:
    """Every so many calls go wrong."""
    calls = 0

    def behave(body: dict[str, Any]) -> Said | dict[str, Any]:
        nonlocal calls
        calls += 1
        return fault if calls % count == 0 else completion(body)

    return behave


COPED: dict[str, Behaviour] = {
    "well behaved": completion,
    "no log-probabilities": lambda body: completion({**body, "logprobs": False}),
    "fewer alternatives": lambda body: reply("red", body, {"red": 0.9}),
    "several pictures refused": lambda body: (
        said({"error": {"message": "one picture"}}, 400) if len(pictures(body)) > 1 else completion(body)
    ),
    "busy now and then": once_in(4, said({"error": {"message": "busy"}}, 429, Retry_After="0")),
    "broken now and then": once_in(5, said({"error": {"message": "oh"}}, 503)),
    "no usage": lambda body: {**completion(body), "usage": None},
    "usage that adds up wrongly": lambda body: {**completion(body), "usage": {"prompt_tokens": -3}},
}


@pytest.mark.parametrize("behaviour", COPED)
def test_a_fault_that_can_be_coped_with_changes_no_answer(
    fake: Fake, endpoint: Make, policy: Policy, behaviour: str
) -> None:
    fake.behave = COPED[behaviour]
    results = run(endpoint(caps=None), policy)
    assert [one.outcome.answer.text for one in results] == ["red"] * 3
    assert all(one.error is None for one in results)


STOPPED: dict[str, tuple[Behaviour, str]] = {
    "always down": (lambda body: said({"error": {"message": "oh"}}, 500), "500"),
    "no choices": (lambda body: {"object": "chat.completion", "choices": []}, "choices"),
    "no JSON": (lambda body: Said(200, (b"<html>",), {"content-type": "text/html"}), "JSON"),
}


@pytest.mark.parametrize("behaviour", STOPPED)
def test_a_fault_that_cannot_is_one_clear_error_or_a_note_on_each_sample(
    fake: Fake, endpoint: Make, policy: Policy, behaviour: str
) -> None:
    fake.behave, says = STOPPED[behaviour]
    made = endpoint(caps=Cap.GENERATE | Cap.LOGPROBS)  # known beforehand, so that it is the looks that fail
    with pytest.raises(SaccadeError, match=says):
        run(made, policy)
    results = run(made, policy, keep_errors=True)
    assert all(one.error is not None and says in one.error for one in results)
