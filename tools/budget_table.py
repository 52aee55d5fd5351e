"""The shortest table of a comparison: detail by budget of visual tokens, baselines beside the best connector."""

from saccade.backends.embedded.manifest import cards
from saccade.evaluation.results import BASELINES, WHOLE_POLICY, Results, Row
from saccade.report import formatting as words
from saccade.report.markdown import pipes


def budget_table(results: Results) -> str:
    """Detail in Markdown, a line a budget, most tokens first: the best row of each baseline, and the best connector.

    The first line is the full-token model, that is, no budget. A connector counts that makes at most as many tokens,
    and the same tokens for every question: models that read the prompt while they look are left out.
    """
    lead = next(row for row in results.rows if results.leads(row))
    budgets = sorted({row.budget for row in results.rows if row.baseline and row.budget is not None}, reverse=True)
    lines = [[words.tokens(lead.visual_tokens), *(words.NONE for _ in BASELINES), _named(lead)]]
    for budget in budgets:
        held = [row for row in results.rows if row.baseline and row.budget == budget]
        plain = (_best([row for row in held if row.policy == policy]) for policy in BASELINES)
        cells = (words.NONE if row is None else words.score(row.detail) for row in plain)
        lines.append([f"{budget:,}", *cells, _named(_best(_trained(results, budget)))])
    heads = ["visual tokens", *BASELINES, "best connector"]
    return pipes(heads, lines, right=range(4)) + "\n"


def _trained(results: Results, budget: int) -> list[Row]:
    """Embedded models with one look, at most ``budget`` visual tokens, and no eye on the question."""
    known = cards()
    return [
        row
        for row in results.rows
        if row.policy == WHOLE_POLICY
        and row.visual_tokens <= budget
        and row.reader in known
        and not known[row.reader].spec.connector.reads_prompt
    ]


def _best(rows: list[Row]) -> Row | None:
    scored = [(row.detail.accuracy, row) for row in rows if row.detail is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _named(row: Row | None) -> str:
    return words.NONE if row is None else f"{words.score(row.detail)} ({row.reader})"
