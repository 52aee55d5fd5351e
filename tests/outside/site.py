"""Packages installed without a network: a folder with the package and its metadata, to be put on PYTHONPATH."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import saccade

SOURCE = Path(saccade.__file__).parents[1]
"""Where the saccade that is tested lies."""


def install(package: Path, into: Path) -> None:
    """Copy the package in ``package``, whose ``pyproject.toml`` is beside it, and write the metadata that pip would."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    module = name.replace("-", "_")
    shutil.copytree(package / module, into / module, ignore=shutil.ignore_patterns("__pycache__"))
    info = into / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = [
        f"[{group}]\n" + "".join(f"{entry} = {value}\n" for entry, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def environment(site: Path | None) -> dict[str, str]:
    """The surroundings of a process in which the packages in ``site`` are installed; without one, none are."""
    places = [str(SOURCE)] if site is None else [str(site), str(SOURCE)]
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}
    return {**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(places)}


def python(arguments: Sequence[str], site: Path | None, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in ``folder``; nothing is raised where it fails."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment(site), capture_output=True, text=True, timeout=240
    )


def saccade_command(arguments: Sequence[str], site: Path | None, folder: Path) -> str:
    """What ``saccade …`` prints. Fails where it ends in an error."""
    done = python(["-m", "saccade", *arguments], site, folder)
    assert done.returncode == 0, f"saccade {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
