"""Plug-ins: parts, policies, benchmarks, metrics, models and backends that other installed packages bring.

A package registers what it brings as an entry point, in its ``pyproject.toml``::

    [project.entry-points."saccade.parts"]
    fold = "toy.fold:FoldSpec"

The part is then called ``toy/fold`` wherever a name is taken: the name of the distribution, a slash, the name of the
entry point. Entry points are read once, at the first such name or listing. A plug-in is imported when it is used.
Nothing is ever installed or downloaded here. ``importlib.metadata`` takes 50 ms to import, so it is imported late.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from saccade.core.errors import SaccadeError, near, unknown

Group = Literal[
    "saccade.parts", "saccade.policies", "saccade.exams", "saccade.metrics", "saccade.models", "saccade.backends"
]
GROUPS: Mapping[Group, str] = {
    "saccade.parts": "part",
    "saccade.policies": "policy",
    "saccade.exams": "benchmark",
    "saccade.metrics": "metric",
    "saccade.models": "model",
    "saccade.backends": "backend",
}
"""What an entry of each group is called in messages."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of an installed package: ``name`` is ``package/kind``, ``value`` is ``module:attribute``."""

    group: Group
    name: str
    package: str
    version: str
    value: str

    def points_at(self, top: str, attribute: str) -> bool:
        """Whether it names ``attribute`` of a module in the top-level package ``top``."""
        module, _, named = self.value.partition(":")
        return module.strip().partition(".")[0] == top and named.partition("[")[0].strip() == attribute

    def load(self) -> object:
        """Import the module and return the attribute. Raises SaccadeError, with the cause, where that fails."""
        from importlib.metadata import EntryPoint

        try:
            return EntryPoint(self.name, self.value, self.group).load()
        except Exception as error:
            raise SaccadeError(
                f"{GROUPS[self.group]} {self.name!r} cannot be loaded: importing {self.value} of {self.package} "
                f"{self.version} raised {type(error).__name__}: {error}; repair or uninstall {self.package}"
            ) from error


def is_foreign(name: str) -> bool:
    """Whether ``name`` is written ``package/kind``, as names of plug-ins are."""
    package, slash, kind = name.partition("/")
    return bool(package and slash and kind) and _canonical(package) is not None


def plugins(group: Group) -> dict[str, Plugin]:
    """Every plug-in of ``group`` by its name ``package/kind``, in order of names. Nothing is imported."""
    return {name: claims[0] for name, claims in sorted(_installed()[group].items())}


def has_plugin(group: Group, name: str) -> bool:
    """Whether an installed package brings ``name``; nothing is imported, nothing refused."""
    return is_foreign(name) and _spelt(name) in _installed()[group]


def plugin(group: Group, name: str) -> object:
    """Load the plug-in ``name`` (``package/kind``) of ``group``.

    Raises SaccadeError for a name that no installed package brings, for a name that one package gives to two things,
    and for a plug-in that cannot be imported.
    """
    word = GROUPS[group]
    if not is_foreign(name):
        raise SaccadeError(f"a {word} of another package is written package/name, got {name!r}")
    claims = _installed()[group].get(_spelt(name))
    if claims is None:
        raise _missing(group, name)
    if len(claims) > 1:
        values = " and ".join(claim.value for claim in claims)
        raise SaccadeError(
            f"{word} {name!r} is claimed twice by {claims[0].package} {claims[0].version}: {values}; "
            "one name needs one entry point"
        )
    return claims[0].load()


def name_of(group: Group, kind: type) -> str | None:
    """The name under which a class is registered in ``group``, the first of several; None where no package does so.

    Imports only entries of the same attribute in the top-level package of ``kind``. Raises SaccadeError where two
    packages register one class: what is written under one name could not be read where only the other is installed.
    """
    top = kind.__module__.partition(".")[0]
    every = [claim for claims in _installed()[group].values() for claim in claims]
    found = [claim for claim in every if claim.points_at(top, kind.__qualname__)]
    found = [claim for claim in found if claim.load() is kind]
    packages = sorted({claim.package for claim in found})
    if len(packages) > 1:
        raise SaccadeError(
            f"{kind.__qualname__} is registered as a {GROUPS[group]} by {' and by '.join(packages)}; uninstall one"
        )
    return found[0].name if found else None


def _missing(group: Group, name: str) -> SaccadeError:
    """The refusal of a name that nobody brings: the package is not installed, or has nothing of that name."""
    from importlib.metadata import PackageNotFoundError, version

    word, known = GROUPS[group], _installed()[group]
    package, _, kind = _spelt(name).partition("/")
    try:
        found = version(package)
    except PackageNotFoundError:
        alike = near(name, known)
        meant = f"did you mean {' or '.join(alike)}? If not, and " if alike else ""
        return SaccadeError(
            f"{word} {name!r} needs the package {package}, which is not installed; {meant}if you trust it: "
            f"pip install {package}"
        )
    own = [other for other in known if other.startswith(f"{package}/")]
    if not own:
        return SaccadeError(
            f"{word} {name!r}: the package {package} {found} is installed and registers nothing under the entry-point "
            f"group {group}; install a version that does, or name a {word} of another package"
        )
    return unknown(f"{word} of {package} {found}", f"{package}/{kind}", own)


def _canonical(package: str) -> str | None:
    """A distribution's name as PEP 503 writes it: lower case, runs of ``-``, ``_`` and ``.`` as one ``-``."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", package):
        return None
    return re.sub(r"[-_.]+", "-", package).lower()


def _spelt(name: str) -> str:
    """``name`` with its package in canonical form, so that ``My_Toy/fold`` is ``my-toy/fold``."""
    package, _, kind = name.partition("/")
    return f"{_canonical(package)}/{kind}"


@cache
def _installed() -> dict[Group, dict[str, list[Plugin]]]:
    """Every claim to every name, by group. More than one claim to a name is refused when the name is used."""
    from importlib.metadata import entry_points

    groups: dict[Group, dict[str, list[Plugin]]] = {}
    every = entry_points()
    for group in GROUPS:
        claims: dict[str, list[Plugin]] = {}
        for entry in every.select(group=group):
            if entry.dist is None:
                continue
            package = _canonical(entry.dist.name)
            name = f"{package}/{entry.name}"
            made = Plugin(group, name, str(package), entry.dist.version, entry.value)
            if made not in claims.setdefault(name, []):
                claims[name].append(made)
        groups[group] = claims
    return groups
