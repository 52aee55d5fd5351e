"""Refinement to a fixed point: each look is where the one before looked, until nothing changes.

Law     two looks a pass (where, and the answer), at most ``passes`` of them after the first answer.
Stops   when two boxes in a row overlap by ``settled`` and more, when the same is said twice in a row closer up, or when
        the budget is spent.
Source  the survey's recurrent refinement; that the surest answer stands, and not the last, is ours: a pass that looks
        away from the evidence would otherwise lose what was read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.request import ImageRegion, Watch
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run, ask, watch
from saccade.policies.boxes import WindowBoxes, around, overlap, windows
from saccade.policies.calibration.confidence import certainty, same


@dataclass(frozen=True, kw_only=True)
class Refine(Policy):
    """``passes`` after the first answer, each ``margin`` around the box where the one before looked most; ``gate`` and
    ``side`` as in every zoom.
    """

    passes: int = 3
    settled: float = 0.8
    gate: float = 0.9
    margin: float = 0.25
    side: int | None = None
    rule: WindowBoxes = field(default_factory=lambda: WindowBoxes(shares=(0.35, 0.5)))

    def __post_init__(self) -> None:
        check_fields(self)
        if self.passes < 1 or not 0 < self.settled <= 1:
            raise SaccadeError(
                f"refinement takes 1 pass and more and an overlap above 0 up to 1, got {self.passes} and {self.settled}"
            )

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE | Cap.ATTN_LM}

    def run(self, asked: PolicyInput) -> Run:
        """See ``Policy``."""
        box, boxes = asked.whole, list[Box]()
        answer = yield from ask(asked.look(ImageRegion(side=self.side), reason="the whole picture"))
        best, before = Outcome(answer, certainty(answer)), answer
        sight = ImageRegion(side=self.side)
        try:
            for _ in range(self.passes):
                if best.confidence is not None and best.confidence >= self.gate:
                    break
                seen = yield from watch(
                    Watch(sights=(sight,), questions=(asked.question,), model=asked.model, reason="where does it look?")
                )
                found = windows(seen[0], self.rule)
                if not found:
                    break
                next_box = around(found[0], asked.size, self.margin)
                if overlap(next_box, box) >= self.settled:
                    break
                box = next_box
                boxes.append(box)
                sight = ImageRegion(box=box, side=self.side)
                answer = yield from ask(asked.look(sight, reason="closer, where it looked"))
                sure = certainty(answer)
                if sure is None or best.confidence is None or sure > best.confidence:
                    best = Outcome(answer, sure, tuple(boxes), seen[0])
                if len(boxes) > 1 and same(answer, before):
                    break
                before = answer
        except BudgetSpent:
            pass
        return best
