"""Where saccade keeps what it may lose: one folder in the user's cache."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/saccade``, or ``~/.cache/saccade`` where that is not set or relative (XDG 0.8 ignores it)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "saccade"
