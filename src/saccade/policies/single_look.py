"""One look: what every other policy has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.request import ImageRegion
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run, ask
from saccade.policies.calibration.confidence import certainty, same

TRIM = 0.04
"""Of each side that is left out of a second look, which has to say the same."""


@dataclass(frozen=True, kw_only=True)
class SingleLook(Policy):
    """All of the picture once, its longer side at most ``side`` pixels and at most a ``share`` of itself: one forward
    pass. With ``tokens`` it is resized to at most so many visual tokens instead. With ``keep`` some of its visual
    tokens are read and the others dropped. ``top`` alternatives are told for each token of the answer.

    Of a model without log-probabilities nothing tells how sure it is; with ``agree`` it is then shown a little less
    once more, and is sure (1) if it says the same and not (0) if not.
    """

    side: int | None = None
    share: float = 1.0
    agree: bool = False
    keep: TokenSelection | None = None
    tokens: int | None = None
    top: int = 5

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 < self.share <= 1:
            raise SaccadeError(f"a picture is shown at a share of its length above 0 and up to 1, got {self.share}")
        if self.tokens is not None and (self.side is not None or self.share != 1):
            raise SaccadeError(f"a picture is resized by tokens or by lengths, got both: {self}")
        if self.top < 0 or any(one is not None and one < 1 for one in (self.side, self.tokens)):
            raise SaccadeError(f"side and tokens are at least 1 and top at least 0, got {self}")

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        selects = Cap(0) if self.keep is None else Cap.KEEP | Cap.POSITIONS
        return {"": Cap.GENERATE | selects | (Cap(0) if self.tokens is None else Cap.RESIZE)}

    def run(self, asked: PolicyInput) -> Run:
        """See ``Policy``."""
        side = self._side(asked.size)
        whole = asked.look(ImageRegion(side=side, tokens=self.tokens), reason="the whole picture")
        look = replace(whole, keep=self.keep, top=self.top)
        answer = yield from ask(look)
        sure = certainty(answer)
        if sure is None and self.agree:
            x, y = asked.size.width * TRIM, asked.size.height * TRIM
            less = ImageRegion(
                box=Box(x, y, asked.size.width - x, asked.size.height - y), side=side, tokens=self.tokens
            )
            try:
                again = yield from ask(replace(look, sights=(less,), reason="a little less: is it said again?"))
            except BudgetSpent:
                return Outcome(answer)
            sure = float(same(answer, again))
        return Outcome(answer, sure)

    def _side(self, size: Size) -> int | None:
        if self.share == 1:
            return self.side
        shared = max(1, round(self.share * size.long))
        return shared if self.side is None else min(self.side, shared)
