"""Sentences on the cheapest setting within a stated loss, and the column of costs."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from saccade.core.errors import SaccadeError
from saccade.evaluation.results import Cheapest, Results
from saccade.report.cheapest import sentences
from saccade.report.html_report import render
from saccade.report.tables import table
from tests.report.fakes import results, row

ROWS = (row("mine", 1000.0, None, None, own=0.9), row("mine", 250.0, None, None, policy="resize", budget=256, own=0.89))
BEST = Cheapest(
    reader="mine",
    policy="resize",
    budget=256,
    visual_tokens=250.0,
    loss=0.02,
    difference=-0.01,
    ci95=(-0.018, 0.002),
    proved=True,
    among=1,
)


def found(best: Cheapest, price: float | None = None) -> Results:
    return replace(results(*ROWS, reference="mine"), price=price, cheapest=(best,))


def printed(made: Results) -> str:
    console = Console(width=80, file=StringIO())
    console.print(table(made))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_what_is_proved_and_saved_is_said():
    assert sentences(found(BEST, price=2.0)) == [
        "mine: cheapest within 2 points is resize to 256, 250 visual tokens a question: −1.0 points (95 % interval "
        "−1.8 to 0.2) against whole images, proved; saves 75% of 1000 visual tokens, and 1.50 of 2.04 per 1,000 "
        "questions"
    ]


def test_no_cost_without_a_price():
    (told,) = sentences(found(BEST))
    assert told.endswith("saves 75% of 1000 visual tokens")
    assert " cost " not in printed(found(BEST))
    assert "cost of 1,000" not in render(found(BEST), ())


def test_where_nothing_is_saved_that_is_said():
    whole = replace(
        BEST, policy="once", budget=None, visual_tokens=1000.0, difference=0.0, ci95=None, among=3, loss=0.01
    )
    (told,) = sentences(found(whole, price=2.0))
    assert told.startswith("mine: no budget saves anything within 1 point; none of the 3 cheaper rows")


def test_a_price_makes_a_column_in_the_table_and_the_report():
    made = found(BEST, price=2.0)
    text = printed(made)
    assert " cost " in text
    assert "2.04" in text
    assert "at 2 a million tokens" in text
    assert "cost of 1,000" in render(made, ())
    assert sentences(made)[0] in render(made, ())


def test_a_column_that_nobody_knows_is_left_out():
    rows = [replace(one, flops=replace(one.flops, predicted=None)) for one in ROWS]
    assert "GFLOPs" in printed(found(BEST))
    assert "GFLOPs" not in printed(replace(found(BEST), rows=tuple(rows)))


def test_a_cheapest_setting_without_its_row_is_refused():
    with pytest.raises(SaccadeError, match="hold no row of it"):
        sentences(found(replace(BEST, budget=128)))
