"""Looks and answers as JSON and back, exactly: what is stored of a question that was asked."""

import base64
import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from saccade.core.answer import Answer
from saccade.core.attention_map import AttentionMap
from saccade.core.backend import Description, JobResult, Observation
from saccade.core.box import Box
from saccade.core.grid import Grid
from saccade.core.ledger import Ledger
from saccade.core.records.recipe import from_dict, to_dict
from saccade.core.request import Ask, Conversation, ImageRegion, Request, Tool, ToolCall, Turn, TurnResult, Watch, YesNo
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.core.trace import CostEstimate, Look
from saccade.core.view import Layout, View

REQUESTS: Mapping[str, type] = {
    "ask": Ask,
    "yes-no": YesNo,
    "watch": Watch,
    "talk": Conversation,
    "sight": ImageRegion,
    "selection": TokenSelection,
    "turn": Turn,
    "tool": Tool,
    "call": ToolCall,
}
"""Everything that a request is made of, by the name under which it is written."""
Json = dict[str, Any]


@lru_cache(4096)
def request_json(request: Request) -> str:
    """A request as text; equal for equal requests."""
    return json.dumps(to_dict(request, REQUESTS), ensure_ascii=False, separators=(",", ":"))


@lru_cache(4096)
def request_of(text: str) -> Request:
    """The request that ``request_json`` wrote."""
    return from_dict(json.loads(text), REQUESTS)


def answer_json(answer: Answer) -> Json:
    """An answer; what it does not hold is left out."""
    made: Json = {"text": answer.text}
    if answer.tokens:
        made["tokens"] = answer.tokens
    if answer.logprobs:
        made["logprobs"] = answer.logprobs
    if answer.top:
        made["top"] = answer.top
    return made


def answer_of(data: Json) -> Answer:
    """The answer that ``answer_json`` wrote."""
    top = tuple(tuple((str(text), float(chance)) for text, chance in place) for place in data.get("top", ()))
    return Answer(data["text"], tuple(data.get("tokens", ())), tuple(map(float, data.get("logprobs", ()))), top)


def look_json(look: Look) -> Json:
    """One look of a trace."""
    price = look.predicted
    return {
        "request": request_json(look.request),
        "model": look.model,
        "views": [_view_json(view) for view in look.views],
        "predicted": [price.visual_tokens, price.tokens, price.flops, price.bytes, price.slots],
        "visual_tokens": look.visual_tokens,
        "tokens": look.tokens,
        "ms": look.ms,
        "said": None if look.said is None else answer_json(look.said),
        "confidence": look.confidence,
    }


def look_of(data: Json) -> Look:
    """The look that ``look_json`` wrote."""
    return Look(
        request=request_of(data["request"]),
        model=data["model"],
        views=tuple(_view_of(view) for view in data["views"]),
        predicted=CostEstimate(*data["predicted"]),
        visual_tokens=data["visual_tokens"],
        tokens=data["tokens"],
        ms=data["ms"],
        said=None if data["said"] is None else answer_of(data["said"]),
        confidence=data["confidence"],
    )


def seen_json(seen: JobResult) -> Json:
    """What came of a job."""
    return {
        "observation": _observation_json(seen.observation),
        "views": [_view_json(view) for view in seen.views],
        "visual_tokens": seen.visual_tokens,
        "tokens": seen.tokens,
        "seconds": seen.seconds,
        "counted": seen.counted,
    }


def seen_of(data: Json) -> JobResult:
    """What ``seen_json`` wrote."""
    views = tuple(_view_of(view) for view in data["views"])
    observation = _observation_of(data["observation"])
    return JobResult(observation, views, data["visual_tokens"], data["tokens"], data["seconds"], data["counted"])


def description_json(found: Description) -> Json:
    """What a request shows."""
    layout, ledger, slices = found.layout, found.ledger, found.layout.slices
    return {
        "layout": {
            "size": [layout.size.width, layout.size.height],
            "views": [_view_json(view) for view in layout.views],
            "slices": None if slices is None else [slices.rows, slices.cols],
            "why": layout.why,
            "times": layout.times,
        },
        "ledger": {
            "size": [ledger.size.width, ledger.size.height],
            "cells": _numbers_json(ledger.cells),
            "view": _whole_json(ledger.view),
            "lengths": [len(group) for group in ledger.groups],
            "groups": _whole_json(np.concatenate([np.zeros(0, dtype=int), *ledger.groups])),
            "exact": list(map(bool, ledger.exact)),
        },
        "watched": None if found.watched is None else [str(found.watched.dtype), _numbers_json(found.watched)],
        "path": [box.sides for box in found.path],
        "regions": [box.sides for box in found.regions],
    }


def description_of(data: Json) -> Description:
    """What ``description_json`` wrote."""
    seen, carried, watched = data["layout"], data["ledger"], data["watched"]
    slices = None if seen["slices"] is None else Grid(*seen["slices"])
    layout = Layout(Size(*seen["size"]), tuple(map(_view_of, seen["views"])), slices, seen["why"], seen["times"])
    ends = np.cumsum(np.asarray(carried["lengths"], dtype=int))
    ledger = Ledger(
        Size(*carried["size"]),
        _numbers_of(carried["cells"]).reshape(-1, 4),
        _whole_of(carried["view"]),
        tuple(np.split(_whole_of(carried["groups"]), ends[:-1])) if len(ends) else (),
        tuple(carried["exact"]),
    )
    shares = None if watched is None else _numbers_of(watched[1]).astype(watched[0])
    path, regions = (tuple(Box(*sides) for sides in data[name]) for name in ("path", "regions"))
    return Description(layout, ledger, shares, path, regions)


def _observation_json(found: Observation) -> Json:
    match found:
        case Answer():
            return {"answer": answer_json(found)}
        case TurnResult(answer=answer, call=call):
            return {"said": answer_json(answer), "call": None if call is None else [call.name, call.arguments, call.id]}
        case tuple():
            return {"maps": [_heat_json(heat) for heat in found]}
        case _:
            return {"chance": found}


def _observation_of(data: Json) -> Observation:
    if "answer" in data:
        return answer_of(data["answer"])
    if "said" in data:
        return TurnResult(answer_of(data["said"]), None if data["call"] is None else ToolCall(*data["call"]))
    if "maps" in data:
        return tuple(_heat_of(heat) for heat in data["maps"])
    return float(data["chance"])


def _heat_json(heat: AttentionMap) -> Json:
    return {
        "size": [heat.size.width, heat.size.height],
        "boxes": _numbers_json(heat.boxes),
        "weights": _numbers_json(heat.weights),
    }


def _heat_of(data: Json) -> AttentionMap:
    return AttentionMap(Size(*data["size"]), _numbers_of(data["boxes"]).reshape(-1, 4), _numbers_of(data["weights"]))


def _numbers_json(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, dtype="<f8").tobytes())).decode("ascii")


def _numbers_of(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<f8").copy()


def _whole_json(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, dtype="<i8").tobytes())).decode("ascii")


def _whole_of(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<i8").copy()


def _view_json(view: View) -> list[Any]:
    content = None if view.content is None else view.content.sides
    return [view.source.sides, [view.size.width, view.size.height], view.role, view.row, view.col, content]


def _view_of(data: list[Any]) -> View:
    source, size, role, row, col, content = data
    return View(Box(*source), Size(*size), role, row, col, None if content is None else Box(*content))
