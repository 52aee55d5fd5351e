"""A server that counts visual tokens as a published model's plan does, logs every question, and stops when told to."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from saccade.api.planning import plan

TWIN = "qwen2.5-vl-7b"
WORDS = 12
"""Positions of a prompt beside its image."""


class CountingServer:
    """Answers "What is in image N?" with N where the image is shown in at least ``needed[N]`` visual tokens.

    After ``limit`` answers it answers no more: it leaves clients waiting, or is gone where ``dies``. ``asked`` are the
    questions that got an answer, with the visual tokens of their image. It reports ``tells`` more visual tokens than
    there are (None: it does not report them), and ``words`` further positions.
    """

    def __init__(self, needed: dict[int, int], *, tells: int | None = None, words: int = WORDS) -> None:
        self.needed, self.tells, self.words = needed, tells, words
        self.asked: list[tuple[str, int]] = []
        self.limit: int | None = None
        self.dies = False
        self.lock, self.release, self.dead = threading.Lock(), threading.Event(), threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @contextmanager
    def running(self) -> Iterator[None]:
        """On the port of the last time."""
        self.release.clear()
        self.dead.clear()
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self.release.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """A completion; None where there is no more answer."""
        parts = body["messages"][0]["content"]
        question = parts if isinstance(parts, str) else parts[-1]["text"]
        sizes = [] if isinstance(parts, str) else [_size(part["image_url"]["url"]) for part in parts[:-1]]
        visual = sum(plan(TWIN, width=width, height=height).visual_tokens for width, height in sizes)
        if not question.startswith("What is in image "):
            return self._completion("grey", visual)
        number = int(question.removeprefix("What is in image ").removesuffix("?"))
        with self.lock:
            if self.limit is None or len(self.asked) < self.limit:
                self.asked.append((question, visual))
                return self._completion(str(number) if visual >= self.needed.get(number, 0) else "nothing", visual)
        if self.dies:
            self.dead.set()
        else:
            self.release.wait()
        return None

    def _completion(self, text: str, visual: int) -> dict[str, Any]:
        prompt = visual + self.words
        usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1}
        if self.tells is not None:
            usage["prompt_tokens_details"] = {"image_tokens": visual + self.tells}
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {"object": "chat.completion", "choices": [choice], "usage": usage}


def _size(uri: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return image.size


def _handler(server: CountingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"object": "list", "data": [{"id": "counting", "object": "model"}]})

        def do_POST(self) -> None:
            made = server.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if made is not None:
                self._send(made)

        def _send(self, made: dict[str, Any]) -> None:
            try:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(made).encode())
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client was killed, as it was meant to be

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
