"""The report's tables."""

from saccade.evaluation.results import Change, Results, Row, Score
from saccade.report import formatting as words
from saccade.report.cheapest import cost
from saccade.report.markup import plain, tag

LAST = "fidelity"
"""The column of words."""


def rows_table(results: Results) -> str:
    """Every row with its scores and costs, most tokens first."""
    scales = results.scales
    asked = [f"{scale} %" for scale in scales]
    changes = [f"Δ {scale}" for scale in scales]
    heads = [
        "tokens",
        "slots",
        *asked,
        *changes,
        "GFLOPs predicted",
        "GFLOPs counted",
        *([] if results.price is None else ["cost of 1,000"]),
        "ms median",
        "ms 95th",
        "MB",
        "params M",
    ]
    lines: list[str] = []
    ranked = results.ranked
    for row, above in zip(ranked, (None, *ranked[:-1]), strict=True):
        cells = [
            words.tokens(row.visual_tokens),
            words.tokens(row.slots),
            *(_score(row.score(scale)) for scale in scales),
            *(_change(row.change(scale)) for scale in scales),
            words.giga(row.flops.predicted),
            words.giga(row.flops.counted),
            *([] if results.price is None else [cost(results, row)]),
            words.significant(row.ms.p50),
            words.significant(row.ms.p95),
            words.mega(row.bytes),
            words.mega(row.params),
        ]
        lines.append(_line(results, row, cells, above, plain(row.fidelity)))
    return scroll("All rows", _table([*heads, LAST], lines))


def kinds_table(results: Results) -> str:
    """Per cent right for each kind of question."""
    kinds = list(dict.fromkeys(kind for row in results.ranked for kind in row.kinds))
    ranked = results.ranked
    lines = [
        _line(results, row, [words.tokens(row.visual_tokens), *(_score(row.kinds.get(kind)) for kind in kinds)], above)
        for row, above in zip(ranked, (None, *ranked[:-1]), strict=True)
    ]
    return scroll("By kind of question", _table(["tokens", *map(plain, kinds)], lines))


def _table(heads: list[str], lines: list[str]) -> str:
    cells = [tag("th", head, scope="col", class_="word" if head == LAST else "number") for head in ("reader", *heads)]
    return tag("table", tag("thead", tag("tr", *cells)), tag("tbody", *lines))


def _line(results: Results, row: Row, cells: list[str], above: Row | None, last: str | None = None) -> str:
    """One row; a rule parts it from the row ``above`` where the token count changes."""
    policy = row.policy if row.budget is None else f"{row.policy} {row.budget}"
    kind = "baseline" if row.baseline else "leads" if results.leads(row) else "reader"
    extra = [] if row.policy == "once" and row.budget is None else [tag("small", plain(policy))]
    first = tag("th", tag("span", plain(row.reader)), *extra, scope="row")
    shown = [tag("td", cell, class_="number") for cell in cells]
    end = [] if last is None else [tag("td", last)]
    parted = above is not None and round(above.visual_tokens) != round(row.visual_tokens)
    return tag("tr", first, *shown, *end, class_=f"{kind} parted" if parted else kind)


def _score(score: Score | None) -> str:
    if score is None:
        return words.NONE
    told = f"{score.correct:.10g} of {score.n} right; 95 % interval {words.ends(score)}"
    spread = tag("small", words.spread(score) or words.NONE)
    return tag("span", words.percent(score.accuracy), " ", spread, title=told)


def _change(change: Change | None) -> str:
    if change is None:
        return words.NONE
    spread = tag("small", words.spread(change) or words.NONE)
    return tag("span", words.signed(change.mean), " ", spread, title=f"95 % interval {words.ends(change)}")


def scroll(name: str, inside: str) -> str:
    """What scrolls sideways on narrow screens, also by keyboard."""
    return tag("div", inside, class_="scroll", tabindex="0", role="region", aria_label=name)
