"""Refuse text files with spaces at the end of a line, with no newline at the end of the file, or with several."""

import sys
from collections.abc import Sequence
from pathlib import Path


def faults(file: Path) -> list[str]:
    """What is wrong with ``file``, a sentence each."""
    text = file.read_text(encoding="utf-8")
    found = [
        f"{file}:{number}: spaces at the end"
        for number, line in enumerate(text.split("\n"), 1)
        if line != line.rstrip()
    ]
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        found.append(
            f"{file}: ends with {'no newline' if not text.endswith(chr(10)) else 'empty lines'}; one is wanted"
        )
    return found


def main(names: Sequence[str]) -> int:
    """Print the faults of all files; 1 where there are any."""
    found = [fault for name in names for fault in faults(Path(name))]
    for fault in found:
        print(fault)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
