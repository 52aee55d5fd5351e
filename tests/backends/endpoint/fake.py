"""A server that answers as it is told to, well or badly, and remembers what it was asked."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Said:
    """One HTTP answer; ``pieces`` come ``gap`` seconds apart."""

    status: int = 200
    pieces: Iterable[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    gap: float = 0.0


Behaviour = Callable[[dict[str, Any]], Said | dict[str, Any]]


class Fake:
    """``behave`` makes the answer to a body; ``seen`` and ``headers`` are what came, in order."""

    def __init__(self) -> None:
        self.behave: Behaviour = completion
        self.models: list[str] = ["tiny"]
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def answer(self, path: str, body: dict[str, Any] | None, headers: Mapping[str, str]) -> Said:
        if path == "/v1/models":
            return said({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        if path != "/v1/chat/completions" or body is None:
            return said({"error": {"message": f"no {path} here"}}, 404)
        self.seen.append(body)
        self.headers.append({name.lower(): text for name, text in headers.items()})
        made = self.behave(body)
        return made if isinstance(made, Said) else said(made)


def said(found: object, status: int = 200, **headers: str) -> Said:
    return Said(status, (json.dumps(found).encode(),), {name.replace("_", "-"): text for name, text in headers.items()})


def completion(body: dict[str, Any]) -> dict[str, Any]:
    """Well behaved: says "red", and how likely it was where it was asked."""
    return reply("red", body)


def reply(
    text: str | None, body: dict[str, Any], first: Mapping[str, float] | None = None, **changes: Any
) -> dict[str, Any]:
    """A completion; ``first`` are probabilities in the first place, ``changes`` go to the choice."""
    chances = first or {"red": 0.5, "blue": 0.25}
    place = {"token": text or "", "logprob": math.log(chances.get(text or "", 0.5)), "bytes": None}
    listed = [{"token": token, "logprob": math.log(chance)} for token, chance in chances.items()]
    place["top_logprobs"] = listed[: body.get("top_logprobs", 0)]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        "logprobs": {"content": [place]} if body.get("logprobs") else None,
    }
    usage = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}
    return {"object": "chat.completion", "choices": [{**choice, **changes}], "usage": usage}


def pictures(body: dict[str, Any]) -> list[str]:
    """The data URIs of a body, in order."""
    parts = [
        part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]
    ]
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]


@contextmanager
def running() -> Iterator[Fake]:
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(fake.answer(self.path, None, self.headers))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(fake.answer(self.path, body, self.headers))

        def _send(self, made: Said) -> None:
            try:
                self.send_response(made.status)
                for name, text in {"Content-Type": "application/json", "Connection": "close", **made.headers}.items():
                    self.send_header(name, text)
                self.end_headers()
                for piece in made.pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    time.sleep(made.gap)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client gave up, as it was meant to
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
