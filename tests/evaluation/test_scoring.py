"""Rows: what answers add up to, each number by hand."""

from dataclasses import replace

import numpy as np
import pytest

from saccade.core.box import Box
from saccade.core.size import Size
from saccade.core.view import View
from saccade.evaluation.answered import Answered
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.runner import PosedQuestion, Runner
from saccade.evaluation.scoring import Entry, heights_of, row, scored
from saccade.evaluation.storage.journal import MemoryJournal
from saccade.policies.scales import Scales
from saccade.tasks.exam import Question
from tests.evaluation.small import Own, OwnExam, Server, candidate, numbered
from tests.policies.fake import Fake, answer


def posed(*kinds: str) -> list[PosedQuestion]:
    """A picture a question, of these kinds; "gist" ones on their own scale, "text 12" with text of 12 px."""
    made = []
    for number, kind in enumerate(kinds):
        name, _, high = kind.partition(" ")
        scale = "gist" if name == "gist" else "detail"
        made.append(PosedQuestion(Own(f"p{number}"), 0, Question("?", ("a",), name, scale, glyph=float(high or 0))))
    return made


def entry(model: Fake, exam: OwnExam, **more) -> tuple[Entry, list[PosedQuestion]]:
    one = candidate(model, **more)
    runner = Runner(exam, MemoryJournal(), Marking())
    (answers,) = runner.run([one])
    return Entry((one,), (tuple(answers),)), runner.posed


def test_scales_and_kinds_are_scored_apart_and_differences_are_paired() -> None:
    asked = posed("text", "text", "gist", "gist", "gist")
    found = scored(np.asarray([1, 0, 1, 1, 0.5]), np.asarray([0, 0, 1, 0, 1.0]), asked)
    assert found.detail is not None
    assert found.gist is not None
    assert (found.detail.n, found.detail.correct, found.gist.n, found.gist.correct) == (2, 1, 3, 2.5)
    assert found.own is None
    assert set(found.kinds) == {"text", "gist"}
    assert found.difference.detail is not None
    assert found.difference.gist is not None
    assert (found.difference.detail.mean, found.difference.gist.mean) == pytest.approx((0.5, 1 / 6))
    assert found.difference.own is None


def test_text_is_parted_by_whether_it_can_be_resolved() -> None:
    asked = posed("text 12", "text 5", "text 6", "gist")
    heights = {one.key: one.question.glyph for one in asked}
    found = scored(np.asarray([1, 0, 1, 1.0]), None, asked, heights=heights, resolvable=6)
    marks = {kind: (score.n, score.correct) for kind, score in found.kinds.items()}
    assert marks == {"text": (3, 2), "text (resolvable)": (2, 2), "text (small print)": (1, 0), "gist": (1, 1)}


def test_seeds_are_pooled() -> None:
    asked = posed("text", "text")
    found = scored(np.asarray([1, 0, 1, 1.0]), np.asarray([1, 0, 0, 0.0]), asked, seeds=(0, 1))
    assert found.detail is not None
    assert (found.detail.n, found.detail.correct) == (4, 3)
    assert found.difference.detail is not None
    assert found.difference.detail.mean == 0.5
    unlike = scored(np.asarray([1, 0, 1, 1.0]), np.asarray([1, 0.0]), asked, seeds=(0, 1))
    assert unlike.difference.detail is None


def test_heights_are_in_pixels_of_the_whole_view() -> None:
    class Halved(Fake):
        def views(self, size: Size) -> tuple[View, ...]:
            half = Size(size.width // 2, size.height // 2)
            return View(Box.of(size), half), View(Box(0, 0, 9, 9), Size(90, 90), "slice")

    asked = posed("text 12", "gist")
    assert heights_of(asked, None) == {("p0", 0): 12, ("p1", 0): 0}
    assert heights_of(asked, Halved()) == {("p0", 0): pytest.approx(6), ("p1", 0): 0}


def test_costs_are_means_over_what_was_answered_and_faults_are_told() -> None:
    made, asked = entry(Server(asked=lambda *_: answer("0")), numbered(3))
    gone = replace(made.answers[0][0], error="far is gone", score=0.0, visual_tokens=0, ms=0.0)
    mixed = Entry(made.candidates, ((gone, *made.answers[0][1:]),))
    assert mixed.fault is not None
    assert "1 of 3 questions got no answer and count as wrong; the first: far is gone" in mixed.fault
    assert mixed.visual_tokens == made.visual_tokens
    found = row(mixed, None, asked, heights_of(asked, None), None)
    assert found.trained.endswith(mixed.fault)
    assert found.own is not None
    assert (found.own.n, found.own.correct) == (3, 2)
    assert made.fault is None


def test_what_is_known_of_one_answer_alone_is_not_known_of_the_row() -> None:
    made, asked = entry(Fake(bytes=7), numbered(2))
    known = row(made, None, asked, heights_of(asked, None), None)
    assert (known.tokens, known.flops.predicted, known.flops.counted, known.bytes) == (110, 100_000, None, None)
    one, other = made.answers[0]
    part = Entry(made.candidates, ((one, replace(other, tokens=None, predicted=None)),))
    partly = row(part, None, asked, heights_of(asked, None), None)
    assert (partly.tokens, partly.flops.predicted, partly.visual_tokens) == (None, None, 100)


def test_the_reference_differs_from_nothing() -> None:
    made, asked = entry(Fake(), numbered(3))
    assert row(made, made, asked, heights_of(asked, None), None).difference.own is None
    again = Entry(made.candidates, made.answers)
    change = row(again, made, asked, heights_of(asked, None), None).difference.own
    assert change is not None
    assert change.mean == 0


def test_whole_prompts_are_said_to_be_counted_where_one_answer_does_not_tell() -> None:
    made, asked = entry(Server(asked=lambda *_: answer("1"), counts=False), numbered(2))
    told = row(made, None, asked, heights_of(asked, None), None)
    assert told.trained == (
        "as it answers at far; the server does not tell the tokens of images apart, so whole prompts are counted"
    )
    assert told.visual_tokens == told.tokens
    apart, asked = entry(Server(asked=lambda *_: answer("1")), numbered(2))
    assert "whole prompts" not in row(apart, None, asked, heights_of(asked, None), None).trained


def test_a_policy_is_from_its_paper_and_a_single_look_as_near_as_its_model() -> None:
    once, asked = entry(Fake(), numbered(2))
    policy, _ = entry(Fake(), numbered(2), policy=Scales(), title="scales")
    nearness = [row(one, None, asked, heights_of(asked, None), None) for one in (once, policy)]
    assert [one.fidelity for one in nearness] == ["hosted", "faithful"]
    assert nearness[0].trained == "fake, as given"
    assert "not trained for several looks" in nearness[1].trained


def test_answers_are_in_the_order_of_seeds() -> None:
    made, _ = entry(Fake(), numbered(2))
    both = Entry((made.candidate, replace(made.candidate, seed=3)), (made.answers[0], made.answers[0][::-1]))
    everything: list[Answered] = both.everything
    assert [one.picture for one in everything] == ["p0", "p1", "p1", "p0"]
    assert both.seeds == [0, 3]
    assert len(both.first) == 2
