"""Every metric: a published worked example or one worked by hand, and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.evaluation.metrics import named as metrics
from saccade.evaluation.metrics.named import METRICS, edits, metric, name_of, number
from saccade.tasks.exam import Question, is_right

WORDS = st.text("abAB .,1", max_size=8)


def asked(*answers: str, choices: tuple[str, ...] = (), evidence: tuple[Box, ...] = ()) -> Question:
    return Question("What?", answers, "own", "own", evidence, choices=choices)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
def test_exact_is_the_marking_of_the_generated_benchmark(said: str, answers: list[str]):
    assert METRICS["exact"](said, asked(*answers)) == is_right(said, answers)


@pytest.mark.parametrize(("said", "score"), [(" Red. ", 1), ("RED", 1), ("dark red", 0), ("", 0)])
def test_exact_by_hand(said: str, score: float):
    assert METRICS["exact"](said, asked("red", "crimson")) == score


@pytest.mark.parametrize(("said", "score"), [
    ("The sign says STOP here", 1), ("st op", 0), ("it says\nno entry", 1), ("nonstop", 1), ("", 0),
])  # fmt: skip
def test_contains_counts_as_ocrbench_does(said: str, score: float):
    """OCRBench: the answer, in small letters, is a substring of the reply, in small letters with spaces for breaks."""
    assert METRICS["contains"](said, asked("stop", "No Entry")) == score


@pytest.mark.parametrize(("said", "score"), [
    ("B", 1), ("b", 1), ("(b)", 1), ("B.", 1), ("B:", 1), ("a dog", 1), ("A dog.", 1), ("A", 0), ("C", 0), ("D", 0),
    ("a cat", 0), ("the answer is B", 0), ("", 0),
])  # fmt: skip
def test_choice_by_hand(said: str, score: float):
    for answer in ("B", "b", "a dog"):
        assert METRICS["choice"](said, asked(answer, choices=("a cat", "a dog", "a cow"))) == score


def test_choice_without_texts_takes_letters():
    assert METRICS["choice"]("(d)", asked("D")) == 1
    assert METRICS["choice"]("(e)", asked("D")) == 0


@pytest.mark.parametrize(("answers", "choices", "told"), [
    (("cat",), (), "answers that are a letter, got 'cat'"),
    (("A", "C"), ("cat", "dog"), "answers that are one of the 2 choices, got 'A', 'C'"),
])  # fmt: skip
def test_choice_refuses_an_answer_that_is_no_choice(answers: tuple[str, ...], choices: tuple[str, ...], told: str):
    with pytest.raises(SaccadeError, match=told):
        METRICS["choice"]("A", asked(*answers, choices=choices))


@pytest.mark.parametrize(("a", "b", "distance"), [
    ("kitten", "sitting", 3), ("saturday", "sunday", 3), ("", "abc", 3), ("abc", "abc", 0), ("flaw", "lawn", 2),
])  # fmt: skip
def test_edits_of_textbook_pairs(a: str, b: str, distance: int):
    """The examples of Wagner–Fischer's method in textbooks."""
    assert edits(a, b) == edits(b, a) == distance


@pytest.mark.parametrize(("said", "answers", "score"), [
    ("kitten", ("sitting",), 1 - 3 / 7), ("Coca  Cola", ("coca cola",), 1), ("coca cola", ("pepsi",), 0),
    ("ab", ("abcd",), 0.5), ("abx", ("abcdef",), 0), ("cat", ("dog", "cats"), 0.75), ("", ("a",), 0),
])  # fmt: skip
def test_anls_by_hand(said: str, answers: tuple[str, ...], score: float):
    """ST-VQA, equation 1: 1 − edits / longer length, best of the answers, 0 below 0.5."""
    assert METRICS["anls"](said, asked(*answers)) == pytest.approx(score)


@given(WORDS, WORDS)
def test_anls_is_symmetric_and_never_between_0_and_its_threshold(a: str, b: str):
    score = METRICS["anls"](a, asked(b))
    assert score == METRICS["anls"](b, asked(a))
    assert score == 0 or 0.5 <= score <= 1
    assert METRICS["anls"](a, asked(a)) == 1


def test_vqa_is_accuracy_over_ten_people():
    assert METRICS["vqa"]("two", asked(*["2"] * 2, *["3"] * 8)) == pytest.approx(0.6)


@pytest.mark.parametrize(("said", "answer", "score"), [
    ("105", "100", 1), ("95", "100", 1), ("105.1", "100", 0), ("94.9", "100", 0), ("-100", "100", 0), ("0.5", "0", 0),
    ("0", "0", 1), ("1,045", "1000", 1), ("1045", "1,000", 1), ("52%", "50%", 1), ("0.51", "50 %", 1), ("50", "50%", 0),
    ("Yes", "yes", 1), ("yes", "no", 0), ("about 100", "100", 0), ("nan", "100", 0), ("1e2", "100", 1),
    (".5", "0.5", 1),
])  # fmt: skip
def test_relaxed_by_hand(said: str, answer: str, score: float):
    """ChartQA, section 5.1: numbers within 5 % of the gold one, everything else exactly."""
    assert METRICS["relaxed"](said, asked(answer)) == score


@pytest.mark.parametrize(("text", "value"), [
    ("12", 12), ("-3.5", -3.5), ("−2", -2), ("1,234,567.8", 1234567.8), ("7 %", 0.07), ("+4.", 4), ("1,23", None),
    ("12 apples", None), ("", None), (".", None), ("%", None), ("1_000", None), ("inf", None), ("1e999", None),
])  # fmt: skip
def test_numbers(text: str, value: float | None):
    assert number(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(("said", "score"), [
    ("[0, 0, 10, 10]", 1), ("5, 0, 15, 10", 1 / 3), ("(0,0,5,10)", 0.5), ("[20, 20, 30, 30]", 0), ("[10, 10, 0, 0]", 0),
    ("[100, 100, 120, 110]", 1), ("a box", 0), ("[0, 0, 10]", 0), ("", 0),
])  # fmt: skip
def test_iou_by_hand(said: str, score: float):
    """Two squares of 10 px that overlap by half: 50 / (100 + 100 − 50)."""
    question = asked("there", evidence=(Box(0, 0, 10, 10), Box(100, 100, 120, 110)))
    assert METRICS["iou"](said, question) == pytest.approx(score)
    assert METRICS["iou@0.5"](said, question) == (score >= 0.5)


def test_iou_needs_evidence():
    with pytest.raises(SaccadeError, match=r"the question 'What\?' has no evidence; add its boxes"):
        METRICS["iou"]("[0, 0, 1, 1]", asked("there"))


@given(WORDS, st.lists(WORDS, min_size=10, max_size=10))
def test_every_score_lies_between_0_and_1(said: str, answers: list[str]):
    question = Question("What?", tuple(answers), "own", "own", (Box(0, 0, 1, 1),))
    for name, score in METRICS.items():
        if name != "choice":
            assert 0 <= score(said, question) <= 1


def longest(said: str, question: Question) -> float:
    return float(len(said) >= max(map(len, question.answers)))


def test_a_metric_is_found_by_name_or_is_a_function():
    assert metric("anls") is METRICS["anls"]
    assert metric(longest) is longest
    assert name_of("anls") == name_of(METRICS["anls"]) == "anls"
    assert name_of(longest).endswith("test_named:longest")


def test_unknown_metrics_are_refused_with_near_matches():
    with pytest.raises(SaccadeError, match="unknown metric 'anl'; did you mean anls"):
        metric("anl")
    with pytest.raises(SaccadeError, match="needs the package nobody, which is not installed"):
        metric("nobody/kind")
    with pytest.raises(SaccadeError, match=r"a metric is a name or a function \(said, question\) -> score, got 3"):
        metric(3)


def test_a_metric_of_another_package_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics, "plugin", _toy)
    assert metric("toy/longest") is longest
    assert name_of("toy/longest") == "toy/longest"
    with pytest.raises(SaccadeError, match="got 'no function'"):
        metric("toy/text")


def _toy(group: str, name: str) -> object:
    return {"toy/longest": longest, "toy/text": "no function"}[name] if group == "saccade.metrics" else None
