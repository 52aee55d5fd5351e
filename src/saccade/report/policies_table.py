"""What is said of policies, as tables for the terminal and as a drawing."""

from collections.abc import Sequence

from rich.table import Table

from saccade.evaluation.policies import Cascade, LevelCertificate, PairedDifference, Policies
from saccade.evaluation.results import Change
from saccade.evaluation.statistics.reliability import Reliability
from saccade.report import formatting as words
from saccade.report.markdown import pipes
from saccade.report.markup import leaf, number, plain, tag
from saccade.report.tables import titled
from saccade.tasks.exam import Scale

SIDE, EDGE, GAP = 190.0, 34.0, 40.0
INK, QUIET, RAW, FITTED = "#1c2127", "#5b646e", "#b8500c", "#1f6fb2"


def policies_table(found: Policies) -> Table:
    """One row a policy: what it is better or worse by than what it has to beat, in points of accuracy."""
    made = titled(
        f"{found.exam}: looking again",
        "paired differences in points with their 95 % intervals, on the same questions; bold: the interval is above 0",
    )
    for name in ("model", "policy"):
        made.add_column(name, overflow="fold")
    scales = found.scales
    for name in ("tokens", "looks", *scales, *(f"{scale} " for scale in scales)):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("against", overflow="fold")
    for one in found.verdicts:
        cells = [_changed(against, scale) for against in (one.resize, one.best) for scale in scales]
        best = "none with so few tokens" if one.best is None else f"{one.best.reader} at {one.best.visual_tokens:.0f}"
        equal = "" if one.resize is None else f"{one.resize.policy} at {one.resize.visual_tokens:.0f}; "
        made.add_row(one.reader, one.policy, f"{one.visual_tokens:.0f}", f"{one.looks:.2f}", *cells, f"{equal}{best}")
    return made


def cascade_table(found: Cascade) -> Table:
    """How a fitted ladder kept what it promised."""
    made = titled(
        f"{found.model}: the ladder, fitted to {found.labels} answers of {found.calibration}",
        "ECE: how far certainty is from accuracy; exchangeable questions are assumed",
    )
    made.add_column("what", overflow="fold")
    made.add_column("found", overflow="fold")
    for what, said in facts(found):
        made.add_row(what, said)
    return made


def facts(found: Cascade) -> list[tuple[str, str]]:
    """What is to be said of a fitted ladder, in order."""
    shares = " → ".join(f"{share:.0%}" for share in found.reached)
    scored = (("as the model says", found.raw), ("calibrated", found.calibrated))
    risk = "nothing was answered" if found.risk is None else f"{found.risk:.1%} of the answers wrong"
    return [
        ("questions that reach each level", shares),
        *((f"first level, {name}", _told(one)) for name, one in scored),
        *((f"level {proof.level}, promise of {found.promised:.0%}", _proof(proof)) for proof in found.proofs),
        ("certified ladder on the exam", f"{found.coverage:.0%} of the questions answered, {risk}"),
    ]


def drawing(found: Policies) -> str:
    """An SVG file: for each fitted ladder, its first level's reliability and its risk against coverage, raw and
    fitted.
    """
    return figure(found.cascades, xmlns="http://www.w3.org/2000/svg")


def figure(cascades: Sequence[Cascade], **attributes: str) -> str:
    """The same as a part of a page."""
    panels: list[str] = []
    for place, one in enumerate(cascades):
        down = place * (SIDE + EDGE + GAP)
        panels.append(tag("g", *_reliable(one), transform=f"translate(0 {number(down)})"))
        panels.append(tag("g", *_risky(one), transform=f"translate({number(SIDE + EDGE + GAP)} {number(down)})"))
    wide, tall = 2 * (SIDE + EDGE + GAP), max(1, len(cascades)) * (SIDE + EDGE + GAP) + 20
    ground = leaf("rect", width="100%", height="100%", fill="#fcfcfb")
    style = "font-family: system-ui, sans-serif; font-size: 11px"
    return tag(
        "svg", ground, *panels, viewBox=f"0 0 {number(wide)} {number(tall)}", width=wide, style=style, **attributes,
    )  # fmt: skip


def _reliable(found: Cascade) -> list[str]:
    parts = _frame(f"{found.model}: accuracy against confidence", "confidence, %", "accuracy, %")
    parts.append(leaf("line", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1), stroke=QUIET, stroke_dasharray="3 3"))
    for one, ink in ((found.raw, RAW), (found.calibrated, FITTED)):
        parts += [leaf("circle", cx=_x(b.sure), cy=_y(b.right), r=3, fill=ink, fill_opacity=0.8) for b in one.bins]
    return [*parts, *_legend()]


def _risky(found: Cascade) -> list[str]:
    most = max(0.01, *(risk for one in (found.raw, found.calibrated) for _, risk in one.curve))
    parts = _frame("wrong among the surest", "answered, %", f"wrong, % (top: {most:.0%})", ticks=False)
    for one, ink in ((found.raw, RAW), (found.calibrated, FITTED)):
        path = "M" + "L".join(f"{number(_x(share))} {number(_y(risk / most))}" for share, risk in one.curve)
        parts.append(leaf("path", d=path, fill="none", stroke=ink, stroke_width=1.6))
    y = _y(min(1.0, found.promised / most))
    parts.append(leaf("line", x1=_x(0), x2=_x(1), y1=y, y2=y, stroke=QUIET, stroke_dasharray="3 3"))
    if found.risk is not None:
        x, y = _x(found.coverage), _y(min(1.0, found.risk / most))
        parts.append(leaf("circle", cx=x, cy=y, r=4, fill=INK))
        side, anchor = (x - 6, "end") if found.coverage > 0.5 else (x + 8, "start")
        parts.append(tag("text", "certified ladder", x=side, y=y - 6, text_anchor=anchor, fill=INK))
    return parts


def _frame(title: str, below: str, beside: str, *, ticks: bool = True) -> list[str]:
    parts = [tag("text", plain(title), x=EDGE, y=16, font_weight="600")]
    parts.append(tag("text", plain(beside), x=EDGE, y=30, fill=QUIET))
    for share in (0.0, 0.5, 1.0):
        parts.append(leaf("line", x1=_x(0), x2=_x(1), y1=_y(share), y2=_y(share), stroke="#e4e6e8"))
        label = f"{share:.0%}".rstrip("%")
        parts.append(tag("text", label, x=_x(share), y=_y(0) + 15, text_anchor="middle", fill=QUIET))
        if ticks:
            parts.append(tag("text", label, x=EDGE - 5, y=_y(share) + 4, text_anchor="end", fill=QUIET))
    parts.append(tag("text", plain(below), x=_x(0.5), y=_y(0) + 29, text_anchor="middle", fill=QUIET))
    return parts


def _legend() -> list[str]:
    return [
        tag("text", name, x=_x(0.05), y=_y(0.95 - 0.08 * place), fill=ink)
        for place, (name, ink) in enumerate((("as the model says", RAW), ("calibrated", FITTED)))
    ]


def _x(share: float) -> float:
    return EDGE + share * SIDE


def _y(share: float) -> float:
    return EDGE + 6 + (1 - share) * (SIDE - 12)


def _told(one: Reliability) -> str:
    area = "" if one.auroc is None else f", AUROC {one.auroc:.2f}"
    return (
        f"ECE {one.ece:.1%} (equal bins {one.adaptive:.1%}, debiased {one.debiased:.1%}), Brier {one.brier:.3f}{area}; "
        f"at most 5 % wrong in the surest {one.coverage[1]:.0%}"
    )


def _proof(proof: LevelCertificate) -> str:
    certificate = proof.certificate
    if certificate is None:
        return "none" if proof.refusal is None else f"none: {proof.refusal.why}"
    return (
        f"from {certificate.threshold:.2f} on: {certificate.coverage:.0%} of {certificate.labels} labels accepted, "
        f"{certificate.wrong} wrong, so at most {certificate.bound:.1%} are"
    )


def _changed(against: PairedDifference | None, scale: Scale) -> str:
    change = None if against is None else against.change(scale)
    return f"[bold]{points(change)}[/bold]" if better(change) else points(change)


def points(change: Change | None) -> str:
    """Percentage points with both ends of their interval; nothing for what was not asked."""
    if change is None:
        return ""
    if change.ci95 is None:
        return f"{100 * change.mean:+.1f}"
    low, high = (f"{100 * end:+.{words.decimals(change)}f}" for end in change.ci95)
    return f"{100 * change.mean:+.1f} ({low}, {high})"


def better(change: Change | None) -> bool:
    """Whether the whole interval is above 0."""
    return change is not None and change.ci95 is not None and change.ci95[0] > 0


def policies_markdown(found: Policies) -> str:
    """The verdicts as a Markdown table."""
    heads = ("model", "policy", "tokens", "looks", *found.scales, "against")
    rows = []
    for one in found.verdicts:
        for other in (one.resize, one.best):
            if other is not None:
                name = f"{other.reader}, {other.policy}, {other.visual_tokens:.0f} tokens"
                cells = [points(other.change(scale)) for scale in found.scales]
                rows.append((one.reader, one.policy, f"{one.visual_tokens:.0f}", f"{one.looks:.2f}", *cells, name))
    return pipes(heads, rows, right=range(2, len(heads) - 1)) + "\n"
