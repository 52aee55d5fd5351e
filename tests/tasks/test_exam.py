"""Marking: what counts as right."""

import pytest

from saccade.tasks.exam import is_right


@pytest.mark.parametrize(
    ("given", "answers", "right"),
    [
        ("7", ("7",), True),
        ("7", ("1", "7"), True),
        (" Red.\n", ("red",), True),
        ("red", (" RED. ",), True),
        ("STRASSE", ("straße",), True),
        ("3.5", ("3.5",), True),
        ("3.5", ("35",), False),
        ("re d", ("red",), False),
        ("red car", ("red",), False),
        ("red", ("red car",), False),
        ("", ("red",), False),
        ("red", (), False),
    ],
)
def test_is_right(given, answers, right):
    assert is_right(given, answers) is right
