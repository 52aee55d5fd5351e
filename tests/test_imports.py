"""Planning needs no torch, and annotations hold: what is promised about the package as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

import saccade
from saccade.core.plan import Cost

SOURCE = Path(saccade.__file__).parent
HEAVY = ("torch", "torchvision", "transformers", "matplotlib")
LIGHT = ["saccade"] + [
    ".".join(("saccade", *file.relative_to(SOURCE).with_suffix("").parts))
    for folder in ("core", "specs")
    for file in sorted((SOURCE / folder).glob("*.py"))
    if file.stem != "__init__"
]


def imported(modules: list[str]) -> list[str]:
    """What of ``HEAVY`` a fresh interpreter has loaded after importing ``modules``."""
    code = f"import sys, {', '.join(modules)}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_package_alone_is_light():
    assert imported(["saccade"]) == []


def test_planning_is_light():
    assert len(LIGHT) > 8
    assert imported(LIGHT) == []


def test_annotations_are_enforced_while_tests_run():
    with pytest.raises(Exception, match="flops"):
        Cost(flops="many")  # pyright: ignore[reportArgumentType]
