"""The API as a web application: routes, bounds on what comes in, errors in the API's shape."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

from saccade.api.serving import BusyError, QueuedQuestion, QueuedReply, ServerLimits, Serving, open_picture
from saccade.core.errors import SaccadeError
from saccade.web import chat, shapes
from saccade.web.refusal import RefusalError

try:
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response, StreamingResponse
    from starlette.exceptions import HTTPException
except ImportError as error:
    raise SaccadeError(f"serving needs fastapi ({error}): pip install 'saccade[serve]'") from error

WAIT = 1
"""Seconds until it is worth asking again when there is no room."""


def app(serving: Serving) -> FastAPI:
    """The application; its queue closes with it."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(serving.queue.close)

    # No pages of its own: those would load scripts from elsewhere.
    made = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)

    @made.get("/v1/models")
    async def models() -> Response:
        return JSONResponse(shapes.models(serving.name))

    @made.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        with ExitStack() as place:
            place.enter_context(serving.queue.place())
            return await _complete(serving, await _body(request, serving.limits), place)

    made.add_exception_handler(SaccadeError, _refused)
    made.add_exception_handler(HTTPException, _no_route)
    made.add_exception_handler(Exception, _failed)
    return made


async def _complete(serving: Serving, body: bytes, place: ExitStack) -> Response:
    asked, question = await asyncio.to_thread(_question, serving, body)
    if not asked.stream:
        told = await asyncio.wrap_future(serving.queue.ask(question))
        return JSONResponse(shapes.completion(told, serving.name, asked.logprobs))
    parts = await _parts(serving, question, place)
    return StreamingResponse(
        shapes.stream(parts, serving.name, asked.logprobs, asked.usage), media_type="text/event-stream"
    )


async def _parts(serving: Serving, question: QueuedQuestion, place: ExitStack) -> AsyncIterator[QueuedReply]:
    """An answer as it grows, and the whole of it at last. It keeps its place until it is there, whoever listens; what
    is refused before the first token is raised at once.
    """
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[QueuedReply | None]()

    def tell(told: QueuedReply | None) -> None:
        with suppress(RuntimeError):  # the loop is gone, and nobody listens
            loop.call_soon_threadsafe(heard.put_nowait, told)

    asking = serving.queue.ask(question, tell)
    kept = place.pop_all()
    asking.add_done_callback(lambda _: kept.close())
    asking.add_done_callback(lambda _: tell(None))
    whole = asyncio.wrap_future(asking)
    first = await heard.get()
    if first is None:
        await whole

    async def parts() -> AsyncIterator[QueuedReply]:
        part = first
        while part is not None:
            yield part
            part = await heard.get()
        yield await whole

    return parts()


def _question(serving: Serving, body: bytes) -> tuple[chat.Chat, QueuedQuestion]:
    asked = chat.read(body, serving.name, serving.limits)
    for name, wanted, able in (
        ("logprobs", asked.logprobs, serving.logprobs),
        ("top_logprobs", asked.top > 0, serving.alternatives),
    ):
        if wanted and not able:
            raise RefusalError(f"{serving.name} does not report {name}; leave it out", param=name)
    picture = open_picture(asked.picture, limit=serving.limits.pixels)
    return asked, QueuedQuestion(picture, asked.text, asked.max_tokens, asked.top)


async def _body(request: Request, limits: ServerLimits) -> bytes:
    """The body within its bounds. A little more is read and thrown away, so that a client hears why."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusalError(f"send JSON as application/json, got {kind or 'no content-type'}", 415)
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for piece in request.stream():
                length += len(piece)
                if length <= limits.body:
                    body += piece
                elif length > 4 * limits.body:
                    break
    except TimeoutError as error:
        raise RefusalError(f"the body was not there within {limits.seconds:g} s; send it faster", 408) from error
    if length > limits.body:
        raise RefusalError(f"a body has at most {limits.body} bytes; send a smaller picture", 413)
    return bytes(body)


async def _refused(_: Request, error: Exception) -> Response:
    """Whatever saccade refuses is the client's fault, unless there is no room."""
    if isinstance(error, BusyError):
        return JSONResponse(shapes.error(str(error), 503, code="busy"), 503, {"Retry-After": str(WAIT)})
    if isinstance(error, RefusalError):
        return JSONResponse(shapes.error(str(error), error.status, error.param, error.code), error.status)
    return JSONResponse(shapes.error(str(error), 400), 400)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = f"{request.method} {request.url.path}: {error.detail}; there are /v1/chat/completions and /v1/models"
    return JSONResponse(shapes.error(said, error.status_code), error.status_code, error.headers)


async def _failed(_: Request, error: Exception) -> Response:
    """What was not foreseen; the log has the rest."""
    return JSONResponse(shapes.error(f"the server failed ({type(error).__name__})", 500), 500)
