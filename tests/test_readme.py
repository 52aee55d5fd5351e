"""What the README tells people to type about planning runs as written."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

from saccade.cli.main import main
from saccade.core.plan import Plan
from tests.views.files import video

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.split("  #")[0].strip() for line in README.splitlines() if line.startswith("saccade plan ")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Image.effect_noise((640, 480), 90).convert("RGB").save(tmp_path / "photo.jpg")
    Image.new("RGB", (300, 400), "white").save(tmp_path / "scan.pdf")
    video(tmp_path / "clip.mp4", frames=30)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_shows_commands():
    assert len(COMMANDS) == 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_as_written(here: Path, monkeypatch: pytest.MonkeyPatch, command: str):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    main()
    assert "--show" not in command or (here / "out.png").stat().st_size > 1000


def test_the_python_lines_run_and_say_what_is_claimed():
    (block,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "saccade.plan(" in block)
    names: dict[str, object] = {}
    exec(block, names)
    plan = names["plan"]
    assert isinstance(plan, Plan)
    assert plan.visual_tokens == 999
    assert "why it is 999 tokens" in README
