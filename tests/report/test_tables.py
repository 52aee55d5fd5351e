import io
import re

import pytest
from rich.console import Console

from saccade.core.errors import SaccadeError
from saccade.evaluation.results import Results
from saccade.report.tables import table
from tests.report.fakes import results, row


def printed(found: Results, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(table(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100])
def test_every_row_stands_on_one_line(width: int):
    lines = printed(results(), width)
    assert max(map(len, lines)) <= width
    body = [line for line in lines if re.search(r" (exact|faithful|survey)\b", line)]
    assert len(body) == len(results().rows)
    assert "…" not in "".join(lines)
    for line, found in zip(body, results().ranked, strict=True):
        assert line.split()[0] == found.reader
        assert ("○" in line) == found.baseline


def test_numbers():
    line = next(line for line in printed(results(), 80) if "pool-16" in line)
    assert line.split() == ["pool-16", "once", "16", "48.0±2.0", "96.5±2.0", "−47.0", "0.248", "3.58", "faithful"]


def test_only_scales_that_were_asked_have_columns():
    head = next(
        line for line in printed(results(row(detail=None, gist=None, own=0.8, half=None)), 80) if "reader" in line
    )
    assert head.split() == ["reader", "policy", "tokens", "own", "Δown", "GFLOPs", "ms", "fidelity"]


def test_a_missing_score_and_a_missing_interval_are_dashes():
    found = results(row(gist=None), row("pool", 16, half=None, detail=0.5, gist=0.5))
    lines = printed(found, 80)
    assert "90.0±2.0 – " in " ".join(next(line for line in lines if "llava" in line and "once" in line).split())
    assert "50.0 –" in next(line for line in lines if "pool" in line)


def test_names_are_no_markup():
    assert any("[red]x" in line for line in printed(results(row("[red]x"), reference="[red]x"), 80))


def test_no_scores_are_refused():
    with pytest.raises(SaccadeError, match="none of the 1 rows has a score"):
        table(results(row(detail=None, gist=None)))
