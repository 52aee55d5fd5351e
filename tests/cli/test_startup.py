"""What the command line imports before it runs anything."""

import subprocess
import sys

import pytest

from saccade.cli.main import VERBS

HEAVY = ("torch", "transformers", "matplotlib", "PIL", "typeguard")


def heavy(*arguments: str) -> tuple[str, list[str]]:
    """What the command prints, and which of ``HEAVY`` it has imported by then."""
    code = (
        f"import sys; sys.argv = ['saccade', *{arguments}]\n"
        "from saccade.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, _, last = done.stdout.rstrip().rpartition("\n")
    return said, eval(last)


@pytest.mark.parametrize("verb", VERBS)
def test_help_imports_nothing_heavy(verb: str):
    said, found = heavy(verb, "--help")
    assert said.startswith(f"usage: saccade {verb}")
    assert found == []


def test_all_verbs_and_one_of_them_are_explained_without_a_dash():
    assert heavy("help") == heavy("--help") == heavy()
    assert heavy("help", "train") == heavy("train", "--help")


def test_the_version_has_a_short_flag():
    assert heavy("-V") == heavy("--version")


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "saccade", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == heavy("--version")[0] + "\n"


def test_a_reader_that_leaves_is_no_error():
    command = [sys.executable, "-m", "saccade", "plan", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (141, b"")
