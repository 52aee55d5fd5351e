"""VQA accuracy against the values of its definition and hand-worked normalisations."""

import pytest

from saccade.core.errors import SaccadeError
from saccade.evaluation.metrics.vqa import normalised, vqa_accuracy


@pytest.mark.parametrize(("matches", "accuracy"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_published_values_of_ten_choose_nine(matches: int, accuracy: float):
    """visualqa.org/evaluation: three people of ten give 3 subsets with 2 matches and 7 with 3, so (3·⅔ + 7·1)/10."""
    answers = ["yes"] * matches + [f"other {place}" for place in range(10 - matches)]
    assert vqa_accuracy("Yes", answers) == pytest.approx(accuracy)


@pytest.mark.parametrize(("said", "plain"), [
    ("A dog.", "dog"), ("The two dogs", "2 dogs"), ("none", "0"), ("TEN", "10"), ("dont know", "don't know"),
    ("couldnt've", "couldn't've"), ("red, white", "red white"), ("red/white", "red white"),
    ("well-known", "well known"),    ("1,000", "1000"), ("3.5", "3.5"), ("yes!", "yes"),
    ("what is this ?", "what is this"), ("yes\nno\t", "yes no"),
    ("", ""), ("the", ""),
])  # fmt: skip
def test_normalisation_by_hand(said: str, plain: str):
    """By the steps of the official script: marks, full stops, small letters, numbers, articles, contractions."""
    assert normalised(said) == plain


def test_both_sides_are_normalised():
    assert vqa_accuracy("2", ["Two."] * 10) == 1


@pytest.mark.parametrize("count", [0, 1, 9, 11])
def test_other_than_ten_answers_are_refused(count: int):
    with pytest.raises(SaccadeError, match=rf"10 answers that 10 people gave, .* got {count}; list them all"):
        vqa_accuracy("yes", ["yes"] * count)
