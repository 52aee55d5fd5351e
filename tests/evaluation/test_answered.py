"""Answers as they are stored: what is written is read back, with every look where it was kept."""

import json
from dataclasses import replace

import pytest

from saccade.evaluation.answered import Answered
from saccade.policies.ladder import Ladder, Level
from saccade.policies.single_look import SingleLook
from tests.evaluation.small import Server, asked, candidate, numbered
from tests.policies.fake import Fake, answer

LADDER = Ladder(levels=(Level(policy=SingleLook(side=30)), Level(policy=SingleLook())))


def found(*, detailed: bool) -> Answered:
    fake = Fake(asked=lambda *_: answer("a", 0.5, (("a", 0.5), ("b", 0.25))), bytes=9)
    ((one, _),) = asked(numbered(2), candidate(fake, LADDER, title="ladder", detailed=detailed))
    return one


def test_what_is_written_is_read_back() -> None:
    one = replace(found(detailed=False), note="no letter in the answer", error="far is gone", counted=3)
    back = Answered.of_json(json.loads(json.dumps(one.to_json(detailed=False))))
    assert back.__dict__ == one.__dict__


def test_looks_are_read_back_where_they_were_kept() -> None:
    one = found(detailed=True)
    back = Answered.of_json(json.loads(json.dumps(one.to_json(detailed=True))))
    assert back.fresh is None
    assert back.result.outcome.answer == one.result.outcome.answer
    assert (back.result.outcome.level, back.result.outcome.confidence) == (2, one.result.outcome.confidence)
    assert back.result.trace == one.result.trace
    assert len(back.result.trace.looks) == back.looks == 2
    assert json.dumps(back.to_json(detailed=True)) == json.dumps(one.to_json(detailed=True))


def test_looks_that_were_not_kept_are_missing() -> None:
    one = Answered.of_json(found(detailed=True).to_json(detailed=False))
    with pytest.raises(AssertionError, match="looks are stored where a result is asked for"):
        _ = one.result


def test_costs_of_looks_add_up_and_none_stands_for_what_nobody_knows() -> None:
    one = found(detailed=False)
    assert (one.visual_tokens, one.tokens, one.predicted, one.counted, one.bytes) == (200, 220, 200_000, None, 9)
    ((far, _),) = asked(numbered(2), candidate(Server(asked=lambda *_: answer("a"), counts=False)))
    assert (far.visual_tokens, far.predicted, far.slots) == (far.tokens, None, None)
