"""The values of one record of a user's data file, checked: what is wrong is shown as JSON, with the cure."""

import json
from collections.abc import Sequence

from saccade.core.box import Box
from saccade.core.errors import SaccadeError, unknown

LETTERS = 26
"""The most choices that letters can name."""
FARTHEST = 1e9
"""Pixels; a corner beyond is a mistake. It also keeps out infinities, not-a-number and endless integers."""


def seen(value: object) -> str:
    """How an error shows a ``value`` that came out of a file: as JSON, cut to 60 characters."""
    shown = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def fields_of(
    record: object, required: Sequence[str], optional: Sequence[str] = (), what: str = "key"
) -> dict[str, object]:
    """``record`` as an object that has all ``required`` keys and none beyond the ``optional``."""
    if not isinstance(record, dict):
        raise SaccadeError(f"found {seen(record)}, expected an object with {', '.join(required)}")
    for name in record:
        if name not in required and name not in optional:
            raise unknown(what, name, (*required, *optional))
    for name in required:
        if name not in record:
            raise SaccadeError(f"the {what} {name!r} is missing; found {', '.join(record) or 'none'}")
    return record


def text_of(value: object, what: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str):
        cure = f"; put it in quotes: {seen(seen(value))}" if isinstance(value, int | float) else ""
        raise SaccadeError(f"{what} is {seen(value)}, expected text{cure}")
    if not value.strip():
        raise SaccadeError(f"{what} is empty; fill it in or leave the question out")
    return value


def choices_of(value: object) -> tuple[str, ...]:
    """Two texts or more that differ, none of which is the letter of another one."""
    if not isinstance(value, list) or len(value) < 2:
        raise SaccadeError(f'choices is {seen(value)}, expected a list of 2 texts or more, like ["cat", "dog"]')
    if len(value) > LETTERS:
        raise SaccadeError(f"choices holds {len(value)} texts, expected at most {LETTERS}, one for each letter")
    texts = tuple(text_of(text, "a choice").strip() for text in value)
    plain = [text.strip(".").casefold() for text in texts]
    for at, text in enumerate(plain):
        if not text:
            raise SaccadeError(f"the choice {seen(texts[at])} is only full stops; write what it says")
        if text in plain[:at]:
            raise SaccadeError(f"the choice {seen(texts[at])} stands twice; every choice needs a text of its own")
        if len(text) == 1 and 0 <= (named := ord(text) - ord("a")) < len(texts) and named != at:
            raise SaccadeError(
                f"the choice {seen(texts[at])} is the letter of another choice; write the choices without their letters"
            )
    return texts


def boxes_of(value: object) -> tuple[Box, ...]:
    """Rectangles in pixels, each with an area."""
    if not isinstance(value, list):
        raise SaccadeError(f"boxes is {seen(value)}, expected [[left, top, right, bottom], ...] in pixels")
    made: list[Box] = []
    for sides in value:
        if not isinstance(sides, list) or len(sides) != 4 or not all(_pixels(side) for side in sides):
            raise SaccadeError(f"boxes holds {seen(sides)}, expected [[left, top, right, bottom], ...] in pixels")
        left, top, right, bottom = sides
        if right <= left or bottom <= top:
            raise SaccadeError(
                f"the box {seen(sides)} has no area; expected [left, top, right, bottom], two corners, "
                "not a corner with a width and a height"
            )
        made.append(Box(left, top, right, bottom))
    return tuple(made)


def _pixels(side: object) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and -FARTHEST < side < FARTHEST
