"""The information bottleneck as a curve: what is lost as a Perceiver has fewer latents.

The same reader on smaller pictures stands beside it, at as many tokens: a bottleneck is worth its training only where
it does better than that.
"""

from collections.abc import Mapping, Sequence

from saccade.evaluation.results import Results, Row, Score
from saccade.report.charts import lines

START = "perceiver-"
"""Readers whose names go on with a number of latents."""
LATENTS, RESIZE = "perceiver's latents", "a smaller picture"
SCALES: Mapping[str, str] = {"detail": "Detail", "gist": "Gist"}


def curve(results: Results) -> str | None:
    """An SVG of detail and gist against visual tokens, None where ``results`` hold no Perceiver."""
    latents = {
        int(row.visual_tokens): row for row in results.rows if row.reader.startswith(START) and row.budget is None
    }
    if not latents:
        return None
    smaller = {row.budget or int(row.visual_tokens): row for row in results.rows if _resized(row, results.reference)}
    ticks = tuple(str(tokens) for tokens in sorted(latents))
    panels = [
        lines.LinePanel(title, "visual tokens", ticks, {LATENTS: _line(latents, scale), RESIZE: _line(smaller, scale)})
        for scale, title in SCALES.items()
    ]
    return lines.drawing(panels)


def shown(readers: Sequence[str], results: Results) -> bool:
    """Whether ``readers`` are those of the curve, and ``results`` hold them."""
    return any(row.reader.startswith(START) and row.reader in readers for row in results.rows)


def _resized(row: Row, reference: str) -> bool:
    """The full-token reader, on whole pictures or smaller ones."""
    return row.reader == reference and row.policy in ("once", "resize")


def _line(rows: Mapping[int, Row], scale: str) -> dict[str, Score]:
    found = {str(tokens): getattr(row, scale) for tokens, row in rows.items()}
    return {tokens: score for tokens, score in found.items() if score is not None}
