"""The comparison as a table for the terminal."""

from collections import Counter
from collections.abc import Callable

from rich import box
from rich.table import Table
from rich.text import Text

from saccade.core.errors import SaccadeError
from saccade.evaluation.results import Change, Results, Row, Score
from saccade.report import formatting as words
from saccade.report.cheapest import cost
from saccade.tasks.exam import Scale

BASELINE_MARK = "○"
COST = "cost"
PRINT = {
    "digit (resolvable)": "digits",
    "code (resolvable)": "codes",
    "digit (small print)": "small digits",
    "code (small print)": "small codes",
}
"""Kinds of question of print, and what their columns are called."""


def table(results: Results) -> Table:
    """Rows with most visual tokens first, a rule where the count changes; fits 80 columns.

    Accuracies are per cent with half of their 95 % interval; Δ is the paired difference to the
    full-token reader in points; a baseline's policy carries a mark.
    """
    scales = results.scales
    if not scales:
        raise SaccadeError(f"none of the {len(results.rows)} rows has a score; ask at least 1 question")
    title = f"{results.exam.name}: {results.exam.questions} questions on {results.exam.pictures} pictures"
    made = titled(title, _caption(results), gap=0)
    made.add_column("reader", overflow="fold")
    made.add_column("policy", overflow="fold")
    for name in ("tokens", *scales, f"Δ{scales[0]}", *_costs(results), "ms"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("fidelity", no_wrap=True)
    ranked = results.ranked
    tiers = Counter(round(row.visual_tokens) for row in ranked)
    for row, below in zip(ranked, (*ranked[1:], None), strict=True):
        here, there = round(row.visual_tokens), None if below is None else round(below.visual_tokens)
        # Single rows under one another need no gap.
        parted = there is not None and here != there and max(tiers[here], tiers[there]) > 1
        made.add_row(*_cells(results, row, scales), end_section=parted)
    return made


def print_table(results: Results) -> Table | None:
    """Questions of print alone: resolvable and small, digits and codes; None where the exam has no known heights."""
    kinds = [kind for kind in PRINT if any(kind in row.kinds for row in results.rows)]
    if not kinds:
        return None
    least, view = f"{results.exam.resolvable_px:g} px", f"{results.reference}'s view"
    made = titled(f"print: digits and codes of at least {least} on {view}, and smaller ones", gap=0)
    made.add_column("reader", no_wrap=True)
    made.add_column("policy", no_wrap=True)
    for name in ("tokens", *(PRINT[kind] for kind in kinds)):
        made.add_column(name, justify="right")
    for row in results.ranked:
        cells = _cells(results, row, ())[:3]
        made.add_row(*cells, *(_score(row.kinds.get(kind)) for kind in kinds))
    return made


def titled(title: str, caption: str | None = None, gap: int = 1) -> Table:
    """A table of the house without columns yet, ``gap`` characters between them."""
    return Table(
        title=title,
        caption=caption,
        box=box.SIMPLE_HEAD,
        padding=(0, gap),
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
    )


def _cells(results: Results, row: Row, scales: tuple[Scale, ...]) -> list[Text]:
    quiet = "dim" if row.baseline else ""
    strong = "bold" if results.leads(row) else quiet
    mark = f"{BASELINE_MARK} " if row.baseline else ""
    return [
        # Text, never markup: a reader may be called "[mine]".
        Text(row.reader, style=strong),
        Text(mark + row.policy, style=quiet),
        Text(words.tokens(row.visual_tokens), style=strong),
        *(_score(row.score(scale)) for scale in scales),
        *(_change(row.change(scale)) for scale in scales[:1]),
        *(Text(told(row)) for told in _costs(results).values()),
        Text(words.significant(row.ms.p50)),
        Text(row.fidelity, style=quiet),
    ]


def _costs(results: Results) -> dict[str, Callable[[Row], str]]:
    """Columns of what a question costs, of those that some row knows."""
    found: dict[str, Callable[[Row], str]] = {}
    if any(row.flops.predicted is not None for row in results.rows):
        found["GFLOPs"] = lambda row: words.giga(row.flops.predicted)
    if results.price is not None:
        found[COST] = lambda row: cost(results, row)
    return found


def _score(score: Score | None) -> Text:
    if score is None:
        return Text(words.NONE)
    return Text.assemble(words.percent(score.accuracy), (words.spread(score) or f" {words.NONE}", "dim"))


def _change(change: Change | None) -> Text:
    return Text(words.NONE if change is None else words.signed(change.mean))


def _caption(results: Results) -> str:
    lines = [
        f"accuracy in % ± half of the 95 % interval; Δ in points, paired to {results.reference} at full tokens",
        f"{BASELINE_MARK} baseline that a method has to beat at equal tokens",
    ]
    if results.metric != "exact":
        lines.append(f"answers are marked by {results.metric}; questions that name a metric by theirs")
    if results.price is not None:
        lines.append(f"{COST}: prompts of 1,000 questions, at {results.price:g} a million tokens")
    return "\n".join(lines)
