"""PNG files that appear whole or not at all."""

import os
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import path as path_of

NOTE = "saccade"
"""The name of the text in a PNG that says what wrote it."""


def png_path(target: str | os.PathLike[str], flag: str = "--show") -> Path:
    """``target`` as a path that a PNG can be written to, checked before anything is drawn for it.

    ``flag`` is what the user gave it under. Raises SaccadeError for other endings and for folders that do not exist.
    """
    if not isinstance(target, str | os.PathLike):
        raise SaccadeError(f"{flag} is the path of a PNG, got a {type(target).__name__}")
    path = path_of(flag, target)
    if path.suffix.lower() != ".png":
        raise SaccadeError(f"{flag} writes a PNG, got {path}; name a file that ends in .png")
    if not path.absolute().parent.is_dir():
        raise SaccadeError(f"there is no folder {path.absolute().parent}; make it first")
    return path


def write_png(image: Image.Image, path: Path, note: str = "") -> Path:
    """Write ``image`` beside ``path``, then rename: a reader never meets half a file. ``note`` says what wrote it."""
    info = PngInfo()
    if note:
        info.add_text(NOTE, note)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        image.save(draft, format="PNG", pnginfo=info)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def note_of(path: Path) -> str | None:
    """The note in a PNG file; None where there is none, or where the file is no PNG."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.info.get(NOTE)
    except (OSError, SyntaxError, ValueError):
        return None
