"""Hosted models: any model of ``transformers`` that reads pictures, as it is. ``families`` needs no torch."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saccade.backends.hosted.backend import HostedBackend as HostedBackend
    from saccade.backends.hosted.loading import load_hosted as load_hosted

_LAZY = {"HostedBackend": "saccade.backends.hosted.backend", "load_hosted": "saccade.backends.hosted.loading"}


def __getattr__(name: str) -> object:
    """What needs torch, on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
