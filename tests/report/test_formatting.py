import pytest

from saccade.evaluation.results import Change, Score
from saccade.report import formatting as words


@pytest.mark.parametrize(("interval", "spread", "ends"), [
    ((0.951, 0.977), "±1.3", "95.1 to 97.7"), ((0.832, 1.0), "±8.4", "83.2 to 100.0"),
    ((0.0, 0.0004), "±0.02", "0.00 to 0.04"), ((0.9996, 1.0), "±0.02", "99.96 to 100.00"),
    ((0.0, 0.000004), "±0.0002", "0.0000 to 0.0004"), ((0.0, 0.0), "", "–"), (None, "", "–"),
])  # fmt: skip
def test_an_interval_is_never_printed_without_width(interval: tuple[float, float] | None, spread: str, ends: str):
    found = Score(10, 0, 0.0, interval)
    assert (words.spread(found), words.ends(found)) == (spread, ends)
    assert words.spread(Change(0.0, interval)) == spread
