"""What is sent: requests as the messages of a chat completion.

Law     one message a turn, its pictures before its words, as PNG in data URIs: what ``views.sight.shown`` gives, pixel
        for pixel. A tool's turn takes no pictures in this API, so they follow in a user's turn of their own, behind all
        answers to calls.
"""

import base64
import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.request import ImageRegion, Tool, ToolCall, Turn
from saccade.views.image_region import shown

Message = dict[str, Any]


def asked(image: Image.Image, sights: Sequence[ImageRegion], question: str) -> list[Message]:
    """A question about some sights, in one turn."""
    return [{"role": "user", "content": _content(question, [shown(image, sight) for sight in sights])}]


def pictured(pictures: Sequence[Image.Image], question: str) -> list[Message]:
    """A question about some pictures as they are, in one turn."""
    return [{"role": "user", "content": _content(question, pictures)}]


def conversation(image: Image.Image, turns: Sequence[Turn]) -> list[Message]:
    """Turns as messages. Raises SaccadeError for what the API has no place for."""
    messages: list[Message] = []
    waiting: list[Image.Image] = []
    call = ""
    for number, turn in enumerate(turns):
        pictures = [shown(image, sight) for sight in turn.sights]
        if turn.role != "tool" and waiting:
            messages.append({"role": "user", "content": _content("", waiting)})
            waiting = []
        if turn.role == "tool":
            answered = (turn.call.id if turn.call is not None else "") or call
            if not answered:
                raise SaccadeError(f"turn {number} is a tool's, but nobody called; put the assistant's call before it")
            messages.append({"role": "tool", "tool_call_id": answered, "content": turn.text})
            waiting += pictures
            continue
        if pictures and turn.role != "user":
            raise SaccadeError(f"turn {number} is the {turn.role}'s and shows {len(pictures)} sights; only users show")
        if turn.call is None:
            messages.append({"role": turn.role, "content": _content(turn.text, pictures)})
        else:
            call = turn.call.id or f"call-{number}"
            messages.append({"role": turn.role, "content": turn.text or None, "tool_calls": [_called(turn.call, call)]})
    if waiting:
        messages.append({"role": "user", "content": _content("", waiting)})
    return messages


def functions(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools as the API describes functions. Raises SaccadeError for parameters that are no JSON object."""
    made: list[dict[str, Any]] = []
    for tool in tools:
        try:
            schema = json.loads(tool.parameters)
        except ValueError as error:
            raise SaccadeError(f"the parameters of the tool {tool.name!r} are no JSON ({error})") from error
        if not isinstance(schema, dict):
            raise SaccadeError(f"the parameters of the tool {tool.name!r} are {schema!r}; give a JSON schema's object")
        described = {"name": tool.name, "description": tool.description, "parameters": schema}
        made.append({"type": "function", "function": described})
    return made


def data_uri(picture: Image.Image) -> str:
    """The picture as PNG, which loses nothing."""
    stream = BytesIO()
    picture.save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _content(text: str, pictures: Sequence[Image.Image]) -> str | list[dict[str, Any]]:
    """Plain text where there is nothing else: some servers take no parts without pictures."""
    if not pictures:
        return text
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_uri(picture)}} for picture in pictures
    ]
    return [*parts, {"type": "text", "text": text}] if text else parts


def _called(call: ToolCall, number: str) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
