"""The docstring of a reader's file, which says its law, read strictly."""

import re
from dataclasses import dataclass
from importlib import import_module

from saccade.architectures.architecture import Composition
from saccade.core.errors import SaccadeError

HEADS = ("Law", "Used by", "Loses", "Source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """``title`` and ``summary`` are the first sentence, parted at its colon; ``closing`` is what follows the law."""

    title: str
    summary: str
    law: str
    used_by: str
    loses: str
    source: str
    closing: str


def law_of(reader: Composition) -> Law:
    """What the file that makes the presets of ``reader`` says of itself."""
    module = reader.module
    return read(import_module(module).__doc__ or "", module)


def read(text: str, where: str) -> Law:
    """Parse a docstring. Raises SaccadeError where it lacks one of the four lines, or has them in another order."""
    blocks = [block for block in re.split(r"\n\s*\n", text.strip()) if block]
    place = next((place for place, block in enumerate(blocks) if block.startswith(HEADS[0])), None)
    title, colon, summary = _plain(blocks[0]).partition(": ") if blocks else ("", "", "")
    if place in (None, 0) or not colon:
        raise SaccadeError(
            f"{where}: a reader's docstring begins with 'Name: a sentence.', then {', '.join(HEADS)}; got {text!r:.60}"
        )
    parts = re.split(rf"^({'|'.join(HEADS)})(?= )", blocks[place], flags=re.MULTILINE)
    heads, bodies = parts[1::2], [_plain(body) for body in parts[2::2]]
    if tuple(heads) != HEADS or not all(bodies):
        raise SaccadeError(f"{where}: expected a line each for {', '.join(HEADS)}, in this order, got {heads}")
    closing = " ".join(_plain(block) for block in blocks[place + 1 :])
    return Law(
        title=title, summary=summary, closing=closing,
        **dict(zip(("law", "used_by", "loses", "source"), bodies, strict=True)),
    )  # fmt: skip


def _plain(text: str) -> str:
    """One line; code in single backticks, as Markdown has it."""
    return " ".join(text.split()).replace("``", "`")
