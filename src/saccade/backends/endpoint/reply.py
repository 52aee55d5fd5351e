"""What comes back: a chat completion's JSON, read without trust."""

import json
import math
from dataclasses import dataclass
from typing import Any

from saccade.core.answer import Alternatives
from saccade.core.errors import SaccadeError
from saccade.core.request import ToolCall

LEAST = -9999.0
"""What stands for a log-probability of minus infinity: JSON has none."""
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class ServerReply:
    """One choice: ``text`` is None where nothing was said. Tokens that the server did not count are None."""

    text: str | None
    call: ToolCall | None
    finish: str
    logprobs: tuple[float, ...]
    top: tuple[Alternatives, ...]
    tokens: int | None
    visual_tokens: int | None


def read(body: bytes, who: str) -> ServerReply:
    """The first choice of a completion. Raises SaccadeError, which begins with ``who``, for what is none."""
    found = parsed(body, who)
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _strange(who, "without choices", found)
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise _strange(who, "without a message", found)
    text = message.get("content") if message.get("content") is not None else message.get("refusal")
    if text is not None and not isinstance(text, str):
        raise _strange(who, "whose content is no text", found)
    logprobs, top = _chances(choices[0].get("logprobs"), who, found)
    tokens, visual = _usage(found.get("usage"))
    finish = choices[0].get("finish_reason")
    return ServerReply(text, _call(message, who, found), str(finish or ""), logprobs, top, tokens, visual)


def parsed(body: bytes, who: str) -> dict[str, Any]:
    """The JSON object that a server answered with. Raises SaccadeError for anything else, errors in disguise too."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        start = body[:_SHOWN].decode("utf-8", "replace")
        raise SaccadeError(
            f"{who} answered with what is no JSON: {start!r}; check that the URL is that of the API, such as "
            "http://localhost:8000/v1"
        ) from error
    if not isinstance(found, dict):
        raise _strange(who, "that is no object", found)
    if found.get("error"):  # some servers report faults with status 200
        raise SaccadeError(f"{who} answered with an error: {_short(found['error'])}")
    return found


def _strange(who: str, what: str, found: object) -> SaccadeError:
    return SaccadeError(f"{who} answered with JSON {what}: {_short(found)}; is it an OpenAI-compatible server?")


def _short(found: object) -> str:
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"


def _call(message: dict[str, Any], who: str, found: object) -> ToolCall | None:
    """The first call. Of several the others are left out of the conversation: a model that needs them calls again."""
    calls = message.get("tool_calls")
    if not calls:
        return None
    try:
        function = calls[0]["function"]
        name, arguments = function["name"], function.get("arguments", "{}")
        number = calls[0].get("id") or ""
    except (LookupError, TypeError, AttributeError) as error:
        raise _strange(who, "whose tool_calls are none", found) from error
    return ToolCall(str(name), arguments if isinstance(arguments, str) else json.dumps(arguments), str(number))


def _chances(given: object, who: str, found: object) -> tuple[tuple[float, ...], tuple[Alternatives, ...]]:
    """Log-probabilities and alternatives of each token; nothing where the server tells none."""
    places = given.get("content") if isinstance(given, dict) else None
    if not places:
        return (), ()
    try:
        chosen = tuple(_number(place["logprob"]) for place in places)
        top = tuple(
            tuple(sorted(((str(one["token"]), _number(one["logprob"])) for one in place.get("top_logprobs") or ()),
                         key=lambda pair: -pair[1]))
            for place in places
        )  # fmt: skip
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _strange(who, "whose logprobs are no log-probabilities", found) from error
    return chosen, top if any(top) else ()


def _number(given: str | float) -> float:
    """Finite and at most 0, as rounding may leave a little more."""
    number = float(given)
    if math.isnan(number):
        raise ValueError("no number")
    return min(max(number, LEAST), 0.0)


def _usage(given: object) -> tuple[int | None, int | None]:
    """Tokens read, and those of pictures among them; None where the server did not count, or its sums do not agree."""
    if not isinstance(given, dict):
        return None, None
    prompt, said, total = (_count(given.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if prompt is None or (said is not None and total is not None and prompt + said != total):
        return None, None
    details = given.get("prompt_tokens_details")
    return prompt, _count(details.get("image_tokens")) if isinstance(details, dict) else None


def _count(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None
