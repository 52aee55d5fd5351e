"""Checks that the fields of a dataclass hold what their annotations allow: for the classes that users make."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from inspect import isclass
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import LARGEST, shown

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "None"}
"""What values of a type are called."""


def check_fields(made: object) -> None:
    """Raises SaccadeError where a field of the dataclass ``made`` holds what its annotation does not allow.

    Whole numbers may be NumPy's. True is no number; infinity, NaN and numbers beyond ``arguments.LARGEST`` are none.
    """
    for name, hint, usual, items in _hints(type(made)):
        value = getattr(made, name)
        kind = type(value)
        # Requests are made by the ten thousand: what is nearly always there is let through by a look at its type.
        if kind in usual or (kind is tuple and items is not None and all(type(one) in items for one in value)):
            continue
        if not fits(value, hint):
            raise SaccadeError(f"{name} of {type(made).__name__} is {_told(hint)}, got {shown(value)}")


def fits(value: object, hint: Any) -> bool:  # noqa: ANN401 (any annotation)
    """Whether ``value`` is what the annotation ``hint`` says."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inside)
    if origin is Literal:
        return isinstance(value, str) and value in inside
    if origin is tuple:
        return isinstance(value, tuple) and _all_fit(value, inside)
    if hint in (int, float):
        if isinstance(value, bool) or not isinstance(value, Integral if hint is int else Real):
            return False
        exact = value if isinstance(value, int) else float(value)
        return -LARGEST < exact < LARGEST
    return isinstance(value, origin or hint)


def _all_fit(value: tuple[object, ...], inside: tuple[Any, ...]) -> bool:
    if len(inside) == 2 and inside[1] is ...:
        return all(fits(one, inside[0]) for one in value)
    return len(value) == len(inside) and all(map(fits, value, inside))


@cache
def _hints(kind: type) -> tuple[tuple[str, Any, frozenset[type], frozenset[type] | None], ...]:
    """Of each field its name and annotation, and the types whose instances fit: as the value, and as its items."""
    hints = get_type_hints(kind)
    return tuple(
        (field.name, hints[field.name], _usual(hints[field.name]), _items(hints[field.name])) for field in fields(kind)
    )


def _usual(hint: Any) -> frozenset[type]:  # noqa: ANN401 (any annotation)
    """The types of which every instance fits; numbers are none of them, since they have bounds."""
    if get_origin(hint) in (Union, UnionType):
        return frozenset().union(*(_usual(one) for one in get_args(hint)))
    plain = isclass(hint) and get_origin(hint) is None and hint not in (int, float, object)
    return frozenset([hint]) if plain else frozenset()


def _items(hint: Any) -> frozenset[type] | None:  # noqa: ANN401 (any annotation)
    """The types of which every instance fits as an item, where ``hint`` is a tuple of any length; None elsewhere."""
    inside = get_args(hint)
    return _usual(inside[0]) if get_origin(hint) is tuple and len(inside) == 2 and inside[1] is ... else None


def _told(hint: Any) -> str:  # noqa: ANN401 (any annotation)
    """An annotation in words."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_told, inside))
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if origin is tuple:
        return f"a tuple of {' and '.join(dict.fromkeys(_told(one) for one in inside if one is not ...))}"
    if origin in (Callable, Mapping, Sequence):
        return f"a {origin.__name__}"
    return WORDS.get(hint, f"a {hint.__name__}" if isclass(hint) else str(hint))
