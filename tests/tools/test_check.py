"""Which tests ``make check`` runs for a change."""

import subprocess
from pathlib import Path

import pytest

from tools.check import WIDELY, changed, choose, gates, importing, main, mirror_of, module_of

FILES = {
    "src/saccade/core/size.py": "",
    "src/saccade/core/box.py": "from saccade.core.size import Size\n",
    "src/saccade/nn/__init__.py": "",
    "tests/parts.py": "from saccade.core.box import Box\n",
    "tests/core/test_size.py": "from saccade.core.size import Size\n",
    "tests/core/test_box.py": "from saccade.core import (\n    box,\n)\n",
    "tests/nn/test_more.py": "from tests.parts import part\n",
    "tests/nn/test_other.py": "import saccade.core.sizes\n",
    "tests/test_readme.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("src/saccade/core/size.py", ["tests/core/test_size.py"]),
        ("src/saccade/core/box.py", ["tests/core/test_box.py", "tests/nn/test_more.py"]),
        ("tests/parts.py", ["tests/nn/test_more.py"]),
        ("tests/nn/test_more.py", ["tests/nn/test_more.py"]),
        ("README.md", ["tests/test_readme.py"]),
        ("docs/log.md", []),
    ],
)
def test_a_change_chooses_its_mirror_and_who_imports_it(root: Path, path: str, tests: list[str]):
    chosen = choose(root, [path])
    assert list(chosen.tests) == tests
    assert chosen.left_out == ()


def test_a_module_that_many_import_is_tested_by_its_mirror_and_that_is_said(root: Path):
    for place in range(WIDELY + 1):
        (root / f"tests/nn/test_{place}.py").write_text("from saccade.core.size import Size\n")
    chosen = choose(root, ["src/saccade/core/size.py"])
    assert chosen.tests == ("tests/core/test_size.py",)
    assert f"{WIDELY + 1} test files import saccade.core.size" in chosen.left_out[0]


def test_modules_and_mirrors():
    assert module_of("src/saccade/nn/__init__.py") == "saccade.nn"
    assert module_of("docs/log.md") is None
    assert module_of("benchmarks/run.py") is None
    assert mirror_of("src/saccade/core/size.py") == "tests/core/test_size.py"
    tests = {name: text for name, text in FILES.items() if name.startswith("tests/")}
    assert importing("saccade.core.size", tests) == ["tests/core/test_size.py"]


def test_types_are_checked_of_changed_sources_alone(root: Path):
    found = dict(gates(root, ["src/saccade/core/size.py", "tests/parts.py", "README.md", "src/saccade/gone.py"]))
    assert found["style"][2:] == ["src/saccade/core/size.py", "tests/parts.py"]
    assert found["types"][-1] == "src/saccade/core/size.py"
    assert "types" not in dict(gates(root, ["tests/parts.py"]))
    assert gates(root, ["README.md"]) == []


def test_changes_are_those_since_the_branch_left_and_new_files(root: Path, monkeypatch, capsys):
    def git(*arguments: str) -> None:
        names = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *names, *arguments], cwd=root, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "first")
    assert changed(root) == []
    git("checkout", "-qb", "mine")
    (root / "src/saccade/core/size.py").write_text("A = 1\n")
    git("commit", "-qam", "second")
    (root / "src/saccade/core/box.py").write_text("B = 1\n")
    (root / "tests/nn/test_new.py").write_text("")
    expected = ["src/saccade/core/box.py", "src/saccade/core/size.py", "tests/nn/test_new.py"]
    assert changed(root) == expected
    commands: list[list[str]] = []
    codes = iter([0, 0, 1, 0, 5])
    assert main(root, lambda command: commands.append(command) or next(codes)) == 1
    assert [Path(command[0]).name for command in commands[:4]] == ["ruff", "ruff", "pyright", "lint-imports"]
    assert commands[4][-1] == "tests/nn/test_new.py"
    assert "left out: slow tests" in capsys.readouterr().out
