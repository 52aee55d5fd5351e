"""A planning as tables and lines for the terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from saccade.api.planning import Document, PlannedModel, PlanningResult, Refused, composed_differences
from saccade.core.plan import Plan
from saccade.core.units import bytes_told, scaled, seconds_told, significant
from saccade.specs.laws.path import Video
from saccade.specs.laws.roofline import TimeRange, Times
from saccade.specs.planner.fit import Fit

if TYPE_CHECKING:
    from saccade.architectures.composed_plan import StageDifference

NONE = "–"
DOUBT = "?"
"""Marks a model some of whose constants were seen in no released file, code or paper."""


def tables(planning: PlanningResult) -> list[Table]:
    """What was planned: one document in full, several as a distribution; and what fits, where something is limited."""
    many = len(planning.documents) > 1
    made = [_spread(planning) if many else _single(planning)]
    if planning.limits.any:
        made.append(_fits(planning))
    return made


def explained(planning: PlanningResult) -> Iterator[Text]:
    """Why each count is what it is, and what is doubtful, model by model and document by document."""
    for row in planning.rows:
        for document, found in zip(planning.documents, row.plans, strict=True):
            head = row.system.name if len(planning.documents) == 1 else f"{row.system.name} · {document.name}"
            yield Text(head, style="bold")
            if isinstance(found, Refused):
                yield Text(f"  refused: {found.why}", style="red")
                continue
            for number, why in enumerate(_same(found.why), 1):
                page = f"page {number}: " if len(found.why) > 1 and len(_same(found.why)) > 1 else ""
                yield Text(f"  {page}{why}")
            yield Text(f"  {_stages(found)}", style="dim")
            for one in composed_differences(planning, row, document, found):
                yield Text(f"  {_composed(one)}", style="dim")
            for note in found.notes:
                yield Text(f"  ! {note}", style="yellow")


def footers(planning: PlanningResult) -> list[str]:
    """What the figures are, and what they leave out."""
    setting = planning.setting
    lines = [
        f"counted: tokens, positions, weights and FLOPs of {setting.batch} × (pictures + {planning.text} positions of "
        f"text) up to the first answer token; estimated: memory = weights + cache + largest activations in "
        f"{setting.dtype} with {setting.attention} attention, runtime and allocator not counted",
    ]
    if planning.device is not None:
        lines.append(
            f"times: roofline band on {planning.device.title} at {_share(planning.device.efficiency)} of its peak and "
            f"{_share(planning.device.bandwidth_efficiency)} of its bandwidth ({planning.device.source}); "
            "starting kernels one by one, queueing and reading pictures not counted: eager decoding of small models "
            "takes longer"
        )
    if planning.limits.any:
        lines.append(
            "largest setting: every visual token is read; or prune to: the share of visual tokens that fits when the "
            "others are dropped behind the connector, by default settings; missing: what lacks at the smallest setting"
        )
    if any(_doubtful(row) for row in planning.rows):
        lines.append(f"{DOUBT} some constants of this model were seen in no released file: --why names them")
    left = [row.system.name for row in planning.rows if not row.good]
    if left:
        lines.append(f"refused by {', '.join(left)}: --why says why")
    return lines


def advice(planning: PlanningResult) -> Iterator[Text]:
    """Settings to paste, for models that fit by one."""
    for row in planning.rows:
        if row.settings is None or row.fit is None:
            continue
        yield Text(f"{row.system.name}: {_setting(row.fit)}", style="bold")
        yield Text(f"  transformers  {row.settings.transformers}")
        yield Text(f"  vLLM          {row.settings.vllm}")
        yield Text(f"  lmms-eval     {row.settings.lmms_eval}")


def _table(title: str) -> Table:
    return Table(
        title=title, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, title_justify="left", title_style="bold"
    )


def _single(planning: PlanningResult) -> Table:
    (document,) = planning.documents
    timed = planning.device is not None
    made = _table(_title(document))
    made.add_column("model", no_wrap=True)
    for name in ("tokens", "positions", "views", "FLOPs", "weights", "cache", "memory"):
        made.add_column(name, justify="right", no_wrap=True)
    if timed:
        made.add_column("first token", justify="right", no_wrap=True)
        made.add_column("tokens/s", justify="right", no_wrap=True)
    made.add_column("fidelity", no_wrap=True)
    for row in planning.rows:
        found, times = row.plans[0], row.times[0]
        if isinstance(found, Refused):
            made.add_row(
                _name(row), Text("refused", style="red"), *[NONE] * (6 + 2 * timed), row.system.family.fidelity
            )
            continue
        made.add_row(*_cells(row, found), *(_timed(times) if timed else ()), row.system.family.fidelity)
    return made


def _cells(row: PlannedModel, found: Plan) -> list[Text]:
    views = sum(len(layout.views) * layout.times for layout in found.layouts)
    return [
        _name(row),
        Text(f"{found.visual_tokens:,}", style="bold"),
        Text(f"{found.slots:,}"),
        Text(f"{views:,}"),
        Text(scaled(found.flops)),
        Text(bytes_told(found.param_bytes)),
        Text(bytes_told(found.kv_bytes) if found.kv_bytes else NONE),
        Text(bytes_told(found.memory_bytes)),
    ]


def _spread(planning: PlanningResult) -> Table:
    """Visual tokens over many documents."""
    names = len(planning.documents)
    made = _table(f"{names} documents, visual tokens of each")
    made.add_column("model", no_wrap=True)
    for name in ("least", "median", "95 %", "most", "all", "FLOPs, median", "memory, most", "refused"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("fidelity", no_wrap=True)
    for row in planning.rows:
        good = row.good
        if not good:
            made.add_row(_name(row), *[NONE] * 7, Text(str(names), style="red"), row.system.family.fidelity)
            continue
        tokens = sorted(one.visual_tokens for one in good)
        lost = names - len(good)
        made.add_row(
            _name(row),
            *(f"{quantile(tokens, share):,.0f}" for share in (0, 0.5, 0.95, 1)),
            Text(f"{sum(tokens):,}", style="bold"),
            scaled(quantile(sorted(one.flops for one in good), 0.5)),
            bytes_told(max(one.memory_bytes for one in good)),
            Text(str(lost), style="red") if lost else Text(NONE),
            row.system.family.fidelity,
        )
    return made


def _fits(planning: PlanningResult) -> Table:
    what = planning.documents[0].name if len(planning.documents) == 1 else "the largest document"
    made = _table(f"within {_limits(planning)}, {what}")
    made.add_column("model", no_wrap=True)
    made.add_column("largest setting", overflow="fold")
    for name in ("tokens", "memory"):
        made.add_column(name, justify="right", no_wrap=True)
    if planning.device is not None:
        made.add_column("first token", justify="right", no_wrap=True)
    made.add_column("or prune to", justify="right", no_wrap=True)
    made.add_column("missing", overflow="fold")
    for row in planning.rows:
        if row.fit is None:
            continue
        found = row.fit.plan
        cells = [
            _name(row),
            Text(NONE if row.fit.options is None else _setting(row.fit)),
            Text(NONE if found is None else f"{found.visual_tokens:,}"),
            Text(NONE if row.fit.memory is None else bytes_told(row.fit.memory)),
        ]
        if planning.device is not None:
            cells.append(_first(planning, found))
        made.add_row(*cells, _keep(row.fit), Text("; ".join(row.fit.short), style="red"))
    return made


def _first(planning: PlanningResult, found: Plan | None) -> Text:
    from saccade.specs.planner.fit import times_of

    if found is None or planning.device is None:
        return Text(NONE)
    return Text(_seconds(times_of(found, planning.device).first_token))


def _setting(fit: Fit) -> str:
    if not fit.options:
        return "default"
    return ", ".join(f"{name}={_value(value)}" for name, value in fit.options.items())


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _keep(fit: Fit) -> Text:
    if fit.keep is None:
        return Text(NONE)
    return Text("all" if fit.keep == 1 else f"{100 * fit.keep:.3g} %")


def _limits(planning: PlanningResult) -> str:
    limits, told = planning.limits, list[str]()
    if limits.memory is not None:
        told.append(bytes_told(limits.memory))
    if limits.seconds is not None and planning.device is not None:
        told.append(f"{1000 * limits.seconds:,.0f} ms on {planning.device.title}")
    if limits.tokens is not None:
        told.append(f"{limits.tokens:,} visual tokens")
    if limits.context is not None:
        told.append(f"a context of {limits.context:,}")
    return ", ".join(told)


def _stages(found: Plan) -> str:
    stages = [
        f"{name} {scaled(cost.flops)}FLOPs, {scaled(cost.params)} weights"
        for name, cost in (("vision", found.vision), ("connector", found.connector), ("language", found.language))
        if cost.params > 1
    ]
    causal = f" ({scaled(found.causal_flops)} where the masked half is skipped)" if found.causal_flops else ""
    token = f"a token {scaled(found.token.flops)}FLOPs" if found.token.flops else "no generation"
    keys = f"; {found.cross_keys:,} keys for cross-attention" if found.cross_keys else ""
    return f"{'; '.join(stages)}{causal}; {token}{keys}"


def _composed(one: "StageDifference") -> str:
    """One stage as saccade composes it."""
    (flops, leaner), (params, fewer), (peak, lower) = one.flops, one.params, one.peak
    told = [f"{scaled(leaner)}FLOPs instead of {scaled(flops)}FLOPs"] if flops != leaner else []
    told += [f"{scaled(fewer)} weights instead of {scaled(params)}"] if params != fewer else []
    told += [f"a peak of {bytes_told(lower)} instead of {bytes_told(peak)}"] if peak != lower else []
    said = f"{one.stage} {', '.join(told)}" if told else "other views"
    return f"as saccade composes it: {said} ({one.why})"


def _same(why: Sequence[str]) -> Sequence[str]:
    """One line where all pages are alike."""
    return why if len(set(why)) > 1 else why[:1]


def _name(row: PlannedModel) -> Text:
    return Text.assemble(row.system.name, (DOUBT if _doubtful(row) else "", "yellow"))


def _doubtful(row: PlannedModel) -> bool:
    return any(note.startswith("unverified") for found in row.good for note in found.notes)


def _title(document: Document) -> str:
    if document.kind == "pages":
        return f"{document.name}: {len(document.media)} pages in one prompt"
    (one,) = document.media
    if isinstance(one, Video):
        return f"{document.name}: {one.size}, {one.frames:,} frames at {one.fps:g} fps"
    return f"{document.name}: {one}" if document.name != str(one) else document.name


def _timed(times: Times | None) -> list[Text]:
    if times is None:
        return [Text(NONE), Text(NONE)]
    rate = times.tokens_per_second
    return [
        Text(_seconds(times.first_token)),
        Text(NONE if rate is None else f"{significant(rate.low, 2)} to {significant(rate.high, 2)}"),
    ]


def _seconds(band: TimeRange) -> str:
    return seconds_told(band.low, band.high)


def _share(ends: tuple[float, float]) -> str:
    return f"{100 * ends[0]:.0f} to {100 * ends[1]:.0f} %"


def quantile(ordered: Sequence[int], share: float) -> float:
    """The value below which ``share`` of ``ordered`` lies, between neighbours in proportion."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
