"""One name, one thing: no two public classes are called the same."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = (ROOT / "src" / "saccade", ROOT / "research")


def classes(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def test_no_public_class_name_is_defined_twice():
    places: defaultdict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for file in sorted(room.rglob("*.py")):
            for name in classes(file):
                places[name].append(str(file.relative_to(ROOT)))
    assert len(places) > 300
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
