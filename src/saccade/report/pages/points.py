"""What was measured of an architecture: its embedded readers beside the full-token one, for a page."""

from collections.abc import Sequence

from saccade.backends.embedded.manifest import cards
from saccade.evaluation.results import Results, Row
from saccade.report import formatting as words
from saccade.report.markdown import pipes
from saccade.report.pages.notes import Notes
from saccade.report.pages.stages import path_of


def measured(about: Notes, results: Results) -> list[str]:
    """Embedded readers of this kind beside the full-token reader."""
    rows = points(about, results)
    if not rows:
        return ["Not measured yet: the stored comparison holds no embedded model of this kind."]
    lead = next(row for row in results.ranked if results.leads(row))
    shown = [lead, *(row for row in rows if row is not lead)]
    heads = ["model", "tokens", "detail", "gist", "baseline, detail", "GFLOPs"]
    lines = [
        [
            f"**{row.reader}**" if row is lead else row.reader,
            words.tokens(row.visual_tokens),
            *map(words.score, (row.detail, row.gist)),
            _plain(row, results),
            words.giga(row.flops.predicted),
        ]
        for row in shown
    ]
    return [pipes(heads, lines, right=(1, 2, 3, 4, 5)), _how(lead, results), _made(shown)]


def _how(lead: Row, results: Results) -> str:
    exam, ran = results.exam, results.environment
    seeds = 1 if isinstance(lead.seed, int) else len(lead.seed)
    return (
        f"Measured by `saccade compare` (saccade {ran.saccade}, torch {ran.torch}): very small models trained here, "
        f"{seeds} seed{'s' if seeds > 1 else ''} each, {exam.questions:,} questions on {exam.pictures} generated "
        f"images, `{exam.name}`. Accuracy (%) ± half of the 95 % interval, bootstrap over images; GFLOPs of one "
        f"question. **{lead.reader}** is the full-token model, {words.weights(lead.params)} parameters. *Baseline* is "
        "the best detail that it, or its twin trained for this, reads at equal tokens: on a smaller image, or on "
        "tokens selected at random or evenly. [All rows](../results/index.md). This says what a way of reading loses, "
        "not how good the published models are."
    )


def _made(rows: Sequence[Row]) -> str:
    """How each reader reads, as far as the manifest knows it, and how it was trained."""
    known = cards()
    paths = [f"- `{row.reader}`: {path_of(known[row.reader].spec)}" for row in rows if row.reader in known]
    trained: dict[str, list[str]] = {}
    for row in rows:
        trained.setdefault(row.trained, []).append(f"`{row.reader}`")
    return "\n".join([*paths, *(f"- trained ({', '.join(readers)}): {how}" for how, readers in trained.items())])


def points(about: Notes, results: Results) -> list[Row]:
    """The rows of the notes' readers, as they are, in the notes' order."""
    found = {row.reader: row for row in results.rows if not row.baseline}
    return [found[name] for name in about.embedded if name in found]


def _plain(row: Row, results: Results) -> str:
    """The best detail of any baseline with as many tokens as ``row``; a dash where none was run."""
    equal = [other for other in results.rows if other.baseline and round(row.visual_tokens) == other.budget]
    scored = [(other.detail.accuracy, other) for other in equal if other.detail is not None]
    if not scored:
        return words.NONE
    _, best = max(scored, key=lambda pair: pair[0])
    return f"{words.score(best.detail)} ({best.reader}, {best.policy})"
