"""Records to JSON trees and back, strictly: what a type does not name is refused, with its place."""

import dataclasses
import json
import math
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from saccade.core.errors import SaccadeError, unknown

SCALARS = {int: "a whole number", float: "a finite number", str: "a text", bool: "true or false"}


def written(record: object, schema: str) -> str:
    """A record as the text of a file that says its ``schema``."""
    return json.dumps({"schema": schema, **encode(record)}, indent=1) + "\n"


def parsed(kind: Any, text: str, schema: str, what: str) -> Any:  # noqa: ANN401 - the type is a value here
    """The record that ``written`` wrote. Raises SaccadeError, which calls it a ``what``, for any other text."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise SaccadeError(f"the file is no {what}: {error.msg} at line {error.lineno}; get it again") from error
    if not isinstance(data, dict) or data.pop("schema", None) != schema:
        raise SaccadeError(f"the file is no {what} of {schema}; run what makes it again")
    return decode(kind, data, what)


def encode(value: object) -> Any:  # noqa: ANN401 - a JSON tree has no narrower type
    """Dataclasses become objects in field order, tuples arrays; everything else stays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: encode(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [encode(inner) for inner in value]
    return value


def decode(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401 - the type is a value here
    """The record of type ``kind`` that ``value`` (a JSON tree) spells out.

    Knows dataclasses, tuples, ``dict[str, …]``, unions, literals and scalars. Raises SaccadeError
    that names the place (``where``) for unknown or missing keys and for values of another type.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    if origin in (Union, UnionType):
        return _union(inner, value, where)
    if origin is Literal:
        if value not in inner:
            raise SaccadeError(f"{where}: expected one of {', '.join(map(repr, inner))}, got {value!r}")
        return value
    if origin is dict:
        pairs = _object(value, where)
        return {key: decode(inner[1], item, f"{where}.{key}") for key, item in pairs.items()}
    if origin is tuple:
        return _tuple(inner, value, where)
    return _scalar(kind, value, where)


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SaccadeError(f"{where}: expected an object, got {value!r:.60}")
    return value


def _record(kind: type, value: object, where: str) -> object:
    pairs, hints = _object(value, where), get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for key in pairs:
        if key not in names:
            raise SaccadeError(f"{where}: {unknown('key', key, names)}")
    missing = [name for name in names if name not in pairs]
    if missing:
        raise SaccadeError(f"{where}: {len(missing)} of {len(names)} keys missing: {', '.join(missing)}")
    return kind(**{name: decode(hints[name], pairs[name], f"{where}.{name}") for name in names})


def _union(kinds: tuple[Any, ...], value: object, where: str) -> Any:  # noqa: ANN401
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    # An array can only be the tuple of a union, so that its error speaks of the array's own items.
    arrays = [kind for kind in others if get_origin(kind) is tuple]
    fitting = (
        arrays if isinstance(value, list) and arrays else [kind for kind in others if kind not in arrays] or arrays
    )
    return decode(fitting[0], value, where)


def _tuple(kinds: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SaccadeError(f"{where}: expected an array, got {value!r:.60}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise SaccadeError(f"{where}: expected an array of {len(kinds)}, got {len(value)} items")
    return tuple(
        decode(kind, item, f"{where}[{place}]") for place, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _scalar(kind: type, value: object, where: str) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # A truth value is an int to Python, not to JSON.
    wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
    if wrong or (isinstance(value, float) and not math.isfinite(value)):
        raise SaccadeError(f"{where}: expected {SCALARS[kind]}, got {value!r:.60}")
    return value
