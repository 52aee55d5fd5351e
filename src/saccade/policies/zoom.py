"""Zoom: look at all of it, and where that is not enough, look closer where the evidence seems to be.

Law     one look at the whole picture, what locating takes, and one look closer, unless the first is sure enough.
Loses   what lies outside the crop, where only the crop is shown; so the first answer stands where it is the surer one.
Source  ViCrop (arXiv:2502.17422) for relative attention; FOCUS (arXiv:2506.21710) for cached values; DualFocus
        (arXiv:2402.14767) for choosing between both answers by perplexity. Gate, aspects and "nothing found" are ours.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from saccade.core.attention_map import AttentionMap
from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.request import Ask, ImageRegion, Watch, YesNo
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run, Step, ask, chance, watch
from saccade.policies.boxes import WindowBoxes, around, windows
from saccade.policies.calibration.confidence import certainty
from saccade.policies.choose import surest
from saccade.policies.wording import named, wording

Located = tuple[tuple[Box, ...], AttentionMap | None]
"""The boxes to look at, the best first, and the heat that says so."""


@dataclass(frozen=True, kw_only=True)
class Zoom(Policy):
    """What all zooms share.

    ``side`` bounds every look in pixels. The whole picture is enough where its answer is at least as sure as ``gate``
    (0: always, above 1: never), and so is a closer look. ``margin`` is added around a box, in shares of its sides.
    ``both`` shows the whole picture beside the crop (None: where the model reads several). Of all answers the surest
    stands, what is said several times adding up; with ``trust`` of the closer looks' alone.
    """

    side: int | None = None
    gate: float = 0.9
    margin: float = 0.25
    both: bool | None = None
    trust: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.gate >= 0 or not self.margin >= 0:
            raise SaccadeError(f"a zoom takes a gate and a margin of 0 and more, got {self.gate} and {self.margin}")

    @abstractmethod
    def locate(self, asked: PolicyInput, sight: ImageRegion) -> Step[Located]:
        """Where to look closer."""

    def run(self, asked: PolicyInput) -> Run:
        """See ``Policy``."""
        sight = ImageRegion(side=self.side)
        first = yield from ask(asked.look(sight, reason="the whole picture"))
        sure = certainty(first)
        if sure is not None and sure >= self.gate:
            return Outcome(first, sure)
        said, boxes, heat = [Outcome(first, sure)], (), None
        try:
            boxes, heat = yield from self.locate(asked, sight)
            for box in boxes:
                both = bool(asked.caps & Cap.MULTI_IMAGE) if self.both is None else self.both
                crop = ImageRegion(box=around(box, asked.size, self.margin), side=self.side)
                sights = (sight, crop) if both else (crop,)
                reason = "closer, where the evidence seems to be"
                closer = yield from ask(asked.look(*sights, reason=reason))
                said.append(Outcome(closer, certainty(closer), (box,)))
                if (said[-1].confidence or 0.0) >= self.gate:
                    break
        except BudgetSpent:
            pass
        best = surest(said[1:] if self.trust and len(said) > 1 else said)
        return replace(best, heat=heat)


@dataclass(frozen=True, kw_only=True)
class AttentionZoom(Zoom):
    """Relative attention: where the question makes the model look more than a ``neutral`` request does ("" for the
    wording's). ``relative`` off takes the attention as it is. It is that of the position from which the answer begins,
    or, with ``words``, of the words that the question is about; ``layers`` as in ``Watch``.
    """

    neutral: str = ""
    relative: bool = True
    words: bool = False
    layers: tuple[float, float] | None = None
    rule: WindowBoxes = field(default_factory=WindowBoxes)

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE | Cap.ATTN_LM | (Cap.MULTI_IMAGE if self.both else Cap(0))}

    def locate(self, asked: PolicyInput, sight: ImageRegion) -> Step[Located]:
        """See ``Zoom``."""
        neutral = (self.neutral or wording().neutral,) if self.relative else ()
        words = named(asked.question) if self.words else ""
        look = Watch(
            sights=(sight,),
            questions=(asked.question, *neutral),
            targets=(words, *("" for _ in neutral)),
            layers=self.layers,
            model=asked.model,
            reason=f"where is {words}?" if words else "where does it look?",
        )
        seen = yield from watch(look)
        heat = seen[0].over(seen[1]) if self.relative else seen[0]
        return windows(heat, self.rule), heat


@dataclass(frozen=True, kw_only=True)
class Values(Zoom):
    """Cached values: which places hold what the question's words do. ``target`` are the words, "" for those that the
    question is about, which the model is asked for where it follows instructions. ``steps`` boxes are verified by a yes
    or no there, the likeliest one is looked at, and none where no is likelier for all; those of several targets are
    joined. ``layers`` as in ``Watch``.
    """

    target: str = ""
    steps: int = 3
    layers: tuple[float, float] | None = None
    rule: WindowBoxes = field(default_factory=lambda: WindowBoxes(count=3))

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE | Cap.KV_READ | (Cap.MULTI_IMAGE if self.both else Cap(0))}

    def locate(self, asked: PolicyInput, sight: ImageRegion) -> Step[Located]:
        """See ``Zoom``."""
        able = bool(asked.caps & Cap.INSTRUCT)
        targets = (self.target,) if self.target else (yield from needed(asked)) if able else (named(asked.question),)
        look = Watch(
            sights=(sight,),
            questions=tuple(wording().exists.format(target=target) if able else asked.question for target in targets),
            targets=targets,
            by="values",
            layers=self.layers,
            model=asked.model,
            reason=f"what looks like {' and '.join(targets)}?",
        )
        seen = yield from watch(look)
        if not able:
            return windows(seen[0], self.rule), seen[0]
        boxes: list[Box] = []
        for target, heat in zip(targets, seen, strict=True):
            boxes += yield from self._verified(asked, windows(heat, self.rule)[: self.steps], target)
        return ((reduce(Box.union, boxes),) if boxes else ()), seen[0]

    def _verified(self, asked: PolicyInput, boxes: tuple[Box, ...], target: str) -> Step[tuple[Box, ...]]:
        """The box in which ``target`` is likeliest, if it is likelier there than not."""
        chances: list[float] = []
        question = wording().exists.format(target=target)
        for box in boxes:
            sights = (ImageRegion(box=around(box, asked.size, self.margin), side=self.side),)
            look = YesNo(sights=sights, question=question, model=asked.model, reason=f"is {target} there?")
            chances.append((yield from chance(look)))
        best = max(range(len(boxes)), key=lambda number: chances[number], default=None)
        return () if best is None or chances[best] < 0.5 else (boxes[best],)


def needed(asked: PolicyInput, most: int = 4) -> Step[tuple[str, ...]]:
    """What has to be seen to answer, as the model lists it from the question alone; at most ``most`` things."""
    question = wording().needs.format(question=asked.question)
    said = yield from ask(
        Ask(sights=(), question=question, max_tokens=32, model=asked.model, reason="what has to be seen?")
    )
    things = [thing.strip(" .\"'") for thing in said.text.splitlines()[0].split(",")] if said.text.strip() else []
    return tuple(dict.fromkeys(thing for thing in things if thing))[:most] or (named(asked.question),)
