"""What the README says of the server runs as written."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from saccade.cli.main import main
from saccade.tasks.scenes import Scene
from tests.servers import Running

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_command(monkeypatch: pytest.MonkeyPatch):
    (command,) = [line.split("  #")[0].strip() for line in README.splitlines() if line.startswith("saccade serve ")]
    told: list[object] = []
    monkeypatch.setattr("saccade.web.run.run", lambda *arguments: told.extend(arguments))
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    main()
    assert told[1:3] == ["127.0.0.1", 8000]
    assert "http://127.0.0.1:8000/v1" in README


def test_the_lines_of_a_client(ours: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "OpenAI(" in block]
    Scene("test", 0).image().save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(block.replace("http://127.0.0.1:8000/v1", ours.url) + "\nsaid = found.choices[0].message.content", names)
    assert names["said"] == Scene("test", 0).background
