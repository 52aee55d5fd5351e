"""The fenced blocks of a Markdown page, and how the pages mark them.

- ``sh``: commands, one a line, that end with exit status 0.
- ``console``: ``$ command`` lines, each with the output that it prints. ``…`` stands for any text, alone on a line for
  any lines; the number of blanks and of rules does not matter.
- ``python``: run in its order, names stay for the next block. ``json`` and ``python`` with a title are files.
- ``<!-- not run: reason -->`` on the line before keeps a block from being run, ``<!-- exit status 1 -->`` says how its
  last command ends.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(
    r'^(?:<!-- (?P<note>[^\n]+) -->\n)?```(?P<language>\w+)(?: title="(?P<title>[^"\n]+)")?\n(?P<text>.*?)^```$',
    re.DOTALL | re.MULTILINE,
)
_STATUS = re.compile(r"exit status (\d)")


@dataclass(frozen=True)
class Block:
    """One block: its language, the file that it is, what stands before it, its text and its first line's number."""

    language: str
    title: str
    note: str
    text: str
    line: int

    @property
    def runs(self) -> bool:
        """Whether it is run."""
        return not self.note.startswith("not run: ")

    @property
    def status(self) -> int:
        """What its last command ends with."""
        found = _STATUS.fullmatch(self.note)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Command:
    """One command line, and what it prints as far as the page shows it."""

    line: str
    output: str = ""


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found["language"],
            found["title"] or "",
            found["note"] or "",
            found["text"],
            text.count("\n", 0, found.start("text")) + 1,
        )
        for found in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[Command]:
    """The command lines of a ``sh`` or ``console`` block, without their comments."""
    if block.language == "sh":
        whole = block.text.replace("\\\n", " ")
        return [Command(line.split("  #")[0].strip()) for line in whole.splitlines() if line.strip()]
    first, *rest = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not first.strip(), f"a console block begins with $, got {first!r}"
    return [Command(*part.split("\n", 1)) for part in rest]


def same(shown: str, printed: str) -> bool:
    """Whether a page's output is what was printed."""
    lines = [_plain(line) for line in shown.splitlines() if line.strip()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else _line(line) for line in lines)
    text = "".join(f"{_plain(line)}\n" for line in printed.splitlines() if line.strip())
    return not lines or re.fullmatch(pattern, text) is not None


def _plain(line: str) -> str:
    return re.sub(r"─+", "─", re.sub(r" +", " ", line)).strip()


def _line(line: str) -> str:
    return ".*?".join(map(re.escape, line.split("…"))) + r"\n"
