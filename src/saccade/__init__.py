"""saccade decides how many tokens an image deserves, and proves what you lose.

Importing it brings neither torch nor transformers: each name below is fetched when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from saccade.core.version import __version__ as __version__

if TYPE_CHECKING:
    from saccade.api.asking import ask as ask
    from saccade.api.comparing import compare as compare
    from saccade.api.planning import plan as plan
    from saccade.api.playground import exam as exam
    from saccade.api.training import train as train
    from saccade.architectures.object_centric.sam_masks import SamMasks as SamMasks
    from saccade.backends.loading import load as load
    from saccade.backends.open import open_model as open_model
    from saccade.backends.random_init import build as build
    from saccade.backends.store import from_pretrained as from_pretrained
    from saccade.backends.store import save_pretrained as save_pretrained
    from saccade.training.connector import train_connector as train_connector

_LAZY = {
    "SamMasks": "saccade.architectures.object_centric.sam_masks",
    "ask": "saccade.api.asking",
    "build": "saccade.backends.random_init",
    "compare": "saccade.api.comparing",
    "exam": "saccade.api.playground",
    "from_pretrained": "saccade.backends.store",
    "load": "saccade.backends.loading",
    "open_model": "saccade.backends.open",
    "plan": "saccade.api.planning",
    "save_pretrained": "saccade.backends.store",
    "train": "saccade.api.training",
    "train_connector": "saccade.training.connector",
}


def __getattr__(name: str) -> object:
    """What lies deeper, on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted((*_LAZY, "__version__"))
