"""A planning as data: what ``saccade plan --json`` prints, under ``schema``."""

from collections.abc import Mapping
from dataclasses import asdict

from saccade.api.planning import Document, PlannedModel, PlanningResult, Refused, composed_differences
from saccade.core.box import Box
from saccade.core.plan import Plan
from saccade.core.view import Layout, View
from saccade.specs.laws.path import Video
from saccade.specs.laws.roofline import TimeRange, Times
from saccade.specs.planner.fit import Fit, FitLimits

SCHEMA = "saccade.plan/1"

Record = dict[str, object]


def record(planning: PlanningResult) -> Record:
    """Plain data, ready for JSON. Sizes in pixels, boxes in source pixels, bytes, FLOPs, seconds."""
    return {
        "schema": SCHEMA,
        "setting": {
            "batch": planning.setting.batch,
            "dtype": planning.setting.dtype,
            "attention": planning.setting.attention,
            "text": planning.text,
            "options": dict(planning.options),
            "device": None if planning.device is None else planning.device.name,
        },
        "limits": _limits(planning.limits),
        "documents": [_document(document) for document in planning.documents],
        "models": [_model(planning, row) for row in planning.rows],
    }


def _limits(limits: FitLimits) -> Record:
    return {
        "memory": limits.memory,
        "seconds": limits.seconds,
        "tokens": limits.tokens,
        "context": limits.context,
        "reserve": limits.reserve,
    }


def _document(document: Document) -> Record:
    media: list[Record] = []
    for one in document.media:
        if isinstance(one, Video):
            media.append({"width": one.size.width, "height": one.size.height, "frames": one.frames, "fps": one.fps})
        else:
            media.append({"width": one.width, "height": one.height})
    return {"name": document.name, "kind": document.kind, "media": media}


def _model(planning: PlanningResult, row: PlannedModel) -> Record:
    told = row.settings
    return {
        "model": row.system.name,
        "checkpoint": row.system.checkpoint,
        "kind": row.system.family.kind,
        "fidelity": row.system.family.fidelity,
        "source": row.system.family.source,
        "plans": [
            {"refused": found.why}
            if isinstance(found, Refused)
            else {
                **plan_record(found),
                "composed": [asdict(one) for one in composed_differences(planning, row, document, found)],
                "seconds": _times(times),
            }
            for document, found, times in zip(planning.documents, row.plans, row.times, strict=True)
        ],
        "fit": None if row.fit is None else _fit(row.fit),
        "settings": None
        if told is None
        else {"transformers": told.transformers, "vllm": told.vllm, "lmms_eval": told.lmms_eval},
    }


def plan_record(plan: Plan) -> Record:
    """One plan as data."""
    return {
        "patches": plan.patches,
        "visual_tokens": plan.visual_tokens,
        "slots": plan.slots,
        "length": plan.length,
        "cross_keys": plan.cross_keys,
        "layouts": [_layout(layout) for layout in plan.layouts],
        "flops": {
            "vision": plan.vision.flops,
            "connector": plan.connector.flops,
            "language": plan.language.flops,
            "language_causal": plan.causal_flops,
            "total": plan.flops,
            "token": plan.token.flops,
        },
        "params": {
            "vision": plan.vision.params,
            "connector": plan.connector.params,
            "language": plan.language.params,
            "total": plan.params,
        },
        "bytes": {
            "params": plan.param_bytes,
            "kv": plan.kv_bytes,
            "peak": {"vision": plan.peak.vision, "connector": plan.peak.connector, "language": plan.peak.language},
            "memory": plan.memory_bytes,
        },
        "why": list(plan.why),
        "notes": list(plan.notes),
    }


def _layout(layout: Layout) -> Record:
    return {
        "width": layout.size.width,
        "height": layout.size.height,
        "times": layout.times,
        "slices": None if layout.slices is None else {"rows": layout.slices.rows, "cols": layout.slices.cols},
        "views": [_view(view) for view in layout.views],
    }


def _view(view: View) -> Record:
    return {
        "role": view.role,
        "row": view.row,
        "col": view.col,
        "width": view.size.width,
        "height": view.size.height,
        "source": _sides(view.source),
        "content": _sides(view.canvas),
    }


def _sides(box: Box) -> list[float]:
    return list(box.sides)


def _band(band: TimeRange | None) -> list[float] | None:
    return None if band is None else [band.low, band.high]


def _times(times: Times | None) -> Record | None:
    if times is None:
        return None
    return {
        "encode": _band(times.encode),
        "first_token": _band(times.first_token),
        "per_token": _band(times.per_token),
        "tokens_per_second": _band(times.tokens_per_second),
    }


def _fit(fit: Fit) -> Record:
    options: Mapping[str, object] | None = fit.options
    return {
        "options": None if options is None else dict(options),
        "visual_tokens": None if fit.plan is None else fit.plan.visual_tokens,
        "memory": fit.memory,
        "keep": fit.keep,
        "kept_tokens": None if fit.kept is None else fit.kept.visual_tokens,
        "short": list(fit.short),
    }
