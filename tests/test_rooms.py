"""Folders stay small enough to be read through; the exceptions are those that the architecture page explains."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES, LINES = 16, 2_500
EXPLAINED = re.compile(r"^- `([\w/]+)/`: ", re.MULTILINE)


def explained() -> set[str]:
    """Folders over the limit, as the page names them under "Larger folders"."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return set(EXPLAINED.findall(page.split("## Larger folders")[1].split("\n## ")[0]))


def test_no_folder_is_larger_than_the_limit_unless_the_page_says_why():
    larger: set[str] = set()
    for room in ("src/saccade", "research"):
        for folder in {file.parent for file in (ROOT / room).rglob("*.py")}:
            files = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
            lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in folder.glob("*.py"))
            if len(files) > FILES or lines > LINES:
                larger.add(folder.relative_to(ROOT / "src" / "saccade" if "src" in room else ROOT).as_posix())
    assert larger == explained()
