"""Answers and errors in the shapes of the API."""

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from saccade.api.serving import QueuedReply
from saccade.core.errors import SaccadeError


def models(name: str) -> dict[str, Any]:
    """The one model that is served."""
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "saccade"}]}


def error(said: str, status: int, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """An error object. Half characters that a client sent and is told of are replaced: no text holds them."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": _whole(said), "type": kind, "param": param and _whole(param), "code": code}}


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def completion(told: QueuedReply, name: str, logprobs: bool) -> dict[str, Any]:
    """The whole answer in one object."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": told.answer.text, "refusal": None},
        "logprobs": _chances(told) if logprobs else None,
        "finish_reason": _finish(told),
    }
    return {**_head("chat.completion", name), "choices": [choice], "usage": usage(told)}


async def stream(parts: AsyncIterator[QueuedReply], name: str, logprobs: bool, counted: bool) -> AsyncIterator[str]:
    """The same as events, from an answer that grows: each of ``parts`` is all that was said so far, the last one the
    whole. What breaks off in between ends with an error.
    """
    head = _head("chat.completion.chunk", name)
    yield _event(head, [_delta({"role": "assistant", "content": ""})])
    told, said, tokens = None, "", 0
    try:
        async for part in parts:
            piece, chances = _more(part, said), _chances(part)["content"][tokens:]
            # Whether a character is whole is not known before its last token; what is whole at the end is all there is.
            if told is not None and _said(part) == tokens:
                piece = part.answer.text[len(said) :]
            if piece or (logprobs and chances):
                held = {"content": chances, "refusal": None} if logprobs else None
                yield _event(head, [{**_delta({"content": piece}), "logprobs": held}])
            told, said, tokens = part, said + piece, _said(part)
    except (SaccadeError, RuntimeError) as broken:
        yield f"data: {json.dumps(error(str(broken), 500), ensure_ascii=False)}\n\n"
        return
    assert told is not None
    yield _event(head, [{**_delta({}), "finish_reason": _finish(told)}])
    if counted:
        yield _event({**head, "usage": usage(told)}, [])
    yield "data: [DONE]\n\n"


def _more(part: QueuedReply, said: str) -> str:
    """What an answer says beyond ``said``; nothing yet where it ends inside a character."""
    text = part.answer.text
    return "" if text.endswith("\N{REPLACEMENT CHARACTER}") or not text.startswith(said) else text[len(said) :]


def usage(told: QueuedReply) -> dict[str, Any] | None:
    """Positions read and tokens said, None where the model does not report them. ``image_tokens`` are visual tokens:
    where a model reads them beside its sequence, they are not among the prompt's.
    """
    if told.tokens is None:
        return None
    said, seen = _said(told), {} if told.visual_tokens is None else {"image_tokens": told.visual_tokens}
    return {
        "prompt_tokens": told.tokens,
        "completion_tokens": said,
        "total_tokens": told.tokens + said,
        "prompt_tokens_details": {**seen, "cached_tokens": 0},
    }


def _head(kind: str, name: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": name}


def _delta(delta: dict[str, str]) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}


def _event(head: dict[str, Any], choices: list[dict[str, Any]]) -> str:
    return f"data: {json.dumps({**head, 'choices': choices}, ensure_ascii=False)}\n\n"


def _finish(told: QueuedReply) -> str:
    return "stop" if told.ended else "length"


def _chances(told: QueuedReply) -> dict[str, Any]:
    """Of every token, the end marker with them: an answer's likelihood includes that it ends."""
    answer = told.answer
    top = answer.top or ((),) * len(answer.logprobs)
    places = [
        {**_token(spelt, chance), "top_logprobs": [_token(*pair) for pair in others]}
        for spelt, chance, others in zip(_spelt(told), answer.logprobs, top, strict=True)
    ]
    return {"content": places, "refusal": None}


def _spelt(told: QueuedReply) -> tuple[str, ...]:
    """The tokens as text; without any of a model that does not spell them."""
    return told.spelt or ("",) * len(told.answer.logprobs)


def _said(told: QueuedReply) -> int:
    """Tokens of an answer: a server counts by log-probabilities, where it tells no ids."""
    return len(told.answer.tokens) or len(told.answer.logprobs)


def _token(spelt: str, chance: float) -> dict[str, Any]:
    return {"token": spelt, "logprob": chance, "bytes": list(spelt.encode())}
