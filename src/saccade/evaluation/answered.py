"""One question as it was answered: what a row, a verdict or a fitted ladder is computed from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from saccade.core.answer import Answer
from saccade.core.box import Box
from saccade.core.records.trace_codec import Json, answer_json, answer_of, look_json, look_of
from saccade.core.trace import Trace
from saccade.policies.base import Outcome, Result


@dataclass(frozen=True, eq=False, kw_only=True)
class Answered:
    """The answer to question ``place`` of ``picture``: its text ``said``, what of it was ``read`` as the answer, and
    its ``score`` from 0 to 1; ``note`` says why nothing was read, ``error`` why there is no answer.

    Costs are of all its looks: ``visual_tokens`` as they count against a budget, ``tokens`` positions of prompts,
    ``slots`` positions that pictures added, FLOPs ``predicted`` and ``counted`` by torch, ``bytes`` held at most,
    milliseconds. None stands for what nobody knows. ``looks`` is how many there were.
    """

    picture: str
    place: int
    said: str
    read: str
    score: float
    visual_tokens: int
    tokens: int | None
    slots: int | None
    predicted: int | None
    counted: int | None
    bytes: int | None
    ms: float
    looks: int
    error: str | None = None
    note: str = ""
    stored: Json | None = None
    fresh: Result | None = None

    @cached_property
    def result(self) -> Result:
        """The policy's result, of a candidate whose looks are stored."""
        if self.fresh is not None:
            return self.fresh
        assert self.stored is not None, "looks are stored where a result is asked for"
        return _result_of(self.stored, self.error)

    def to_json(self, *, detailed: bool) -> Json:
        """As one line of the journal; with every look where ``detailed``."""
        made: Json = {
            "picture": self.picture,
            "question": self.place,
            "said": self.said,
            "read": self.read,
            "score": self.score,
            "visual_tokens": self.visual_tokens,
            "tokens": self.tokens,
            "slots": self.slots,
            "flops": {"predicted": self.predicted, "counted": self.counted},
            "bytes": self.bytes,
            "ms": self.ms,
            "looks": self.looks,
        }
        if self.error is not None:
            made["error"] = self.error
        if self.note:
            made["note"] = self.note
        if detailed:
            made["result"] = self.stored if self.fresh is None else _result_json(self.fresh)
        return made

    @classmethod
    def of_json(cls, data: Json) -> "Answered":
        """What ``to_json`` wrote."""
        return cls(
            picture=data["picture"],
            place=data["question"],
            said=data["said"],
            read=data["read"],
            score=data["score"],
            visual_tokens=data["visual_tokens"],
            tokens=data["tokens"],
            slots=data["slots"],
            predicted=data["flops"]["predicted"],
            counted=data["flops"]["counted"],
            bytes=data["bytes"],
            ms=data["ms"],
            looks=data["looks"],
            error=data.get("error"),
            note=data.get("note", ""),
            stored=data.get("result"),
        )


def _result_json(result: Result) -> Json:
    """A result without its attention map, which only drawings need."""
    outcome = result.outcome
    return {
        "answer": answer_json(outcome.answer),
        "confidence": outcome.confidence,
        "boxes": [box.sides for box in outcome.boxes],
        "abstains": outcome.abstains,
        "level": outcome.level,
        "looks": [look_json(look) for look in result.trace.looks],
    }


def _result_of(data: dict[str, Any], error: str | None) -> Result:
    answer: Answer = answer_of(data["answer"])
    boxes = tuple(Box(*sides) for sides in data["boxes"])
    outcome = Outcome(answer, data["confidence"], boxes, None, data["abstains"], data["level"])
    return Result(outcome, Trace(tuple(look_of(look) for look in data["looks"])), error)
