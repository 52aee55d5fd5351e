"""Backwards: from what may be spent to what can be seen.

For given limits, the largest setting of a model's own knob (pixels, tiles, frames, mode) that keeps within them with
every token read, and the largest share of the visual tokens that does so at the setting as it is. Where neither exists,
what is short, and by how much.

A knob's values are ordered by what they show, fewest tokens first, and what costs more never costs less at a larger
one; so the largest that fits is found by halving, and short lists are walked from the top.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.plan import Plan, Setting
from saccade.core.size import Size
from saccade.core.units import bytes_told
from saccade.specs.laws.path import Media
from saccade.specs.laws.roofline import StageWork, Times, times
from saccade.specs.planner.device import Device
from saccade.specs.planner.system import Knob, ModelSpec, Value

T = TypeVar("T")

WALKED = 32
"""Lists of values up to this length are walked from the top, which needs no order of costs."""
OF_FRAMES = ("max_frames", "num_frames", "sample_fps")
"""Options that decide how many frames of a video are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FitLimits:
    """What may be spent: ``memory`` in bytes, ``seconds`` to the first token, visual ``tokens``, a ``context``.

    ``context`` positions (prompt and answer together) are kept room for, in the cache and by the model. ``reserve`` is
    memory that others need: the runtime, its workspaces, the allocator's slack.
    """

    memory: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    context: int | None = None
    reserve: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        given = {"memory": self.memory, "seconds": self.seconds, "tokens": self.tokens, "context": self.context}
        for name, value in given.items():
            if value is not None and value <= 0:
                raise SaccadeError(f"a limit on {name} is above 0, got {value:g}")
        if self.reserve < 0:
            raise SaccadeError(f"the memory in reserve is at least 0 bytes, got {self.reserve}")

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return any(value is not None for value in (self.memory, self.seconds, self.tokens, self.context))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """How a model keeps within limits. ``options`` is the largest setting that does, ``plan`` what it then costs, and
    ``memory`` what it needs in bytes with room for the context asked for.

    ``keep`` is the largest share of visual tokens that does at the setting as given, 1 where nothing need be dropped.
    Either may be None; ``short`` then says what is missing even so.
    """

    options: Mapping[str, Value] | None
    plan: Plan | None
    keep: float | None
    kept: Plan | None
    memory: int | None = None
    short: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """What a plan needs against what there is."""

    system: ModelSpec
    limits: FitLimits
    device: Device | None

    def memory(self, plan: Plan) -> int:
        """Bytes at the worst moment, the cache as long as the context asked for."""
        language, cache = self.system.path().language, plan.kv_bytes
        if self.limits.context is not None and language is not None:
            length = max(self.limits.context, plan.length)
            cache = plan.setting.batch * language.kv_bytes(length, plan.setting.number, plan.cross_keys)
        return plan.memory_with(cache) + self.limits.reserve

    def times(self, plan: Plan) -> Times | None:
        """How long it takes on the device, None without one."""
        return None if self.device is None else times_of(plan, self.device)

    def short(self, plan: Plan) -> tuple[str, ...]:
        """What is missing, with both numbers; empty where the plan keeps within its limits."""
        missing: list[str] = []
        limits = self.limits
        if limits.tokens is not None and plan.visual_tokens > limits.tokens:
            missing.append(f"{plan.visual_tokens - limits.tokens:,} visual tokens over {limits.tokens:,}")
        if limits.context is not None:
            held = self._context()
            if plan.length > limits.context:
                missing.append(f"{plan.length - limits.context:,} positions over a context of {limits.context:,}")
            elif held is not None and limits.context > held:
                missing.append(f"a context of {limits.context:,}: the model was made for {held:,}")
        if limits.memory is not None and self.memory(plan) > limits.memory:
            missing.append(f"{bytes_told(self.memory(plan) - limits.memory)} over {bytes_told(limits.memory)}")
        found = self.times(plan)
        if limits.seconds is not None and found is not None and found.first_token.high > limits.seconds:
            over = found.first_token.high - limits.seconds
            missing.append(f"{1000 * over:,.0f} ms over {1000 * limits.seconds:,.0f} ms")
        return tuple(missing)

    def _context(self) -> int | None:
        language = self.system.path().language
        return None if language is None or not language.cached else language.context


def times_of(plan: Plan, device: Device) -> Times:
    """The roofline's bands for a plan: weights are read once a stage, the cache once a token."""
    number = plan.setting.number
    return times(
        vision=StageWork(flops=plan.vision.flops, weight_bytes=plan.vision.params * number),
        connector=StageWork(flops=plan.connector.flops, weight_bytes=plan.connector.params * number),
        language=StageWork(
            flops=plan.language.flops, weight_bytes=plan.language.params * number, other_bytes=plan.kv_bytes
        ),
        token=StageWork(
            flops=plan.token.flops,
            weight_bytes=(plan.token.params - plan.idle_params) * number if plan.token.flops else 0,
            other_bytes=plan.kv_bytes,
        ),
        device=device,
        dtype=plan.setting.dtype,
        batch=plan.setting.batch,
    )


def fit(
    system: ModelSpec,
    media: Sequence[Media],
    limits: FitLimits,
    *,
    text: int,
    setting: Setting,
    device: Device | None = None,
    options: Mapping[str, object] | None = None,
) -> Fit:
    """The largest setting of ``system`` for ``media`` within ``limits``, beside what ``options`` fix already."""
    if limits.seconds is not None and device is None:
        raise SaccadeError("a limit on time needs a machine: name one with --device, or measure this one: --calibrate")
    given = dict(options or {})
    judge = Judge(system=system, limits=limits, device=device)
    whole = system.plan(media, text=text, setting=setting, options=given)
    lacking = judge.short(whole)

    def seen(extra: Mapping[str, Value]) -> Plan:
        return system.plan(media, text=text, setting=setting, options={**given, **extra})

    chosen = {} if not lacking else _largest(system, media, given, lambda extra: not judge.short(seen(extra)))
    path = system.path(given)

    def thinned(kept: int) -> Plan:
        return path.plan(media, text, setting, keep=kept)

    keep = 1.0 if not lacking else _share(whole.visual_tokens, lambda kept: not judge.short(thinned(kept)))
    if chosen is None and keep is None:
        return Fit(options=None, plan=None, keep=None, kept=None, short=judge.short(_least(system, media, given, seen)))
    plan = None if chosen is None else seen(chosen)
    return Fit(
        options=chosen,
        plan=plan,
        memory=None if plan is None else judge.memory(plan),
        keep=keep,
        kept=None if keep is None else thinned(round(keep * whole.visual_tokens)),
    )


def knobs(system: ModelSpec, media: Sequence[Media], given: Mapping[str, object]) -> list[Knob]:
    """The knobs that matter for pictures, or for videos, and are not fixed already; the first is turned first."""
    still = all(isinstance(one, Size) for one in media)
    free = [knob for knob in system.family.knobs if knob.option not in given]
    return [knob for knob in free if (knob.option in OF_FRAMES) != still] or ([] if still else free)


def _largest(
    system: ModelSpec, media: Sequence[Media], given: Mapping[str, object], fits: Callable[[Mapping[str, Value]], bool]
) -> dict[str, Value] | None:
    """The largest value of the first knob that fits; None where none does."""
    for knob in knobs(system, media, given):
        values = knob.values(system.checkpoint_with(given), media)
        option = knob.option
        found = _top(values, lambda value, option=option: fits({option: value}))
        if found is not None:
            return {knob.option: found}
    return None


def _least(
    system: ModelSpec, media: Sequence[Media], given: Mapping[str, object], seen: Callable[[Mapping[str, Value]], Plan]
) -> Plan:
    """What the smallest setting costs."""
    for knob in knobs(system, media, given):
        return seen({knob.option: knob.values(system.checkpoint_with(given), media)[0]})
    return seen({})


def _top(values: Sequence[T], fits: Callable[[T], bool]) -> T | None:
    """The last of ``values`` that fits, None where none does."""
    if len(values) <= WALKED:
        return next((value for value in reversed(values) if fits(value)), None)
    if not fits(values[0]):
        return None
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(values[middle]) else (low, middle)
    return values[low]


def _share(tokens: int, fits: Callable[[int], bool]) -> float | None:
    """The largest share of ``tokens`` that fits, at least one token; None where none does."""
    found = _top(range(1, tokens + 1), fits) if tokens else None
    return None if found is None else float(found) / tokens
