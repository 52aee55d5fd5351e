import pytest

from saccade.core.errors import SaccadeError, unknown

VERBS = ["plan", "ask", "compare", "train"]


def test_callers_may_catch_value_error():
    assert issubclass(SaccadeError, ValueError)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("compar", "unknown verb 'compar'; did you mean compare?"),
        ("trai", "unknown verb 'trai'; did you mean train?"),
        ("zzz", "unknown verb 'zzz'; known: ask, compare, plan, train"),
    ],
)
def test_unknown_names_get_near_matches_or_the_list(name: str, words: str):
    error = unknown("verb", name, VERBS)
    assert isinstance(error, SaccadeError)
    assert str(error) == words


def test_near_matches_come_closest_first():
    assert "did you mean pool_4 or pool_16?" in str(unknown("reader", "pool_4x", ["pool_16", "pool_4", "llava"]))
