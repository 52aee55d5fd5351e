"""The small trained models of saccade, as files. ``manifest.json`` says what each file is, with its SHA-256."""

from importlib.resources import files
from pathlib import Path

__version__ = "0.1.0"


def folder() -> Path:
    """The folder that holds ``manifest.json`` and every file that it names."""
    return Path(str(files(__name__)))
