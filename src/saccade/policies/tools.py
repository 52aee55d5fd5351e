"""The tool loop: a model that was trained for it calls ``zoom_in`` and is shown the crop, until it answers.

Law     one look a turn; at most ``calls`` crops, then the answer is asked for.
Used with DeepEyes-type models behind an endpoint, and with any that calls functions.
Loses   whatever a call that names no box inside the picture would have shown: the model is told so and goes on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.request import Conversation, ImageRegion, Tool, ToolCall, Turn
from saccade.core.size import Size
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run, talk
from saccade.policies.boxes import around
from saccade.policies.calibration.confidence import certainty
from saccade.policies.wording import wording

SIDES = ("left", "top", "right", "bottom")
NAME = "zoom_in"


@dataclass(frozen=True, kw_only=True)
class ToolLoop(Policy):
    """``calls`` crops at most, ``margin`` around each; looks are at most ``side`` pixels long."""

    calls: int = 4
    margin: float = 0.0
    side: int | None = None
    max_tokens: int = 256

    def __post_init__(self) -> None:
        check_fields(self)
        if self.calls < 1:
            raise SaccadeError(f"a tool loop takes 1 call and more, got {self.calls}")

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE | Cap.INSTRUCT | Cap.TOOLS | Cap.MULTI_IMAGE}

    def run(self, asked: PolicyInput) -> Run:
        """See ``Policy``."""
        turns = [Turn("user", asked.question, (ImageRegion(side=self.side),))]
        boxes: list[Box] = []
        said = yield from talk(self._talk(asked, turns, "the whole picture, with a tool to look closer"))
        last = False
        try:
            while said.call is not None and not last:
                turns.append(Turn("assistant", said.answer.text, (), said.call))
                box = wanted(said.call, asked.size)
                if isinstance(box, str):
                    turns.append(Turn("tool", box, (), said.call))
                else:
                    boxes.append(box)
                    crop = ImageRegion(box=around(box, asked.size, self.margin), side=self.side)
                    turns.append(Turn("tool", "", (crop,), said.call))
                last = sum(turn.role == "tool" for turn in turns) >= self.calls
                said = yield from talk(self._talk(asked, turns, "closer, where it wanted to look", tools=not last))
        except BudgetSpent:
            pass
        return Outcome(said.answer, certainty(said.answer), tuple(boxes))

    def _talk(self, asked: PolicyInput, turns: list[Turn], reason: str, *, tools: bool = True) -> Conversation:
        return Conversation(
            turns=tuple(turns),
            tools=(zoom_tool(),) if tools else (),
            max_tokens=self.max_tokens,
            model=asked.model,
            reason=reason,
        )


def zoom_tool() -> Tool:
    """The function that models are told of: four numbers that are thousandths of the picture's sides."""
    told = {
        name: {"type": "number", "minimum": 0, "maximum": 1000, "description": wording().side.format(name=name)}
        for name in SIDES
    }
    schema = {"type": "object", "properties": told, "required": list(SIDES), "additionalProperties": False}
    return Tool(NAME, wording().tool, json.dumps(schema))


def wanted(call: ToolCall, size: Size) -> Box | str:
    """The box that a call asks for, or what is wrong with it, to be told to the model."""
    if call.name != NAME:
        return f"there is no function {call.name!r}; call {NAME}"
    try:
        given = json.loads(call.arguments)
        left, top, right, bottom = (float(given[name]) / 1000 for name in SIDES)
    except (ValueError, KeyError, TypeError, OverflowError):
        return f"{NAME} takes the numbers {', '.join(SIDES)}, got {call.arguments}"
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        return f"{NAME} takes 0 ≤ left < right ≤ 1000 and 0 ≤ top < bottom ≤ 1000, got {call.arguments}"
    box = Box(left, top, right, bottom).scale(size.width, size.height)
    return box
