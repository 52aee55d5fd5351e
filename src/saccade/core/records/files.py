"""Writing a file whole or not at all."""

import os
from pathlib import Path

from saccade.core.errors import SaccadeError


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 beside ``path``, then rename: a reader never meets half a file.

    Raises SaccadeError where the folder does not exist.
    """
    if not path.parent.is_dir():
        raise SaccadeError(f"cannot write {path.name}: there is no folder {path.parent}; make it first")
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
