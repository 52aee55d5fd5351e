"""A chat completion's body, read without trust: everything in it is understood, or refused with its name.

A reader here reads one picture and one question, and answers greedily. So a body holds one user's turn with one
picture, as a data URI: nothing is fetched for a client, from nowhere.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saccade.api.serving import ServerLimits
from saccade.core.errors import unknown
from saccade.web.refusal import RefusalError

PICTURES = 1
"""A question is about so many."""
ALTERNATIVES = 20
"""Listed for a token at most, as everywhere in this API."""
MAX_TOKENS = 64
"""Of an answer, where a body does not say."""

# Values that change nothing here, by parameter; None always says the same as leaving it out.
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "temperature": (0,),
    "top_p": (1,),
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
}
_UNUSED = ("seed", "user")  # greedy answers need no seed, and nobody is counted here
_KNOWN = (
    "model", "messages", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "stream", "stream_options",
    *_NEUTRAL, *_UNUSED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chat:
    """What is asked: a ``picture`` file's bytes, a question, and how it is answered."""

    picture: bytes
    text: str
    max_tokens: int
    logprobs: bool
    top: int
    stream: bool
    usage: bool


def read(body: bytes, served: str, limits: ServerLimits) -> Chat:
    """Raises RefusalError for everything else."""
    found = _object(body)
    for name, value in found.items():
        if name not in _KNOWN:
            raise RefusalError(str(unknown("parameter", name, _KNOWN)), param=name, code="unknown_parameter")
        if value is not None and name in _NEUTRAL and (isinstance(value, bool) or value not in _NEUTRAL[name]):
            expected = " or ".join(map(str, _NEUTRAL[name]))
            raise RefusalError(
                f"answers are greedy: {name} is {expected}, got {_short(value)}; leave it out", param=name
            )
    model = found.get("model")
    if model != served:
        raise RefusalError(str(unknown("model", str(model), (served,))), 404, "model", "model_not_found")
    top = _whole(found, "top_logprobs", 0, ALTERNATIVES) or 0
    logprobs, stream = _flag(found, "logprobs"), _flag(found, "stream")
    if top and not logprobs:
        raise RefusalError(f"top_logprobs={top} needs logprobs=true; add it", param="top_logprobs")
    text, uri = _message(found.get("messages"))
    return Chat(
        _data(uri),
        _sound(text, limits.characters),
        _max_tokens(found, limits.max_tokens),
        logprobs,
        top,
        stream,
        _usage(found.get("stream_options"), stream),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"the body is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise RefusalError(f"the body is {_short(found)}; send a JSON object")
    return found


def _message(messages: object) -> tuple[str, str]:
    """The words and the picture's URI of the one turn there is."""
    turns = messages if isinstance(messages, list) else []
    roles = [str(turn.get("role")) if isinstance(turn, dict) else "?" for turn in turns]
    if roles != ["user"]:
        raise RefusalError(
            f"messages hold one turn of the user, got {', '.join(roles) or 'none'}; this model reads no conversations",
            param="messages",
        )
    content = turns[0].get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    words, uris = [], []
    for part in parts:
        match part:
            case {"type": "text", "text": str(said)}:
                words.append(said)
            case {"type": "image_url", "image_url": {"url": str(uri), **rest}}:
                _automatic(rest)
                uris.append(uri)
            case _:
                raise RefusalError(
                    f"content is text and image_url parts, got {_short(part)}; see the API's reference",
                    param="messages",
                )
    if len(uris) != PICTURES:
        raise RefusalError(
            f"this model reads {PICTURES} picture a question, got {len(uris)}; send {PICTURES}", param="messages"
        )
    return "\n".join(words), uris[0]


def _automatic(rest: Mapping[str, object]) -> None:
    """How closely a picture is looked at is the reader's own affair."""
    for name, value in rest.items():
        if name != "detail" or value not in (None, "auto"):
            raise RefusalError(
                f"image_url takes a url alone, got {name}={_short(value)}; the model has one way of looking",
                param="messages",
            )


def _data(uri: str) -> bytes:
    head, comma, data = uri.partition(",")
    kind, *options = head.split(";")
    if not comma or not kind.lower().startswith("data:image/") or "base64" not in options:
        raise RefusalError(
            f"a picture is a data URI (data:image/png;base64,…), got {_short(uri)}; nothing is fetched from elsewhere",
            param="messages",
            code="invalid_image_url",
        )
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:  # binascii's own, and the one for letters beyond ASCII
        raise RefusalError(f"a picture's data is no base64 ({error})", param="messages") from error


def _sound(text: str, most: int) -> str:
    if len(text) > most:
        raise RefusalError(f"a question has at most {most} characters, got {len(text)}", param="messages")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusalError(
            f"a question is Unicode text; half a character is none ({error})", param="messages"
        ) from error
    return text


def _max_tokens(found: Mapping[str, object], most: int) -> int:
    given = [_whole(found, name, 1, most) for name in ("max_completion_tokens", "max_tokens")]
    if None not in given and given[0] != given[1]:
        raise RefusalError(
            f"max_completion_tokens={given[0]} and max_tokens={given[1]} mean the same; send one", param="max_tokens"
        )
    return next((value for value in given if value is not None), min(MAX_TOKENS, most))


def _whole(found: Mapping[str, object], name: str, least: int, most: int) -> int | None:
    value = found.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RefusalError(f"{name} is a whole number from {least} to {most}, got {_short(value)}", param=name)
    return value


def _flag(found: Mapping[str, object], name: str) -> bool:
    value = found.get(name)
    if value is not None and not isinstance(value, bool):
        raise RefusalError(f"{name} is true or false, got {_short(value)}", param=name)
    return bool(value)


def _usage(options: object, stream: bool) -> bool:
    """Whether a stream ends with what was counted; an answer in one piece always says it."""
    match options:
        case None:
            return False
        case {"include_usage": bool(wanted), **rest} if stream and not rest:
            return wanted
        case _:
            raise RefusalError(
                f"stream_options is {{'include_usage': true}} beside stream=true, got {_short(options)}",
                param="stream_options",
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + " …"
