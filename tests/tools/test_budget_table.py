"""The README's table: the best of each baseline at a budget, beside the best connector that sees no question."""

from pathlib import Path

from saccade.evaluation.results import Results
from tests.report.fakes import results, row
from tools.budget_table import budget_table

ROOT = Path(__file__).parents[2]


def lines(found: Results) -> list[str]:
    return budget_table(found).splitlines()[2:]


def test_the_readme_shows_what_was_measured() -> None:
    measured = Results.from_json((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    between = text.split("<!-- table: docs/results.json by budget -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == budget_table(measured).strip()


def test_each_cell_is_the_best_of_its_kind() -> None:
    found = results(
        row("llava", 256.0, 0.9),
        row("llava", 16.0, 0.3, policy="random", budget=16),
        row("llava-thin", 16.0, 0.4, policy="random", budget=16),
        row("llava-thin", 16.0, 0.5, policy="uniform", budget=16),
        row("pool-16", 16.0, 0.6),
        row("resampler-4", 4.0, 0.7),
        row("perceiver-64", 64.0, 0.8),
    )
    assert lines(found) == [
        "| 256 | – | – | – | 90.0 ±2.0 (llava) |",
        "| 16 | – | 40.0 ±2.0 | 50.0 ±2.0 | 70.0 ±2.0 (resampler-4) |",
    ]


def test_a_model_that_is_told_the_question_does_not_count() -> None:
    found = results(
        row("llava", 256.0, 0.9), row("foveated", 64.0, 0.95), row("llava", 64.0, 0.3, policy="resize", budget=64)
    )
    assert lines(found)[1] == "| 64 | 30.0 ±2.0 | – | – | – |"


def test_what_was_not_asked_is_a_dash() -> None:
    found = results(row("llava", 256.0, 0.9), row("llava", 64.0, None, policy="resize", budget=64))
    assert lines(found)[1] == "| 64 | – | – | – | – |"
