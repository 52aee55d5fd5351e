"""Ends of lines and files."""

from pathlib import Path

import pytest

from tools.text import main


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\nb\n", ""),
        ("", ""),
        ("a \nb\n", ":1: spaces at the end"),
        ("a\nb", "ends with no newline"),
        ("a\n\n", "ends with empty lines"),
    ],
)
def test_faults_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str):
    file = tmp_path / "a.txt"
    file.write_text(text)
    assert main([str(file)]) == (1 if said else 0)
    assert said in capsys.readouterr().out
