"""Packages that exist for one test: a module and its metadata in a temporary folder on ``sys.path``."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from saccade.core.registry import plugins


def install(
    folder: Path,
    patch: pytest.MonkeyPatch,
    package: str,
    entries: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
) -> None:
    """A distribution ``package`` 1.0 with these entry points (group → name → value) and these modules' source."""
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in names.items()) for group, names in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
        patch.delitem(sys.modules, name, raising=False)
    if str(folder) not in sys.path:
        patch.syspath_prepend(str(folder))
    plugins._installed.cache_clear()
