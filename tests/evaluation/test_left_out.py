"""Baselines that a model cannot give are left out of a comparison, and it says which and why."""

import pytest

from saccade.api.comparing import compare
from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.open import open_model
from saccade.tasks.scenes import Scenes


@pytest.fixture(scope="module")
def queries() -> ComposedBackend:
    """A model with 32 learned queries, however large its picture is."""
    return open_model("blip2")


def test_resize_below_a_fixed_number_of_tokens_is_left_out(queries: ComposedBackend) -> None:
    found = compare(Scenes("test", 2), models=[queries], budgets=[16, 8], fresh=True)
    rows = {(row.policy, row.budget) for row in found.results.rows}
    assert rows == {("once", None)} | {(rule, budget) for rule in ("random", "uniform") for budget in (16, 8)}
    assert len(found.faults) == 2
    for fault, budget in zip(found.faults, (16, 8), strict=True):
        assert fault.startswith(f"blip2, resize to {budget} visual tokens is left out: a picture of ")
        assert "the fewest are 32 visual tokens" in fault
        assert fault.endswith("select tokens instead of resizing")


def test_nothing_is_left_out_where_all_can_be_shown() -> None:
    found = compare(Scenes("test", 2), models=[open_model("merge-16")], budgets=[4], fresh=True)
    assert {row.policy for row in found.results.rows} == {"once", "resize", "random", "uniform"}
    assert found.faults == ()
