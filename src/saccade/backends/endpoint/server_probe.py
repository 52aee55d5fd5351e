"""What a server can do is found out by asking it, since many leave out silently what they do not do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from saccade.backends.endpoint.messages import Message, pictured
from saccade.backends.endpoint.reply import ServerReply
from saccade.backends.endpoint.transport import RefusedError
from saccade.core.caps import Cap

LIMIT = 20
"""Alternatives at most that the API lists for a token."""
_FEWER = 5  # where a server lists fewer
_REFUSALS = (400, 415, 422)
_SIDE = 64  # no smaller than what any processor cuts a picture into

Send = Callable[[list[Message], int, int | None], ServerReply]
"""Sends messages: at most so many tokens, with so many alternatives for each (None: no log-probabilities)."""


@dataclass(frozen=True, slots=True)
class ServerProbe:
    """Capabilities, and how many alternatives are listed at most."""

    caps: Cap
    most: int


def found(send: Send) -> ServerProbe:
    """Ask about a small grey picture, then about two, then about none: who answers that follows instructions.

    A server that refuses the picture but not the words answers no questions about pictures. One that refuses the words
    too is given up, with what it said.
    """
    for alternatives in (LIMIT, _FEWER, None):
        try:
            reply = _asked(send, 1, alternatives)
        except RefusedError as error:
            if error.status not in _REFUSALS:
                raise
            continue
        caps = Cap.GENERATE
        if reply.logprobs:
            caps |= Cap.LOGPROBS | (Cap.TOPK if reply.top else Cap(0))
        if reply.visual_tokens is not None:
            caps |= Cap.RESIZE
        return ServerProbe(caps | _if(send, 2, Cap.MULTI_IMAGE) | _if(send, 0, Cap.INSTRUCT), alternatives or 0)
    _asked(send, 0, None)
    return ServerProbe(Cap.INSTRUCT, 0)


def _if(send: Send, pictures: int, cap: Cap) -> Cap:
    """``cap`` where so many pictures are taken."""
    try:
        _asked(send, pictures, None)
    except RefusedError as error:
        if error.status not in _REFUSALS:
            raise
        return Cap(0)
    return cap


def _asked(send: Send, pictures: int, alternatives: int | None) -> ServerReply:
    greys: Sequence[Image.Image] = [Image.new("RGB", (_SIDE, _SIDE), "gray")] * pictures
    return send(pictured(greys, "Which colour is this?"), 1, alternatives)
