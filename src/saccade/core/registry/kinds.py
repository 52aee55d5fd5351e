"""The classes that recipes name: those of saccade by a word, those of other packages as ``package/kind``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from inspect import isabstract
from typing import Any

from saccade.core.errors import SaccadeError, unknown
from saccade.core.registry.plugins import GROUPS, Group, has_plugin, is_foreign, name_of, plugin

KIND = "kind"
"""The key of a recipe under which the name of a class stands."""
HELD: tuple[Group, ...] = ("saccade.parts", "saccade.policies")
"""Groups whose classes recipes can hold."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Names of classes: ``types`` by their own names, and whatever other packages register in ``group``, or failing
    that in another of the groups that recipes hold.
    """

    types: Mapping[str, type]
    group: Group

    @property
    def groups(self) -> tuple[Group, ...]:
        """Where classes of other packages are looked for, in this order."""
        return (self.group, *(group for group in HELD if group != self.group))

    def named(self, name: str, where: str) -> type:
        """The class of that name. Raises SaccadeError where there is none; ``where`` is the place in the recipe."""
        if name in self.types:
            return self.types[name]
        if not is_foreign(name):
            raise unknown(f"{where}.{KIND}", name, self.types)
        for group in self.groups:
            if has_plugin(group, name):
                return foreign(group, name)
        return foreign(self.group, name)

    def name_of(self, kind: type) -> str:
        """The name of a class. Raises SaccadeError where it has none."""
        own = next((name for name, made in self.types.items() if made is kind), None)
        if own is not None:
            return own
        found = next(filter(None, (name_of(group, kind) for group in self.groups)), None)
        if found is None:
            raise SaccadeError(
                f"{kind.__name__} has no name to be written under; known: {', '.join(sorted(self.types))}; a class of "
                f"another package is registered under the entry-point group {self.group}"
            )
        return found

    def is_base(self, hint: Any) -> bool:  # noqa: ANN401 (any annotation)
        """Whether some named class is a kind of ``hint``, which is no dataclass itself: an abstract base."""
        return (
            isinstance(hint, type) and hint is not object and any(issubclass(one, hint) for one in self.types.values())
        )


def foreign(group: Group, name: str) -> type:
    """The class that another package registers as ``name`` (``package/kind``), checked to be one that recipes can hold.

    Raises SaccadeError where it is no frozen dataclass, or has abstract methods left, or a field named ``kind``.
    """
    found = plugin(group, name)
    word = f"{GROUPS[group]} {name!r}"
    if not isinstance(found, type) or not is_dataclass(found):
        told = found.__name__ if isinstance(found, type) else repr(found)
        raise SaccadeError(f"{word} is {told}; register a frozen dataclass, whose fields a recipe can hold")
    if not found.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue] (dataclasses set it)
        raise SaccadeError(f"{word}: {found.__name__} can be changed; make it @dataclass(frozen=True, kw_only=True)")
    if isabstract(found):
        left = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise SaccadeError(f"{word}: {found.__name__} has no {left}; every {found.__mro__[1].__name__} has it")
    if any(field.name == KIND for field in fields(found)):
        raise SaccadeError(
            f"{word}: {found.__name__} has a field {KIND!r}, which recipes need for the class; rename it"
        )
    return found
