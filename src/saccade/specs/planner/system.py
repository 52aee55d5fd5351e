"""A published model as a family (its laws) and a checkpoint (its numbers): from JSON and options to a path."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from saccade.core.errors import SaccadeError, unknown
from saccade.core.fidelity import Fidelity
from saccade.core.interface.defaults import TEXT as TEXT
from saccade.core.plan import Plan, Setting
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.laws.path import Media, PathSpec

Value = int | float | bool | str
"""What an option can be set to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """Something a user can set: its ``kind``, what it does, and for texts the ``choices``."""

    name: str
    kind: type[int] | type[float] | type[bool] | type[str]
    help: str
    choices: tuple[str, ...] = ()

    def read(self, value: object) -> Value:
        """``value`` as this option's kind, from Python or from a command line's text. Raises SaccadeError."""
        if isinstance(value, str) and self.kind is not str:
            value = _parsed(value)
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, self.kind) or (isinstance(value, bool) and self.kind is not bool):
            raise SaccadeError(f"option {self.name} takes {_KINDS[self.kind]}, got {value!r}; {self.help}")
        if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
            raise SaccadeError(f"option {self.name} takes {_KINDS[self.kind]} above 0, got {value}; {self.help}")
        if self.choices and value not in self.choices:
            raise unknown(f"value of option {self.name}", str(value), self.choices)
        return value


_KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}


def _parsed(text: str) -> object:
    if text.lower() in ("true", "on", "yes"):
        return True
    if text.lower() in ("false", "off", "no"):
        return False
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's ``config`` and ``processor`` as their JSON says, and the ``options`` that a user set."""

    config: Fields
    processor: Fields
    options: Mapping[str, Value] = field(default_factory=dict)

    def whole(self, name: str, default: int) -> int:
        """A whole-numbered option, or the checkpoint's own value."""
        value = self.options.get(name, default)
        assert isinstance(value, int)
        return value

    def switch(self, name: str, default: bool) -> bool:
        """An option that is on or off, or the checkpoint's own value."""
        return bool(self.options.get(name, default))

    def rate(self, name: str, default: float) -> float:
        """A rate, or the checkpoint's own."""
        value = self.options.get(name, default)
        assert isinstance(value, int | float)
        return float(value)

    def choice(self, name: str, default: str) -> str:
        """A name, or the checkpoint's own."""
        return str(self.options.get(name, default))


@dataclass(frozen=True, kw_only=True, slots=True)
class Knob:
    """An option that trades tokens for detail: ``values`` for given media, fewest tokens first."""

    option: str
    values: Callable[[Checkpoint, Sequence[Media]], Sequence[Value]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """The laws of one architecture: ``build`` makes its path from a checkpoint.

    ``kind`` is what the model does; ``stages`` are its parts in words, for the catalogue; ``settings`` says how to get
    the same counts from ``transformers``, vLLM and lmms-eval, per option.
    """

    build: Callable[[Checkpoint], PathSpec]
    kind: Literal["reader", "retriever", "matcher", "classifier"]
    summary: str
    stages: str
    fidelity: Fidelity
    source: str
    options: tuple[Option, ...] = ()
    knobs: tuple[Knob, ...] = ()
    notes: Callable[[Checkpoint, PathSpec, Sequence[Media]], Sequence[str]] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model that can be planned: a ``family`` and the JSON of one checkpoint of it."""

    name: str
    family: Family
    config: Json
    processor: Json
    checkpoint: str = ""
    unverified: tuple[str, ...] = ()
    note: str = ""
    _made: dict[tuple[tuple[str, str], ...], tuple[Checkpoint, PathSpec]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def checkpoint_with(self, options: Mapping[str, object]) -> Checkpoint:
        """The checkpoint under ``options``. Raises SaccadeError for names the family does not have."""
        known = {option.name: option for option in self.family.options}
        read: dict[str, Value] = {}
        for name, value in options.items():
            if name not in known:
                if not known:
                    raise SaccadeError(f"{self.name} takes no options, got {name!r}; its count is fixed")
                raise unknown(f"option of {self.name}", name, known)
            read[name] = known[name].read(value)
        return Checkpoint(Fields(self.config), Fields(self.processor, "processor"), read)

    def path(self, options: Mapping[str, object] | None = None) -> PathSpec:
        """The path under ``options``."""
        return self._built(options or {})[1]

    def _built(self, options: Mapping[str, object]) -> tuple[Checkpoint, PathSpec]:
        """Checkpoint and path, made once for each choice of options."""
        key = tuple(sorted((name, str(value)) for name, value in options.items()))
        if key not in self._made:
            made = self.checkpoint_with(options)
            self._made[key] = (made, self.family.build(made))
        return self._made[key]

    def plan(
        self,
        media: Sequence[Media],
        *,
        text: int = TEXT,
        setting: Setting | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Plan:
        """One prompt over ``media`` and ``text`` further positions, under ``options``."""
        made, path = self._built(options or {})
        found = path.plan(media, text, setting)
        notes = [] if self.family.notes is None else list(self.family.notes(made, path, media))
        if path.language is not None and path.language.cached and found.length > path.language.context:
            notes.append(f"{found.length:,} positions exceed the context of {path.language.context:,} it was made for")
        if self.unverified:
            used = made.config.read | made.processor.read
            doubtful = [name for name in self.unverified if name in used]
            notes += [f"unverified: {_short(doubtful)}"] if doubtful else []
        return replace(found, model=self.name, notes=tuple(notes))


def _short(names: Sequence[str]) -> str:
    """Dotted names by their common place: ``config.vision_config (4 values)`` where many stand together."""
    places: dict[str, list[str]] = {}
    for name in names:
        place, _, leaf = name.rpartition(".")
        places.setdefault(place, []).append(leaf)
    told = [
        f"{place}.{leaves[0]}" if len(leaves) == 1 else f"{place} ({', '.join(leaves)})"
        for place, leaves in places.items()
    ]
    return "; ".join(told)
