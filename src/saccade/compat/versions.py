"""The versions of ``transformers`` that saccade is tested on."""

from importlib.metadata import version

LOWEST = "5.21.0"
"""The lowest version that hosted models, language models, weights and towers were tested on. ``tests/exact`` is held to
the newest: in 5.21 SmolVLM's class cannot be counted on meta tensors. 5.20 drops the cap of Gemma 2's scores where its
attention is not eager, and refuses visual tokens of SmolVLM that are not whole views; 5.17 takes none in place of
pixels at all.
"""
NEWEST = "5.24.0"
"""The newest version that the whole suite passes on. Newer ones are not refused: most of them work."""


def installed() -> str:
    """The installed version of ``transformers``."""
    return version("transformers")


def release(text: str) -> tuple[int, ...]:
    """``text`` as numbers that compare: (5, 24, 0) for "5.24.0" and for "5.24.0.dev0"."""
    numbers = [int(part) if part.isdigit() else 0 for part in text.split(".")[:3]]
    return (*numbers, *(0 for _ in range(3 - len(numbers))))
