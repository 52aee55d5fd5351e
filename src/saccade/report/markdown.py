"""The comparison as a Markdown table, for pages that a command keeps true."""

from collections.abc import Container, Iterable, Sequence

from saccade.evaluation.results import Results, Row
from saccade.report import formatting as words
from saccade.report.tables import PRINT


def markdown(results: Results) -> str:
    """Rows with most visual tokens first; per cent right ± half of the 95 % interval."""
    kinds = [kind for kind in PRINT if any(kind in row.kinds for row in results.rows)]
    heads = ["reader", "policy", "tokens", *results.scales, *(PRINT[kind] for kind in kinds), "GFLOPs", "fidelity"]
    rows = (_cells(results, row, kinds) for row in results.ranked)
    return pipes(heads, rows, right=range(2, len(heads) - 1)) + "\n"


def pipes(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Container[int] = ()) -> str:
    """A table in Markdown; the columns numbered in ``right`` are set to the right."""
    rule = ["---:" if place in right else "---" for place in range(len(heads))]
    return "\n".join(_line(cells) for cells in (heads, rule, *rows))


def _cells(results: Results, row: Row, kinds: list[str]) -> list[str]:
    reader = f"**{row.reader}**" if results.leads(row) else row.reader
    policy = f"○ {row.policy}" if row.baseline else row.policy
    scores = [*(row.score(scale) for scale in results.scales), *(row.kinds.get(kind) for kind in kinds)]
    return [
        reader,
        policy,
        words.tokens(row.visual_tokens),
        *map(words.score, scores),
        words.giga(row.flops.predicted),
        row.fidelity,
    ]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
