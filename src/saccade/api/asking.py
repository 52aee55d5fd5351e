"""Asking as a function: any model, any looking policy, and where it looked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from saccade.api.png import png_path as png_path
from saccade.api.png import write_png
from saccade.core.box import Box
from saccade.core.defaults import MAX_TOKENS, MODEL
from saccade.core.errors import SaccadeError
from saccade.core.recipe import digest, to_dict
from saccade.core.request import YesNo, shown
from saccade.core.size import Size
from saccade.core.trace import Look, Trace
from saccade.models.cards import cards
from saccade.models.open import open_model
from saccade.policies.base import Result, Sample
from saccade.policies.catalogue import TYPES
from saccade.policies.catalogue import policy as named_policy
from saccade.policies.scheduler import Scheduler
from saccade.views.open import open_picture
from saccade.views.scan_path import Glance, draw_path
from saccade.views.sight import extent

SCHEMA = "saccade.ask/1"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
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
            [Glance(_box(look, Size(*self.picture.size)), told(look)) for look in self.result.trace.looks],
            self.result.outcome.heat,
            title=f"{self.question}  {self.result.outcome.answer.text}",
            lines=(f"{self.model} · {self.policy} · {read(self.result.trace)} read in all",),
        )
        return write_png(made, path)


def ask(
    image: str | Path | Image.Image,
    question: str,
    *,
    model: str = MODEL,
    policy: str = "once",
    changes: Sequence[str] = (),
    budget: int | None = None,
    max_tokens: int = MAX_TOKENS,
    revision: str | None = None,
) -> Asked:
    """Answer ``question`` about a picture.

    ``model`` as ``models.open.open_model`` takes it; ``policy`` is a name or a file, ``changes`` its parameters as
    ``path=value``; ``budget`` bounds the visual tokens of all looks, ``max_tokens`` the length of an answer. A ladder
    may name further models: they are opened too. Raises SaccadeError for what cannot be read or asked.
    """
    if not question.strip():
        raise SaccadeError("the question is empty; ask something")
    if budget is not None and budget < 1:
        raise SaccadeError(f"a budget is at least 1 visual token, got {budget}")
    if max_tokens < 1:
        raise SaccadeError(f"an answer takes at least 1 token, got max_tokens={max_tokens}")
    chosen = named_policy(policy, tuple(changes), embedded=model in cards())
    picture = open_picture(image)
    names = dict.fromkeys((model, *(name for name in chosen.requires if name)))
    bench = {name: open_model(name, revision=revision if name == model else None) for name in names}
    (result,) = Scheduler(bench).run(chosen, [Sample(_Opened(picture), question, "picture", budget, max_tokens)])
    return Asked(picture, question, bench[model].name, policy, to_dict(chosen, TYPES), result)


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
    outcome = f"{said}, {certain} sure" if certain else said
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
