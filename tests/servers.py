"""Two servers that really run, one a session: ours over an embedded reader, and that of transformers over a tiny LLaVA.

They are fixtures of every test: ``ours`` and ``theirs``, each with its ``url`` and the ``model`` that it serves.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %} {% endfor %}ASSISTANT:"
)
NEEDED = ("accelerate", "fastapi", "openai", "uvicorn")


@dataclass(frozen=True)
class Running:
    """A server: where its API is, and what it calls its model. ``folder`` is where that lies, if it does."""

    url: str
    model: str
    folder: Path | None = None


@pytest.fixture(scope="session")
def ours() -> Iterator[Running]:
    """``saccade serve`` over the embedded llava, in a thread of this process."""
    _skip_without("fastapi", "uvicorn")
    from saccade.api.serving import serving

    with served(serving("llava")) as running:
        yield running


@contextmanager
def served(serving: object) -> Iterator[Running]:
    """Any ``saccade.api.serving.Serving`` behind its API, in a thread of this process."""
    from saccade.api.serving import Serving
    from saccade.web.run import listening, server

    assert isinstance(serving, Serving)
    door = listening("127.0.0.1", 0)
    running = server(serving)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{door.getsockname()[1]}/v1", serving.name)
    finally:
        running.should_exit = True
        thread.join()
        door.close()


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """``transformers serve`` over a tiny LLaVA with random weights, in a process of its own."""
    _skip_without(*NEEDED)
    from tests.architectures.llava.folders import checkpoint

    room = tmp_path_factory.mktemp("theirs")
    folder, cache = room / "llava", room / "cache"
    torch.manual_seed(0)
    _, processor = checkpoint(folder)
    processor.chat_template = TEMPLATE
    processor.save_pretrained(folder)
    cache.mkdir()  # where it is missing, their list of models is an error
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--device", "cpu"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}
    log = room / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], env=env, stdout=written, stderr=subprocess.STDOUT
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield Running(f"http://127.0.0.1:{port}/v1", str(folder), folder)
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    pytest.fail(f"transformers serve did not come up:\n{log.read_text()[-2000:]}")


def _skip_without(*names: str) -> None:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        pytest.skip(f"this server needs {', '.join(missing)}: pip install 'saccade[test]'")
