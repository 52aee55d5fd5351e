"""Requests, looks and observations as JSON and back, equal to the bit."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.backend import Description, JobResult
from saccade.core.box import Box
from saccade.core.grid import Grid
from saccade.core.ledger import Ledger
from saccade.core.records.trace_codec import (
    description_json,
    description_of,
    look_json,
    look_of,
    request_json,
    request_of,
    seen_json,
    seen_of,
)
from saccade.core.request import Ask, Conversation, ImageRegion, Request, Tool, ToolCall, Turn, TurnResult, Watch, YesNo
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.core.trace import CostEstimate, Look
from saccade.core.view import Layout, View

SIGHTS = (ImageRegion(), ImageRegion(box=Box(1.5, 2, 30, 40.25), side=64), ImageRegion(tokens=16))
REQUESTS: list[Request] = [
    Ask(sights=SIGHTS, question="¿Qué? 字", max_tokens=3, top=0, model="far", reason="why"),
    Ask(question="?", keep=TokenSelection(rule="random", share=0.25, seed=3)),
    YesNo(sights=SIGHTS[:1], question="Is it?"),
    Watch(sights=SIGHTS[:1], questions=("?", "!")),
]
TOP = ((("a", 0.75), ("b", 1 / 3)), (("", 1e-300),))
VIEW = View(Box(0.1, 0.2, 33.3, 44.4), Size(10, 12), "whole", 0, 1, Box(0, 0, 9.5, 12))


def again(data: object) -> dict:
    return json.loads(json.dumps(data, allow_nan=False))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: type(one).__name__)
def test_requests_come_back_equal_under_one_text(request_: Request) -> None:
    text = request_json(request_)
    assert request_of(text) == request_
    assert request_json(request_of(text)) == text


def test_texts_of_different_requests_differ() -> None:
    assert len({request_json(one) for one in REQUESTS}) == len(REQUESTS)


def test_conversations_come_back_equal() -> None:
    tool = Tool("zoom", "Look closer.", '{"type": "object"}')
    talk = Conversation(
        turns=(Turn("user", "?", SIGHTS), Turn("assistant", "", call=ToolCall("zoom", "{}", "7"))), tools=(tool,)
    )
    assert request_of(request_json(talk)) == talk


@given(
    st.text(),
    st.lists(st.floats(max_value=0, allow_infinity=False)),
    st.one_of(st.none(), st.integers(0, 10**9)),
    st.floats(0, 1e9),
)
def test_looks_come_back_equal(text: str, logprobs: list[float], tokens: int | None, ms: float) -> None:
    said = Answer(text, tuple(range(len(logprobs))), tuple(logprobs), TOP)
    look = Look(REQUESTS[0], "far", (VIEW,), CostEstimate(1, 2, 10**18, None, 4), tokens, tokens, ms, said, 0.1)
    assert look_of(again(look_json(look))) == look


@pytest.mark.parametrize(
    "observation",
    [
        Answer("red"),
        Answer("", (1,), (-0.5,), TOP[:1]),
        1 / 3,
        TurnResult(Answer("x")),
        TurnResult(Answer(""), ToolCall("zoom", "{}", "7")),
    ],
)
def test_observations_come_back_equal(observation) -> None:
    seen = seen_of(again(seen_json(JobResult(observation, (VIEW,), None, 7, 0.1))))
    assert (seen.observation, seen.views, seen.visual_tokens, seen.tokens, seen.seconds) == (
        observation,
        (VIEW,),
        None,
        7,
        0.1,
    )


def test_maps_come_back_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    heat = AttentionMap(Size(9, 7), rng.random((5, 4)) * 9, rng.random(5))
    found = seen_of(again(seen_json(JobResult((heat, heat), (), 1, 1)))).observation
    assert isinstance(found, tuple)
    for one in found:
        np.testing.assert_array_equal(one.boxes, heat.boxes)
        np.testing.assert_array_equal(one.weights, heat.weights)
        one.weights[0] = 2  # an array of its own, as one that was computed


LAYOUT = Layout(Size(40, 30), (VIEW, View(Box(0, 0, 40, 30), Size(8, 8), "slice", 1, 0)), Grid(2, 1), "two views", 3)


@pytest.mark.parametrize("watched", [None, np.asarray([0.1, 1 / 3, 0.5], dtype=np.float32)], ids=["plain", "watched"])
def test_descriptions_come_back_equal(watched: np.ndarray | None) -> None:
    ledger = Ledger.of(LAYOUT.size, LAYOUT.views, [Grid(1, 2), Grid(2, 2)]).merge(
        [np.asarray([0, 3]), np.asarray([5])], exact=watched is None
    )
    made = Description(LAYOUT, ledger, watched, (Box(0, 1.5, 2, 1e9 / 3),), (Box(0, 0, 1, 1), Box(0, 0, 2, 2)))
    found = description_of(again(description_json(made)))
    assert (found.layout, found.path, found.regions) == (made.layout, made.path, made.regions)
    assert (found.ledger.size, found.ledger.exact) == (ledger.size, ledger.exact)
    for one, other in zip(
        (found.ledger.cells, found.ledger.view, *found.ledger.groups),
        (ledger.cells, ledger.view, *ledger.groups),
        strict=True,
    ):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    if watched is None:
        assert found.watched is None
    else:
        assert found.watched is not None
        assert found.watched.dtype == watched.dtype
        assert np.array_equal(found.watched, watched)


def test_a_description_of_nothing_comes_back() -> None:
    made = Description(Layout(Size(4, 3), ()), Ledger.nothing(Size(4, 3)))
    found = description_of(again(description_json(made)))
    assert found.layout == made.layout
    assert len(found.ledger) == 0
    assert found.ledger.cells.shape == (0, 4)
