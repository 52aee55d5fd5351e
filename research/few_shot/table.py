"""The few-shot study as a table for the terminal and as a drawing."""

from rich.table import Table

from research.few_shot.study import Shots
from saccade.evaluation.results import Score
from saccade.report import formatting as words
from saccade.report.charts import lines
from saccade.report.markdown import pipes
from saccade.report.tables import titled

SCALES = {
    "unspelt": "Gist, question left out",
    "gist": "Gist, question spelt out",
    "detail": "Detail, question spelt out",
}
"""What is drawn, one panel each: a field of a row and the panel's title."""


def shots_table(found: Shots) -> Table:
    """One row for each reader and number of examples; accuracy in % with half of the 95 % interval."""
    made = titled(
        f"{found.exam}: examples in the prompt",
        "unspelt: the question is left out, only the examples tell what is asked; ±: half of the 95 % interval",
    )
    made.add_column("reader", overflow="fold")
    for name in ("shots", "detail", "gist", "unspelt gist"):
        made.add_column(name, justify="right", no_wrap=True)
    for row, below in zip(found.rows, (*found.rows[1:], None), strict=True):
        cells = (str(row.shots), *(words.score(one) for one in (row.detail, row.gist, row.unspelt)))
        made.add_row(row.reader, *cells, end_section=below is not None and below.reader != row.reader)
    return made


def shots_markdown(found: Shots) -> str:
    """The same as a Markdown table."""
    heads = ("reader", "shots", "detail", "gist", "unspelt gist")
    cells = ((row.reader, str(row.shots), *map(words.score, (row.detail, row.gist, row.unspelt))) for row in found.rows)
    return pipes(heads, cells, right=range(1, 5)) + "\n"


def drawing(found: Shots) -> str:
    """An SVG of one panel a scale: accuracy in % against examples, whiskers the 95 % intervals."""
    ticks = tuple(str(count) for count in sorted({row.shots for row in found.rows}))
    readers = list(dict.fromkeys(row.reader for row in found.rows))

    def line(reader: str, scale: str) -> dict[str, Score]:
        return {str(row.shots): getattr(row, scale) for row in found.rows if row.reader == reader}

    return lines.drawing(
        [
            lines.LinePanel(title, "examples", ticks, {reader: line(reader, scale) for reader in readers})
            for scale, title in SCALES.items()
        ]
    )
