"""PNG files that appear whole or not at all."""

import os
from pathlib import Path

from PIL import Image

from saccade.core.errors import SaccadeError


def png_path(target: str | Path) -> Path:
    """``target`` as a path that a PNG can be written to; found out before anything is drawn for it."""
    path = Path(target)
    if path.suffix.lower() != ".png":
        raise SaccadeError(f"--show writes a PNG, got {path}; name a file that ends in .png")
    if not path.absolute().parent.is_dir():
        raise SaccadeError(f"there is no folder {path.absolute().parent}; make it first")
    return path


def write_png(image: Image.Image, path: Path) -> Path:
    """Write ``image`` beside ``path``, then rename: a reader never meets half a file."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        image.save(draft, format="PNG")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path
