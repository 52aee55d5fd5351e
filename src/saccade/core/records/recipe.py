"""Recipes: specs as plain data and back, exactly.

A spec is a frozen dataclass. As data it is a dict of its fields with a ``kind`` in front: its name in
the registry that the caller passes in, or ``package/kind`` where another package brings it. Sizes, grids
and boxes are lists of their numbers; tuples are lists; whatever else a field holds is text, a number,
true, false or null. Nothing is guessed on the way back: unknown keys, unknown kinds, missing keys and
wrong types are refused with the place where they stand.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml

from saccade.core.box import Box
from saccade.core.errors import SaccadeError, unknown
from saccade.core.grid import Grid
from saccade.core.registry.kinds import KIND, Kinds
from saccade.core.registry.plugins import Group, is_foreign
from saccade.core.size import Size

S = TypeVar("S")
VALUES = (Size, Grid, Box)
"""Dataclasses that are plain values: written as the list of their fields, without a kind."""


def to_dict(spec: object, types: Mapping[str, type], group: Group = "saccade.parts") -> dict[str, Any]:
    """``spec`` and all it holds as JSON-safe data; each dataclass carries its name in ``types``, or in the plug-ins of
    ``group`` where another package brings it.
    """
    return _written(spec, Kinds(types, group))


def from_dict(data: object, types: Mapping[str, type[S]], group: Group = "saccade.parts") -> S:
    """The spec that ``to_dict`` wrote, or that a user wrote by hand; absent keys take their defaults."""
    return cast(S, _spec(data, Kinds(types, group), "recipe"))


def digest(data: object) -> str:
    """SHA-256 of JSON-safe data, as 64 hexadecimal digits.

    Order of keys does not count, and 1 and 1.0 are one number, so that equal specs hash alike.
    """
    text = json.dumps(_canonical(data), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read(text: str) -> object:
    """The data in YAML ``text`` (JSON is YAML too). Raises where it does not parse."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise SaccadeError(f"not readable as YAML: {' '.join(str(error).split())}") from error


def override(data: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """A copy of ``data`` with ``path=value`` set for each assignment, later ones last.

    A path is keys and list positions joined by dots (``views.size``, ``stages.0.steps``); the value is
    YAML. Only what is there can be set, so ``data`` should be complete: what ``to_dict`` wrote.
    """
    made: dict[str, Any] = _copy(data)
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        if not sign or not path.strip():
            raise SaccadeError(f"--set takes path=value, got {assignment!r}")
        *parents, last = path.strip().split(".")
        place: Any = made
        for depth, key in enumerate(parents):
            place = place[_key(place, key, ".".join(parents[:depth]))]
        place[_key(place, last, ".".join(parents))] = read(text)
    return made


def _fields(kind: type) -> list[Field[Any]]:
    if not is_dataclass(kind):
        raise TypeError(f"recipes hold dataclasses, {kind.__name__} is none")
    found = [field for field in fields(kind) if field.init]
    if any(field.name == KIND for field in found):
        raise TypeError(f"{kind.__name__} has a field {KIND!r}, which recipes need for the name of the class")
    return found


def _written(spec: object, types: Kinds) -> dict[str, Any]:
    name = types.name_of(type(spec))
    return {KIND: name} | {field.name: _write(getattr(spec, field.name), types) for field in _fields(type(spec))}


def _write(value: object, types: Kinds) -> Any:  # noqa: ANN401 (JSON has no better type)
    if isinstance(value, VALUES):
        return [_write(getattr(value, field.name), types) for field in fields(value)]
    if isinstance(value, tuple):
        return [_write(item, types) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise SaccadeError(f"recipes hold finite numbers, got {value}")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _written(value, types)


def _spec(data: object, types: Kinds, where: str) -> object:
    if not isinstance(data, Mapping):
        raise _wrong(where, "a mapping", data)
    if KIND not in data:
        raise SaccadeError(f"{where}: {KIND!r} is missing; known: {', '.join(sorted(types.types))}")
    name = str(data[KIND])
    kind = types.named(name, where)
    known = {field.name: field for field in _fields(kind)}
    for key in data:
        if key != KIND and key not in known:
            raise unknown(f"key in {where} ({name})", str(key), known)
    missing = [field.name for field in known.values() if _required(field) and field.name not in data]
    if missing:
        raise SaccadeError(f"{where} ({name}): missing {', '.join(missing)}")
    try:
        hints = get_type_hints(kind)
        return kind(**{key: _read(data[key], hints[key], types, f"{where}.{key}") for key in known if key in data})
    except SaccadeError:
        raise
    except Exception as error:
        if not is_foreign(name):
            raise
        raise SaccadeError(f"{where}: {name} cannot be made: {type(error).__name__}: {error}") from error


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _read(value: object, hint: Any, types: Kinds, where: str) -> object:  # noqa: ANN401 (any annotation)
    """``value`` as the annotation ``hint`` wants it."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _read_union(value, get_args(hint), types, where)
    if origin is Literal:
        return _read_literal(value, get_args(hint), where)
    if origin is tuple:
        return _read_tuple(value, get_args(hint), types, where)
    if hint in VALUES:
        parts = tuple(get_type_hints(hint)[field.name] for field in fields(hint))
        return cast(Any, hint)(*_read_tuple(value, parts, types, where))
    if is_dataclass(hint) or types.is_base(hint):
        made = _spec(value, types, where)
        if not isinstance(made, cast(type, hint)):
            raise SaccadeError(f"{where}: takes {_name(hint)}, got {type(made).__name__}")
        return made
    return _read_scalar(value, hint, where)


def _read_union(value: object, hints: tuple[Any, ...], types: Kinds, where: str) -> object:
    members = tuple(hint for hint in hints if hint is not NoneType)
    if value is None and len(members) < len(hints):
        return None
    if len(members) == 1:
        return _read(value, members[0], types, where)
    if isinstance(value, Mapping):
        made = _spec(value, types, where)
        if type(made) not in members:
            raise SaccadeError(f"{where}: takes {' or '.join(map(_name, hints))}, got {type(made).__name__}")
        return made
    # The member of the value's own type goes first: 1 stays whole in ``float | int``.
    for hint in sorted(members, key=lambda hint: hint is not type(value)):
        try:
            return _read(value, hint, types, where)
        except SaccadeError:
            continue
    raise _wrong(where, " or ".join(map(_name, hints)), value)


def _read_literal(value: object, allowed: tuple[object, ...], where: str) -> object:
    # Types are compared too, because True == 1.
    if not any(value == one and type(value) is type(one) for one in allowed):
        raise unknown(where, str(value), map(str, allowed))
    return value


def _read_tuple(value: object, hints: tuple[Any, ...], types: Kinds, where: str) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a list", value)
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        raise SaccadeError(f"{where}: takes {len(hints)} values, got {len(value)}: {list(value)}")
    return tuple(
        _read(item, hint, types, f"{where}.{at}") for at, (item, hint) in enumerate(zip(value, hints, strict=True))
    )


def _read_scalar(value: object, hint: Any, where: str) -> object:  # noqa: ANN401 (any annotation)
    if hint not in (str, int, float, bool, NoneType):
        raise TypeError(f"{where}: recipes cannot hold {hint}")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint or (isinstance(value, float) and not math.isfinite(value)):
        raise _wrong(where, _name(hint), value)
    return value


def _name(hint: Any) -> str:  # noqa: ANN401 (any annotation)
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}
    return words.get(hint) or getattr(hint, "__name__", str(hint))


def _wrong(where: str, expected: str, value: object) -> SaccadeError:
    return SaccadeError(f"{where}: takes {expected}, got {value!r}")


def _canonical(data: object) -> object:
    if isinstance(data, Mapping):
        return {key: _canonical(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_canonical(value) for value in data]
    return int(data) if isinstance(data, float) and data.is_integer() else data


def _copy(data: Any) -> Any:  # noqa: ANN401 (JSON has no better type)
    if isinstance(data, Mapping):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list | tuple) else data


def _key(place: object, key: str, where: str) -> str | int:
    """The key or position that ``key`` names in ``place``. Raises where there is none."""
    if isinstance(place, list):
        if not (key.isdecimal() and int(key) < len(place)):
            raise SaccadeError(f"--set {where}.{key}: {where} is a list of {len(place)}; count from 0")
        return int(key)
    if not isinstance(place, dict):
        raise SaccadeError(f"--set {where}.{key}: {where} is {place!r} and has nothing inside")
    if key not in place:
        raise unknown(f"key in {where}" if where else "key", key, map(str, place))
    return key


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number; YAML 1.1 asks for 1.0e-3 and would leave text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
