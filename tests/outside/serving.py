"""A server in a process of its own, asked once."""

import base64
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.outside.site import environment


def answers(arguments: Sequence[str], site: Path, folder: Path) -> str:
    """What ``saccade serve …`` answers about ``photo.png``; its process ends with this call."""
    command = [sys.executable, "-m", "saccade", *arguments, "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(site), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stderr is not None
            line = server.stdout.readline()
            found = re.search(r"(\S+) answers at (http://\S+)", line)
            assert found, line + server.stderr.read()
            return _asked(found[2], found[1], folder / "photo.png")
        finally:
            server.terminate()


def _asked(url: str, model: str, picture: Path) -> str:
    image = f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    content = [
        {"type": "image_url", "image_url": {"url": image}},
        {"type": "text", "text": "What color is the background?"},
    ]
    body = {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": content}]}
    address = url.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(json.load(reply)["choices"][0]["message"]["content"])
