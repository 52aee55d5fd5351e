"""Yes or no from a list that is cut off: against all probabilities, and against what is bound to hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.backends.endpoint.yes_no import of_alternatives, side

WORDS = ["Yes", " yes", "No", " no", *(f"word {number}" for number in range(40))]


def listed(chances: dict[str, float]) -> list[tuple[str, float]]:
    return [(token, math.log(chance)) for token, chance in chances.items()]


@st.composite
def whole(draw: st.DrawFn) -> dict[str, float]:
    """All tokens of a small vocabulary, the likeliest first."""
    weights = [math.exp(draw(st.floats(-8, 8))) for _ in WORDS]
    chances = {token: weight / sum(weights) for token, weight in zip(WORDS, weights, strict=True)}
    return dict(sorted(chances.items(), key=lambda pair: -pair[1]))


def mass(chances: dict[str, float], word: bool) -> float:
    return sum(chance for token, chance in chances.items() if side(token) is word)


@given(whole())
def test_all_listed_is_exact(chances: dict[str, float]):
    expected = mass(chances, True) / (mass(chances, True) + mass(chances, False))
    assert of_alternatives(listed(chances)) == pytest.approx(expected)


@given(whole(), st.integers(1, 20))
def test_a_cut_off_list(chances: dict[str, float], count: int):
    """Certain of nothing that is not known, never more than the last listed for what is not, and fair to both sides."""
    cut = dict(list(chances.items())[:count])
    yes, no = mass(cut, True), mass(cut, False)
    found = of_alternatives(listed(cut))
    assert 0 < found < 1
    if yes and no:
        assert found == pytest.approx(yes / (yes + no))
    elif yes or no:
        floor = min(min(cut.values()), (1 - sum(cut.values())) / 2)
        assert max(found, 1 - found) == pytest.approx((yes + no) / (yes + no + floor))
        assert (found > 0.5) == bool(yes) or math.isclose(found, 0.5)
    else:
        assert found == 0.5
    swapped = {
        {"Yes": "No", "No": "Yes", " yes": " no", " no": " yes"}.get(token, token): p for token, p in cut.items()
    }
    assert of_alternatives(listed(swapped)) == pytest.approx(1 - found)


def test_by_hand():
    assert of_alternatives([("Yes", math.log(0.6)), ("Maybe", math.log(0.1))]) == pytest.approx(0.6 / 0.7)
    assert of_alternatives([("no", math.log(0.9)), ("Maybe", math.log(0.08))]) == pytest.approx(0.01 / 0.91)
    assert of_alternatives([]) == 0.5
    assert of_alternatives([("Yes", 0.0)]) == 1.0
    assert of_alternatives([("Yes", -9999.0), ("No", 0.0)]) == 0.0


@pytest.mark.parametrize("token", ["yesterday", "not", "none", "nope", "y", "", "yes no"])
def test_other_words_are_on_no_side(token: str):
    assert side(token) is None
