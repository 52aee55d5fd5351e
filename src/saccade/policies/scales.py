"""Several scales: the whole picture and its parts, each asked, and the answers weighed.

Law     1 + parts² looks for every further scale, whatever the first one says, unless it is enough.
Used as the training-free form of S2 (arXiv:2403.13043), whose features are stacked before a connector that was trained
for it; and as the vote over crops that more looks should be measured against.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.request import Ask, ImageRegion
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run, ask
from saccade.policies.boxes import around
from saccade.policies.calibration.confidence import certainty
from saccade.policies.choose import surest


@dataclass(frozen=True, kw_only=True)
class Scales(Policy):
    """``parts`` are how many times each further scale divides a side. The surest answer stands; with ``vote`` the one
    that is surest in sum. Where the whole picture's answer is at least as sure as ``gate``, nothing more is looked at.
    """

    parts: tuple[int, ...] = (2,)
    side: int | None = None
    gate: float = 0.9
    margin: float = 0.1
    vote: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.parts or min(self.parts) < 2:
            raise SaccadeError(f"each further scale divides a side by 2 and more, got {self.parts}")

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE}

    def run(self, asked: PolicyInput) -> Run:
        """See ``Policy``."""
        first = yield from ask(self._look(asked, None))
        said = [Outcome(first, certainty(first))]
        if said[0].confidence is None or said[0].confidence < self.gate:
            try:
                for box in (box for parts in self.parts for box in _tiles(asked.whole, parts)):
                    answer = yield from ask(self._look(asked, box))
                    said.append(Outcome(answer, certainty(answer), (box,)))
            except BudgetSpent:
                pass
        return surest(said, vote=self.vote)

    def _look(self, asked: PolicyInput, box: Box | None) -> Ask:
        crop = None if box is None else around(box, asked.size, self.margin)
        reason = "the whole picture" if box is None else "a part at a larger scale"
        return asked.look(ImageRegion(box=crop, side=self.side), reason=reason)


def _tiles(box: Box, parts: int) -> tuple[Box, ...]:
    wide, tall = box.width / parts, box.height / parts
    return tuple(
        Box(col * wide, row * tall, (col + 1) * wide, (row + 1) * tall) for row in range(parts) for col in range(parts)
    )
