"""The Markdown table, and that the one on the results page is what its data make."""

from pathlib import Path

from saccade.evaluation.results import Results
from saccade.report.markdown import markdown
from saccade.report.tables import print_table
from tests.report.fakes import results

ROOT = Path(__file__).parents[2]


def test_one_line_a_row_most_tokens_first() -> None:
    found = results()
    lines = markdown(found).splitlines()
    assert len(lines) == 2 + len(found.rows)
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert f"**{found.reference}**" in "".join(lines[2:4])


def test_the_page_shows_what_was_measured() -> None:
    measured = Results.from_json((ROOT / "docs" / "results.json").read_text())
    text = (ROOT / "docs" / "results" / "index.md").read_text(encoding="utf-8")
    between = text.split("<!-- table: docs/results.json -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == markdown(measured).strip()


def test_print_is_told_apart_by_height() -> None:
    measured = Results.from_json((ROOT / "docs" / "results.json").read_text())
    table = print_table(measured)
    assert table is not None
    assert table.row_count == len(measured.rows)
    assert "small digits" in [column.header for column in table.columns]
