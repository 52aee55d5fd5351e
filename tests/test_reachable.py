"""No module that no verb, public name or study uses, as the imports in the sources say."""

from pathlib import Path

import pytest

from tests.imports import graph, modules, reached

ROOT = Path(__file__).parents[1]
PRODUCT, RESEARCH = modules(ROOT / "src", "saccade"), modules(ROOT, "research")
EDGES = graph(PRODUCT | RESEARCH)
ENTRIES = {"saccade", "saccade.__main__", "saccade.cli.main"}
"""The public names, ``python -m saccade`` and the command ``saccade``: they name what they load."""
COMPONENTS = sorted(set(RESEARCH) - reached(EDGES, {"research", "research.__main__"}))
"""Modules of research that no study uses."""
SOURCES = {
    "one/__init__.py": "",
    "one/a.py": "def f():\n    from one import b\n    return b",
    "one/b.py": "from . import c\nNAMES = {'x': 'one.d', 'y': 'one.e:thing', 'z': 'none.f'}",
    "one/c.py": "'''See one.f.'''\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import one.g",
    "one/d.py": "from .h.i import name",
    "one/e.py": "import json",
    "one/f.py": "import one.g",
    "one/g.py": "",
    "one/h/__init__.py": "from ..e import name\nNAMES = ('i', 'k')\nimport_module(f'{__name__}.{NAMES[0]}')",
    "one/h/i.py": "",
}


def test_every_module_of_the_product_is_reached_without_research():
    unreached = set(PRODUCT) - reached(EDGES, ENTRIES)
    assert not unreached, f"no verb and no public name uses {', '.join(sorted(unreached))}"


def test_nothing_in_the_product_imports_research():
    found = {name: sorted(EDGES[name] & set(RESEARCH)) for name in PRODUCT}
    assert not any(found.values()), {name: some for name, some in found.items() if some}


@pytest.mark.parametrize("name", COMPONENTS)
def test_what_no_study_uses_is_described_and_tested(name: str):
    path = RESEARCH[name]
    named = "sensors/" if path.name == "__init__.py" else str(path.relative_to(ROOT / "research"))
    assert f"`{named}`" in (ROOT / "research" / "README.md").read_text(encoding="utf-8")
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "research").rglob("*.py"))
    assert f"from {name}" in tests or f"import {name.rpartition('.')[2]}" in tests


def test_the_graph_sees_imports_in_functions_and_names_in_registries(tmp_path: Path):
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    files = modules(tmp_path, "one")
    assert set(files) == {"one", *(f"one.{letter}" for letter in "abcdefgh"), "one.h.i"}
    assert graph(files) == {
        "one": set(), "one.a": {"one", "one.b"}, "one.b": {"one", "one.c", "one.d", "one.e"}, "one.c": set(),
        "one.d": {"one", "one.h", "one.h.i"}, "one.e": set(), "one.f": {"one", "one.g"}, "one.g": set(),
        "one.h": {"one", "one.e", "one.h.i"}, "one.h.i": set(),
    }  # fmt: skip
    assert set(files) - reached(graph(files), {"one.a"}) == {"one.f", "one.g"}
