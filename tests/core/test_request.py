import numpy as np
import pytest

from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.caps import Cap, check, named
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Conversation, ImageRegion, Request, Tool, Turn, Watch, YesNo, needs, shown
from saccade.core.size import Size
from saccade.core.trace import CostEstimate, Look, Trace

TWO = (ImageRegion(), ImageRegion(box=Box(0, 0, 5, 5)))


@pytest.mark.parametrize(("request_", "caps"), [
    (Ask(question="?"), Cap.GENERATE),
    (Ask(question="?", sights=TWO), Cap.GENERATE | Cap.MULTI_IMAGE),
    (Ask(question="?", sights=()), Cap.GENERATE | Cap.INSTRUCT),
    (YesNo(question="?"), Cap.GENERATE | Cap.INSTRUCT),
    (Watch(questions=("?",)), Cap.ATTN_LM),
    (Watch(questions=("?",), by="values"), Cap.KV_READ),
    (Conversation(turns=(Turn("user", "a", TWO),)), Cap.GENERATE | Cap.INSTRUCT | Cap.MULTI_IMAGE),
    (Conversation(turns=(), tools=(Tool("a", "b", "{}"),)), Cap.GENERATE | Cap.INSTRUCT | Cap.TOOLS),
])  # fmt: skip
def test_a_request_takes_what_it_needs(request_: Request, caps: Cap) -> None:
    assert needs(request_) == caps


def test_a_conversations_sights_are_those_of_its_turns() -> None:
    assert shown(Conversation(turns=(Turn("user", "a", TWO), Turn("tool", "", (ImageRegion(side=9),))))) == (
        *TWO,
        ImageRegion(side=9),
    )


@pytest.mark.parametrize(("depth", "layers", "by", "found"), [
    (4, None, "attention", range(1, 3)), (32, None, "attention", range(10, 22)), (1, None, "attention", range(0, 1)),
    (4, None, "values", range(2, 4)), (5, None, "values", range(2, 5)), (4, (0.0, 0.25), "attention", range(0, 1)),
    (2, (0.9, 1.0), "values", range(1, 2)),
])  # fmt: skip
def test_layers_are_shares_of_the_depth(depth: int, layers: tuple[float, float] | None, by: str, found: range) -> None:
    assert Watch(questions=("?",), by=by, layers=layers).depths(depth) == found


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(SaccadeError, match="at least 1 px long, got 0"):
        ImageRegion(side=0)
    with pytest.raises(SaccadeError, match="needs some source pixels"):
        ImageRegion(box=Box(3, 3, 3, 9))
    with pytest.raises(SaccadeError, match="1 sight, got 2"):
        Watch(questions=("?",), sights=TWO)
    with pytest.raises(SaccadeError, match="2 questions but 1 targets"):
        Watch(questions=("?", "!"), targets=("a",))
    with pytest.raises(SaccadeError, match="shares of the depth"):
        Watch(questions=("?",), layers=(0.5, 0.5))


def test_missing_capabilities_are_named() -> None:
    check("zoom", Cap.GENERATE, "it", Cap.GENERATE | Cap.TOPK)
    with pytest.raises(SaccadeError, match=r"zoom needs KV_READ, ATTN_LM, which it has not \(it has GENERATE\)"):
        check("zoom", Cap.KV_READ | Cap.ATTN_LM | Cap.GENERATE, "it", Cap.GENERATE)
    assert named(Cap(0)) == ""


def test_heat_is_drawn_by_area_and_padding_draws_nothing() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [10, 0, 20, 10], [0, 0, 0, 0]], dtype=float)
    heat = AttentionMap(Size(20, 10), boxes, np.asarray([1.0, 3.0, 99.0]))
    assert heat.drawn(1, 2).tolist() == [[1.0, 3.0]]
    assert heat.drawn(1, 1).tolist() == [[2.0]]
    assert heat.drawn(2, 4).tolist() == [[1, 1, 3, 3]] * 2


def test_overlapping_views_are_averaged_and_uncovered_places_are_cold() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [0, 0, 10, 10]], dtype=float)
    assert AttentionMap(Size(20, 10), boxes, np.asarray([1.0, 3.0])).drawn(1, 2).tolist() == [[2.0, 0.0]]
    hot = AttentionMap(Size(20, 10), boxes, np.asarray([np.nan, 4.0]))
    assert hot.drawn(1, 2).tolist() == [[2.0, 0.0]]


def test_relative_heat_divides_by_the_other() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [10, 0, 20, 10]], dtype=float)
    one, other = (AttentionMap(Size(20, 10), boxes, np.asarray(weights)) for weights in ([4.0, 2.0], [2.0, 0.0]))
    assert one.over(other, floor=1.0).weights.tolist() == pytest.approx([4 / 3, 2])
    with pytest.raises(SaccadeError, match="different places"):
        one.over(AttentionMap(Size(20, 10), boxes + 1, np.zeros(2)))
    with pytest.raises(SaccadeError, match="2 weights need as many boxes"):
        AttentionMap(Size(2, 2), np.zeros((3, 4)), np.zeros(2))


def test_a_trace_adds_up_and_admits_what_is_unknown() -> None:
    def look(tokens: int | None, flops: int | None) -> Look:
        return Look(Ask(question="?"), "it", (), CostEstimate(1, 2, flops, 3), tokens, 9, 5.0, Answer("a"))

    trace = Trace((look(64, 10), look(256, 30)))
    assert (trace.visual_tokens, trace.flops, trace.ms) == (320, 40, 10)
    assert Trace((look(64, 10), look(None, None))).flops is None
    assert Trace((look(64, 10), look(None, None))).visual_tokens is None
    assert Trace((look(64, 10), look(None, None))).taken == 64 + 9
