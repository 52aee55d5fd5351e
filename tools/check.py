"""``make check``: the gates on changed files, and the tests that a change touches.

Law     a changed module is tested by the file that mirrors it under ``tests/`` and by those that import it; a changed
        test by itself, a changed helper by the tests that import it. Changed are files that differ from where the
        branch left ``main``, and new ones.
Loses   tests that reach a module through another one, tests marked slow, and, of a module that many tests import, all
        but its mirror. What is left out is said; ``make test`` runs everything.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

WIDELY = 12
"""A module that more test files import than this is tested by its mirror alone."""
EXTRA = {"README.md": "tests/test_readme.py", "pyproject.toml": "tests/test_package.py"}
"""Tests of files that are no modules."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Test files to run, and what was left out, a sentence each."""

    tests: tuple[str, ...]
    left_out: tuple[str, ...]


def changed(root: Path, base: str = "main") -> list[str]:
    """Paths that differ from where the branch left ``base``, and new ones, relative to ``root``."""
    left = _git(root, "merge-base", "HEAD", base) or ["HEAD"]
    differ = _git(root, "diff", "--name-only", "--diff-filter=d", left[0])
    return sorted({*differ, *_git(root, "ls-files", "--others", "--exclude-standard")})


def choose(root: Path, paths: Iterable[str]) -> Chosen:
    """The tests that changes of ``paths`` touch."""
    sources = {
        str(file.relative_to(root)): file.read_text(encoding="utf-8") for file in sorted((root / "tests").rglob("*.py"))
    }
    tests: set[str] = set()
    left_out: list[str] = []
    for path in paths:
        module = module_of(path)
        if path in EXTRA:
            tests.add(EXTRA[path])
        elif path.startswith("tests/") and is_test(path):
            tests.add(path)
        elif module is not None:
            mirror = mirror_of(path)
            tests |= {mirror} & set(sources)
            near = [name for name in importing(module, sources) if name != mirror]
            if len(near) > WIDELY:
                left_out.append(f"{len(near)} test files import {module}; only {mirror} was chosen for it")
            else:
                tests |= set(near)
    return Chosen(tuple(sorted(test for test in tests if test in sources)), tuple(left_out))


def module_of(path: str) -> str | None:
    """``saccade.core.size`` of ``src/saccade/core/size.py``, ``tests.parts`` of a helper; None for all else."""
    if not path.endswith(".py"):
        return None
    name = path.removeprefix("src/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    return name if path.startswith(("src/", "research/", "tests/", "tools/")) else None


def mirror_of(path: str) -> str:
    """``tests/core/test_size.py`` of ``src/saccade/core/size.py``."""
    inside = Path(path.removeprefix("src/saccade/"))
    return str(Path("tests") / inside.parent / f"test_{inside.name}")


def is_test(path: str) -> bool:
    """Whether pytest collects the file."""
    return Path(path).name.startswith("test_") and path.endswith(".py")


def importing(module: str, sources: dict[str, str]) -> list[str]:
    """Test files that import ``module``, directly or through a helper under ``tests/``."""
    above, _, last = module.rpartition(".")
    pattern = re.compile(
        rf"^\s*(?:from {re.escape(module)} import|import {re.escape(module)}\b"
        rf"|from {re.escape(above)} import (?:\([^)]*|[^\n]*)\b{re.escape(last)}\b)",
        re.MULTILINE,
    )
    found = [name for name, text in sources.items() if pattern.search(text)]
    helpers = [helper for name in found if not is_test(name) and (helper := module_of(name)) and helper != module]
    through = [name for helper in helpers for name in importing(helper, sources)]
    return sorted({*(name for name in found if is_test(name)), *through})


def gates(root: Path, paths: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The commands that look at the changed files, with what each is called."""
    python = [path for path in paths if path.endswith(".py") and (root / path).is_file()]
    typed = [path for path in python if not path.startswith("tests/")]
    commands: list[tuple[str, list[str]]] = []
    if python:
        commands.append(("style", ["ruff", "check", *python]))
        commands.append(("format", ["ruff", "format", "--check", *python]))
    if typed:
        commands.append(("types", ["pyright", "--pythonpath", sys.executable, *typed]))
    if any(path.startswith(("src/", "research/")) for path in python):
        commands.append(("direction of imports", ["lint-imports"]))
    return commands


def main(root: Path, run: Callable[[list[str]], int]) -> int:
    """Run the gates and the tests, and say what was left out; 0 where all pass."""
    paths = changed(root)
    chosen = choose(root, paths)
    worst = 0
    for what, command in gates(root, paths):
        print(f"==> {what}: {command[0]}", flush=True)
        worst = max(worst, run([str(Path(sys.executable).parent / command[0]), *command[1:]]))
    if chosen.tests:
        print(f"==> tests: {' '.join(chosen.tests)}", flush=True)
        several = ["-n", "2", "--dist", "loadfile"] if len(chosen.tests) > 1 else []
        found = run([sys.executable, "-m", "pytest", "-q", "-m", "not slow", *several, *chosen.tests])
        worst = max(worst, 0 if found == 5 else found)  # 5: every one of them is slow
    else:
        print("==> tests: none is touched")
    for sentence in chosen.left_out:
        print(f"left out: {sentence}")
    print("left out: slow tests; make test runs everything")
    return worst


def _git(root: Path, *arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


if __name__ == "__main__":
    sys.exit(main(Path.cwd(), lambda command: subprocess.run(command, check=False).returncode))
