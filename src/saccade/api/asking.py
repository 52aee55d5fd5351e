"""Asking as a function: any model, any looking policy, and where it looked. Importing it needs no torch."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from saccade.api.png import png_path as png_path
from saccade.api.png import write_png
from saccade.backends.embedded.manifest import is_embedded
from saccade.backends.open import check_placement, open_one_of
from saccade.backends.placement import AUTO
from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import text, texts, whole
from saccade.core.interface.defaults import MAX_TOKENS, MODEL
from saccade.core.records.recipe import digest
from saccade.core.registry.kinds import KIND
from saccade.core.request import YesNo, shown
from saccade.core.size import Size
from saccade.core.trace import Look, Trace
from saccade.policies.base import Policy, Result, Sample
from saccade.policies.catalogue import policy as named_policy
from saccade.policies.catalogue import recipe_of
from saccade.policies.scheduler import Scheduler
from saccade.report.images.scan_path import ScanStep, draw_path
from saccade.views.image_region import extent
from saccade.views.open import open_picture

SCHEMA = "saccade.ask/1"


@dataclass(frozen=True, slots=True, eq=False)
class AskResult:
    """A question's ``result`` with what it took: the ``picture``, the ``model`` and the ``recipe`` of its policy."""

    picture: Image.Image
    question: str
    model: str
    policy: str
    recipe: dict[str, Any]
    result: Result

    def record(self) -> dict[str, Any]:
        """Everything as JSON-safe data."""
        outcome, trace = self.result.outcome, self.result.trace
        return {
            "schema": SCHEMA,
            "question": self.question,
            "answer": outcome.answer.text,
            "confidence": outcome.confidence,
            "abstains": outcome.abstains,
            "boxes": [list(box.sides) for box in outcome.boxes],
            "model": self.model,
            "policy": self.policy,
            "recipe": digest(self.recipe),
            "visual_tokens": trace.visual_tokens,
            "flops": trace.flops,
            "ms": trace.ms,
            "looks": [_record(look) for look in trace.looks],
        }

    def draw(self, target: str | Path) -> Path:
        """The scan path as a PNG; the file appears whole or not at all."""
        path = png_path(target)
        made = draw_path(
            self.picture,
            [ScanStep(_box(look, Size(*self.picture.size)), told(look)) for look in self.result.trace.looks],
            self.result.outcome.heat,
            title=f"{self.question}  {self.result.outcome.answer.text}",
            lines=(f"{self.model} · {self.policy} · {read(self.result.trace)} read in total",),
        )
        return write_png(made, path)


def ask(
    image: str | os.PathLike[str] | bytes | Image.Image | np.ndarray,
    question: str,
    *,
    model: object = MODEL,
    policy: str | os.PathLike[str] | Policy = "once",
    changes: Sequence[str] = (),
    budget: int | None = None,
    max_tokens: int = MAX_TOKENS,
    revision: str | None = None,
    device: str = AUTO,
    dtype: str = AUTO,
) -> AskResult:
    """Answer ``question`` about an image.

    Args:
        image: A file, its bytes, a Pillow image, or an array of 8-bit pixels (rows, columns, and 1, 3 or 4 channels).
        question: What to ask.
        model: A name, folder, Hub id or URL, or an object, as ``open_model`` takes them. A policy may name further
            models (a ladder does): they are opened too.
        policy: A policy, its name, or a YAML or JSON file with one.
        changes: Parameters of the policy as ``path=value``.
        budget: Visual tokens that all looks together may take.
        max_tokens: Tokens that an answer may take.
        revision: The branch, tag or commit of a Hub id.
        device: Where models run: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        dtype: Their type of numbers: ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Raises SaccadeError for what cannot be read, opened or asked.
    """
    text("question", question)
    whole("max_tokens", max_tokens, 1)
    if budget is not None:
        whole("budget (visual tokens)", budget, 1)
    chosen, named = _policy(policy, texts("changes", changes), is_embedded(model))
    opened = open_picture(image)
    required = [name for name in chosen.requires if name]
    check_placement([model, *required], device, dtype)
    first = open_one_of(model, revision=revision, device=device, dtype=dtype)
    key = model if isinstance(model, str) else first.name
    further = dict.fromkeys(name for name in required if name != key)
    bench = {key: first} | {name: open_one_of(name, device=device, dtype=dtype) for name in further}
    with ExitStack() as held:
        for one in bench.values():
            if one is not model:  # what the user opened, the user closes
                held.callback(one.close)
        (result,) = Scheduler(bench).run(chosen, [Sample(_Opened(opened), question, "image", budget, max_tokens)])
    return AskResult(opened, question, first.name, named, recipe_of(chosen), result)


def _policy(policy: object, changes: tuple[str, ...], embedded: bool) -> tuple[Policy, str]:
    """The policy that is meant, and what results call it. Raises SaccadeError for what is none."""
    if isinstance(policy, str | os.PathLike):
        return named_policy(os.fspath(policy), changes, embedded=embedded), os.fspath(policy)
    if not isinstance(policy, Policy):
        raise SaccadeError(f"a policy is a name, a file or a Policy, got a {type(policy).__name__}")
    if changes:
        raise SaccadeError(f"changes are for a policy by name or file, got {changes[0]!r} beside a Policy")
    return policy, str(recipe_of(policy)[KIND])


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """A picture that is open."""

    opened: Image.Image

    @property
    def size(self) -> Size:
        return Size(*self.opened.size)

    def image(self) -> Image.Image:
        return self.opened


def read(trace: Trace) -> str:
    """How much was read, in words."""
    seen = trace.visual_tokens
    return f"{trace.taken:,} tokens of pictures and words" if seen is None else f"{seen:,} visual tokens"


def told(look: Look) -> str:
    """A look in a few words: why, and what was said."""
    said, certain = answer(look), sure(look)
    outcome = f"{said}, confidence {certain}" if certain else said
    return f"{look.request.reason}: {outcome}" if said else look.request.reason


def answer(look: Look) -> str:
    """What a model said at a look, "" where it was watched alone."""
    if isinstance(look.request, YesNo) and look.confidence is not None:
        return "yes" if look.confidence >= 0.5 else "no"
    return "" if look.said is None else repr(look.said.text)


def sure(look: Look) -> str:
    """How sure of what it said, "" where nothing tells."""
    if look.confidence is None:
        return ""
    return f"{max(look.confidence, 1 - look.confidence) if isinstance(look.request, YesNo) else look.confidence:.0%}"


def place(look: Look, picture: Image.Image) -> str:
    """The part that a look shows, in words."""
    if not shown(look.request):
        return "words alone"
    box = _box(look, Size(*picture.size))
    return "all of it" if box is None else "({:.0f}, {:.0f}) to ({:.0f}, {:.0f})".format(*box.sides)


def _box(look: Look, size: Size) -> Box | None:
    """The part that a look shows; of several sights the last, which is the closest."""
    sights = shown(look.request)
    return None if not sights or sights[-1].box is None else extent(sights[-1], size)


def _record(look: Look) -> dict[str, Any]:
    return {
        "kind": type(look.request).__name__.lower(),
        "reason": look.request.reason,
        "model": look.model,
        "views": [list(view.source.sides) for view in look.views],
        "visual_tokens": look.visual_tokens,
        "tokens": look.tokens,
        "predicted": {
            "visual_tokens": look.predicted.visual_tokens,
            "tokens": look.predicted.tokens,
            "flops": look.predicted.flops,
            "bytes": look.predicted.bytes,
        },
        "ms": look.ms,
        "answer": None if look.said is None else look.said.text,
        "confidence": look.confidence,
    }
