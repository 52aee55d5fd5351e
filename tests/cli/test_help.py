"""Help texts: every argument once, in groups, in a user's words; examples that the verbs take; shell completion."""

import functools
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import tyro
from tyro.conf import FlagCreatePairsOff

from saccade.cli.help import NARROWEST, WIDEST, Help, help_of
from saccade.cli.main import VERBS, main

LAYOUTS: dict[str, Help] = {verb: import_module(module).HELP for verb, (module, _) in VERBS.items()}
RUNS: dict[str, Callable[..., None]] = {
    verb: getattr(import_module(module), verb) for verb, (module, _) in VERBS.items()
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_argument_stands_in_one_group_and_is_explained(verb: str):
    layout = LAYOUTS[verb]
    placed = [*layout.arguments, *(name for names in layout.groups.values() for name in names)]
    assert sorted(placed) == sorted(inspect.signature(RUNS[verb]).parameters)
    text = help_of(verb, RUNS[verb], layout, width=WIDEST)
    for name in placed:
        if name not in layout.arguments:
            assert len(re.findall(rf"^  --{name.replace('_', '-')}( |$)", text, re.MULTILINE)) == 1, name


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("width", [NARROWEST, 80, WIDEST])
def test_the_words_are_a_users_and_nothing_but_commands_is_wider_than_the_terminal(verb: str, width: int):
    text = help_of(verb, RUNS[verb], LAYOUTS[verb], width=width)
    said = [line for line in text.splitlines() if line.strip() not in LAYOUTS[verb].commands]
    assert all(len(line) <= width for line in said[1:] if " " in line.strip() and not re.search(r"\||://", line))
    for riddle in ("[[", "STR", "{None}", "(default: )", "--no-"):
        assert riddle not in "\n".join(said), riddle


@pytest.mark.parametrize(
    ("verb", "command"), [(verb, command) for verb, layout in LAYOUTS.items() for command in layout.commands]
)
def test_an_example_is_taken_by_its_verb(verb: str, command: str):
    if verb == "completion":
        return
    _, asked, *arguments = shlex.split(command)
    taken: list[dict[str, object]] = []

    @functools.wraps(RUNS[asked])
    def caught(*positional: object, **named: object) -> None:
        taken.append(named)

    tyro.cli(caught, args=arguments, config=(FlagCreatePairsOff,))
    assert len(taken) == 1


def test_defaults_are_told_where_they_say_something():
    text = help_of("ask", RUNS["ask"], LAYOUTS["ask"], width=WIDEST)
    assert "(default: llava)" in text
    assert text.count("(default:") == 5


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_verbs_and_options(shell: str, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr(sys, "argv", ["saccade", "completion", shell])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    script = capsys.readouterr().out
    assert all(verb in script for verb in VERBS)
    assert "within-loss" in script


def test_bash_completes_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr(sys, "argv", ["saccade", "completion", "bash"])
    with pytest.raises(SystemExit):
        main()
    (tmp_path / "script").write_text(capsys.readouterr().out)
    function = re.search(r"complete .*-F (\w+)", (tmp_path / "script").read_text())
    assert function is not None
    lines = f"""source {tmp_path}/script
COMP_WORDS=(saccade compare --bud); COMP_CWORD=2
{function[1]} saccade --bud compare
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True)
    assert "--budgets" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("completion", "basch"), "did you mean bash"),
        (("help", "plan", "ask"), "saccade help takes one verb, got plan ask"),
        (("help", "paln"), "did you mean plan"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["saccade", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
