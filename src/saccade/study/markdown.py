"""The comparison as a Markdown table, for pages that a command keeps true."""

from saccade.study import words
from saccade.study.results import Results, Row, Score
from saccade.study.table import PRINT


def markdown(results: Results) -> str:
    """Rows with most visual tokens first; per cent right ± half of the 95 % interval."""
    kinds = [kind for kind in PRINT if any(kind in row.kinds for row in results.rows)]
    heads = ["reader", "policy", "tokens", *results.scales, *(PRINT[kind] for kind in kinds), "GFLOPs", "fidelity"]
    lines = [_line(heads), _line(["---", "---"] + ["---:"] * (len(heads) - 3) + ["---"])]
    lines += [_line(_cells(results, row, kinds)) for row in results.ranked]
    return "\n".join(lines) + "\n"


def _cells(results: Results, row: Row, kinds: list[str]) -> list[str]:
    reader = f"**{row.reader}**" if results.leads(row) else row.reader
    policy = f"○ {row.policy}" if row.baseline else row.policy
    scores = [*(row.score(scale) for scale in results.scales), *(row.kinds.get(kind) for kind in kinds)]
    return [
        reader,
        policy,
        words.tokens(row.visual_tokens),
        *map(_score, scores),
        words.giga(row.flops.predicted),
        row.fidelity,
    ]


def _score(score: Score | None) -> str:
    return words.NONE if score is None else f"{words.percent(score.accuracy)} {words.spread(score)}".strip()


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
