"""Tags as text. Attributes are escaped here; the inside of a tag is markup already: pass text through ``plain``."""

import re
from html import escape

Attribute = str | float
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Controls and lone surrogates: everything that XML 1.0 leaves out."""


def plain(text: str) -> str:
    """Text that holds no markup any more; characters that no document may hold show as replaced."""
    return escape(FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))


def tag(name: str, /, *inside: str, **attributes: Attribute) -> str:
    """``<name …>inside</name>``; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``."""
    return f"<{name}{_written(attributes)}>{''.join(inside)}</{name}>"


def leaf(name: str, /, **attributes: Attribute) -> str:
    """``<name …/>``, for shapes and for tags that never hold anything."""
    return f"<{name}{_written(attributes)}/>"


def number(value: float) -> str:
    """A coordinate with at most two decimals: ``12``, ``3.25``."""
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def _written(attributes: dict[str, Attribute]) -> str:
    pairs = [
        (name.rstrip("_").replace("_", "-"), number(value) if isinstance(value, int | float) else value)
        for name, value in attributes.items()
    ]
    return "".join(f' {name}="{plain(value)}"' for name, value in pairs)
