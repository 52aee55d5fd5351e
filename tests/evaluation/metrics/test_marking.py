"""Which metric judges which question, and what the mark says."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.evaluation.metrics.extraction import extraction
from saccade.evaluation.metrics.marking import MarkedReply, Marking
from saccade.tasks.exam import Question, is_right

ANIMAL = Question("Which?", ("B",), "own", "own", choices=("a cat", "a dog"))
COUNT = Question("How many?", ("1,000",), "own", "own")


@given(st.text("abAB. ", max_size=6), st.text("abAB. ", min_size=1, max_size=6))
def test_the_default_is_that_of_the_generated_benchmark(said: str, answer: str):
    question = Question("What?", (answer,), "digit", "detail")
    assert Marking().mark(said, question) == MarkedReply(float(is_right(said, (answer,))), said)


@pytest.mark.parametrize(("marking", "said", "question", "mark"), [
    (Marking("choice"), "The answer is (B).", ANIMAL, MarkedReply(1.0, "B")),
    (Marking("choice"), "A or B", ANIMAL, MarkedReply(0.0, "", "ambiguous: A or B")),
    (Marking("choice", "none"), "The answer is (B).", ANIMAL, MarkedReply(0.0, "The answer is (B).")),
    (Marking("exact", "choice"), "The answer is (B).", ANIMAL, MarkedReply(1.0, "B")),
    (Marking("relaxed"), "about $1,049 in all", COUNT, MarkedReply(1.0, "1049")),
    (Marking("relaxed", "none"), "about $1,049 in all", COUNT, MarkedReply(0.0, "about $1,049 in all")),
    (Marking("anls"), "1000", COUNT, MarkedReply(0.8, "1000")),
])  # fmt: skip
def test_marks_by_hand(marking: Marking, said: str, question: Question, mark: MarkedReply):
    found = marking.mark(said, question)
    assert (found.read, found.note) == (mark.read, mark.note)
    assert found.score == pytest.approx(mark.score)


def test_a_question_s_own_metric_wins():
    own = replace(ANIMAL, metric="choice")
    assert Marking().mark("It is (b).", own) == MarkedReply(1.0, "B")
    assert Marking("anls").name_for(own) == "choice (choice)"
    assert Marking("anls").name_for(ANIMAL) == "anls"


def half(said: str, question: Question) -> float:
    return 0.5


def test_names_say_the_metric_and_the_extraction():
    names = [Marking(), Marking("anls"), Marking("relaxed"), Marking("relaxed", "none"), Marking(half, "number")]
    told = [marking.name for marking in names]
    assert told[:4] == ["exact", "anls", "relaxed (number)", "relaxed"]
    assert told[4].endswith("test_marking:half (number)")
    assert len(set(names)) == 5


def test_a_function_is_a_metric():
    assert Marking(half).mark("x", COUNT) == MarkedReply(0.5, "x")


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf, "1", None])
def test_scores_outside_0_to_1_are_refused_by_name(score: object):
    def broken(said: str, question: Question) -> float:
        return score  # type: ignore[return-value]

    for said in ("x", ""):
        with pytest.raises(SaccadeError, match=r"the metric .*broken gave .*, expected a number from 0 to 1"):
            Marking(broken, "number").mark(said, COUNT)


def test_numbers_of_numpy_are_scores():
    numpy = pytest.importorskip("numpy")
    for score in (numpy.float32(0.5), numpy.bool_(True), numpy.int64(1)):
        assert Marking(lambda said, question, score=score: score).mark("x", COUNT).score in (0.5, 1.0)


def test_questions_that_cannot_be_marked_are_refused_before_anything_is_asked():
    Marking("choice").check(ANIMAL)
    with pytest.raises(SaccadeError, match="takes the 10 answers"):
        Marking("vqa").check(COUNT)
    with pytest.raises(SaccadeError, match="has no evidence"):
        Marking("iou").check(COUNT)
    with pytest.raises(SaccadeError, match="unknown metric 'anl'"):
        Marking().check(replace(COUNT, metric="anl"))


def test_unknown_names_are_refused_at_once():
    with pytest.raises(SaccadeError, match="unknown metric 'chioce'; did you mean choice"):
        Marking("chioce")
    with pytest.raises(SaccadeError, match="unknown extraction 'numbr'; did you mean number"):
        Marking(extraction="numbr")
    with pytest.raises(SaccadeError, match="unknown extraction '3'"):
        extraction(3)


def test_a_metric_that_fails_is_named():
    def broken(said: str, question: Question) -> float:
        raise KeyError("missing")

    with pytest.raises(SaccadeError, match=r"the metric .*broken raised KeyError: 'missing'; it takes the text"):
        Marking(broken).mark("x", COUNT)
