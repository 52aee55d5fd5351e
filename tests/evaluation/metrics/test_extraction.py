"""Replies as models write them, and what is read of them by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.evaluation.metrics.extraction import EXTRACTIONS, Extract, extraction
from saccade.tasks.exam import Question

ANIMALS = Question("Which?", ("B",), "own", "own", choices=("a cat", "a dog", "a cow", "none of these"))
COUNT = Question("How many?", ("23",), "own", "own")
SHARE = Question("What share?", ("23%",), "own", "own")


@pytest.mark.parametrize(("said", "read"), [
    ("B", "B"), ("b.", "B"), ("(b)", "B"), ("**B**", "B"), ("a dog", "B"), ("A dog.", "B"),
    ("The answer is (B).", "B"),
    ("B) a dog", "B"), ("Answer: b", "B"), ("The answer is **B**.", "B"), ("Final answer: C", "C"), ("Option D", "D"),
    ("The answer is:\n\nB", "B"), ("I think the answer is B", "B"), ("\\boxed{B}", "B"), ("choice: [c]", "C"),
    ("The correct answer is A because it meows", "A"), ("The answer is B, not C", "B"), ("It is a dog.", "B"),
    ("A is right", "A"),
    ("I know: A", "A"), ("The answer is a dog.", "B"), ("Answer: A dog", "B"), ("I would say: none of these", "D"),
    ("B: yes, dogs (x)", "B"),
])  # fmt: skip
def test_choice(said: str, read: str):
    assert EXTRACTIONS["choice"](said, ANIMALS) == Extract(read)


@pytest.mark.parametrize(("said", "note"), [
    ("B or C", "ambiguous: B or C"), ("A or B", "ambiguous: A or B"),
    ("A cat or a dog", "ambiguous: A or B"), ("not B but C", "ambiguous: B or C"),
    ("(A) cat (B) dog", "ambiguous: A or B"), ("The answer is C. No: the answer is B", "ambiguous: B or C"),
    ("", "no choice named"), ("I cannot tell", "no choice named"), ("The U.S. flag", "no choice named"),
    ("Z", "no choice named"), ("A horse", "no choice named"), ("I'm not sure", "no choice named"),
    ("dogged", "no choice named"),
])  # fmt: skip
def test_no_choice_is_read_of_what_names_two_or_none(said: str, note: str):
    assert EXTRACTIONS["choice"](said, ANIMALS) == Extract("", note)


@pytest.mark.parametrize(("said", "read"), [
    ("23", "23"), ("The total is 1,234.5.", "1234.5"), ("It costs $1,234", "1234"), ("-$20", "-20"), ("$-20", "-20"),
    ("−7", "-7"), ("23%", "23"), ("12 %", "12"), ("1.5e3", "1.5e3"), ("2 apples and 4 pears", "4"),
    ("US$45.50!", "45.50"),    ("In 2019 it was 42.", "42"), ("x=7", "7"), ("5kg", "5"), (".5", ".5"), ("€ 3", "3"),
    ("12,500,000 km", "12500000"),
])  # fmt: skip
def test_final_number(said: str, read: str):
    assert EXTRACTIONS["number"](said, COUNT) == Extract(read)


@pytest.mark.parametrize(("said", "note"), [
    ("many", "no number"), ("3,5", "not a number: 3,5"), ("1,2,3", "not a number: 1,2,3"),
    ("7/8", "not a number: 7/8"),
    ("10-20", "not a number: 10-20"), ("at 10:30", "not a number: 10:30"), ("10k", "not a number: 10k"),
    ("version 1.2.3", "not a number: 1.2.3"),
])  # fmt: skip
def test_no_number_is_read_of_what_is_none(said: str, note: str):
    assert EXTRACTIONS["number"](said, COUNT) == Extract("", note)


def test_a_per_cent_sign_is_kept_where_an_answer_has_one():
    assert EXTRACTIONS["number"]("It is about 23 %.", SHARE) == Extract("23%")
    assert EXTRACTIONS["number"]("It is about 23.", SHARE) == Extract("23")


def test_an_answer_that_is_no_number_is_read_as_it_is():
    assert EXTRACTIONS["number"]("In 2019: yes", Question("?", ("Yes",), "own", "own")) == Extract("In 2019: yes")


@pytest.mark.parametrize("said", [
    "[10, 20, 30.5, 40]", "<box>(10,20),(30.5,40)</box>", '{"bbox_2d": [10, 20, 30.5, 40]}',
    "at 10 20 30.5 40, I think",    "[10, 20, 30.5, 40], that is [10, 20, 30.5, 40]",
])  # fmt: skip
def test_box(said: str):
    assert EXTRACTIONS["box"](said, COUNT) == Extract("[10, 20, 30.5, 40]")


@pytest.mark.parametrize(("said", "note"), [
    ("none", "no box"), ("1 2 3", "no box"), ("1 2 3 4 5", "no box"),
    ("[1,2,3,4] and [5,6,7,8]", "ambiguous: 2 boxes"),
])  # fmt: skip
def test_no_box_is_read_of_what_names_two_or_none(said: str, note: str):
    assert EXTRACTIONS["box"](said, COUNT) == Extract("", note)


@given(st.text(), st.sampled_from(sorted(EXTRACTIONS)), st.sampled_from([ANIMALS, COUNT, SHARE]))
def test_any_reply_is_read_or_refused_with_a_reason(said: str, name: str, question: Question):
    found = EXTRACTIONS[name](said, question)
    assert found.text != "" or found.note != "" or said == ""
    assert not (found.text and found.note)


def test_none_reads_the_reply_as_it_is():
    assert EXTRACTIONS["none"](" The answer is B. ", ANIMALS) == Extract(" The answer is B. ")


def test_unknown_extractions_are_refused():
    with pytest.raises(SaccadeError, match="unknown extraction 'choise'; did you mean choice"):
        extraction("choise")
