"""The study of exits as a table, in Markdown, in sentences and as a drawing."""

from rich.table import Table

from research.exits.study import ExitStudy
from saccade.report import formatting as words
from saccade.report.charts import lines
from saccade.report.markdown import pipes
from saccade.report.tables import titled

HEADS = ("answers from", "MFLOPs", "of the whole", "layers", "right")


def exits_table(found: ExitStudy) -> Table:
    """One row a way and budget; accuracy in % with half of the 95 % interval."""
    seeds = ", ".join(map(str, found.seeds))
    made = titled(
        f"{found.task}, pieces: {found.trained:,} learned, {found.tested:,} asked, training seeds {seeds}",
        "\n".join(verdicts(found)),
    )
    for place, name in enumerate(HEADS):
        made.add_column(name, justify="right" if place else "left", no_wrap=place > 0)
    for cells in _cells(found):
        made.add_row(*cells)
    return made


def exits_markdown(found: ExitStudy) -> str:
    """The same in Markdown, what is gained and spared below it."""
    body = pipes(HEADS, _cells(found), right=range(1, len(HEADS)))
    return "\n".join([body, "", *(f"- {line}" for line in verdicts(found)), ""])


def _cells(found: ExitStudy) -> list[list[str]]:
    return [
        [
            row.way,
            words.mega(point.flops),
            f"{words.percent(point.flops / found.costs[-1])} %",
            words.tokens(point.layers),
            words.score(point.score),
        ]
        for row in found.rows
        for point in row.points
    ]


def verdicts(found: ExitStudy) -> list[str]:
    """What exiting adds at equal cost, what it gives up to the whole tower, and what it spares."""
    told = []
    for gain in found.gains:
        low, high = (0.0, 0.0) if gain.change.ci95 is None else gain.change.ci95
        beyond = "beyond" if low > 0 or high < 0 else "not beyond"
        told.append(
            f"{gain.way} at {words.mega(gain.budget)} MFLOPs over {gain.over}: {words.signed(gain.change.mean)} points "
            f"(95 %: {words.ends(gain.change)}), {beyond} the interval"
        )
    spared = found.spared
    told.append(
        f"exiting by confidence at {words.mega(found.budget)} MFLOPs saves {words.percent(spared.flops)} % of FLOPs "
        f"and {words.percent(spared.time)} % of time, batches of {spared.batch} on one thread"
    )
    return told


def exits_curve(found: ExitStudy) -> str:
    """An SVG of accuracy against mean FLOPs as the budget moves."""
    budgets = sorted({point.budget for row in found.rows for point in row.points})
    ticks = {budget: f"{budget / 1e6:.0f}" for budget in budgets}
    scores = {row.way: {ticks[point.budget]: point.score for point in row.points} for row in found.rows}
    panel = lines.LinePanel("Digit beside the red ring", "mean MFLOPs a piece", tuple(ticks.values()), scores)
    return lines.drawing([panel])
