"""One look: what every other policy has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.keep import Keep
from saccade.core.request import Sight
from saccade.core.size import Size
from saccade.policies.base import Asked, Outcome, Policy, Run, Spent, ask
from saccade.policies.confidence import certainty, same

TRIM = 0.04
"""Of each side that is left out of a second look, which has to say the same."""


@dataclass(frozen=True, kw_only=True)
class Once(Policy):
    """All of the picture once, its longer side at most ``side`` pixels and at most a ``share`` of itself: one forward
    pass. With ``keep`` some of its visual tokens are read and the others dropped.

    Of a model without log-probabilities nothing tells how sure it is; with ``agree`` it is then shown a little less
    once more, and is sure (1) if it says the same and not (0) if not.
    """

    side: int | None = None
    share: float = 1.0
    agree: bool = False
    keep: Keep | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SaccadeError(f"a picture is shown at a share of its length above 0 and up to 1, got {self.share}")

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE | (Cap(0) if self.keep is None else Cap.KEEP | Cap.POSITIONS)}

    def run(self, asked: Asked) -> Run:
        """See ``Policy``."""
        side = self._side(asked.size)
        look = replace(asked.look(Sight(side=side), reason="the whole picture"), keep=self.keep)
        answer = yield from ask(look)
        sure = certainty(answer)
        if sure is None and self.agree:
            x, y = asked.size.width * TRIM, asked.size.height * TRIM
            less = Sight(box=Box(x, y, asked.size.width - x, asked.size.height - y), side=side)
            try:
                again = yield from ask(replace(look, sights=(less,), reason="a little less: is it said again?"))
            except Spent:
                return Outcome(answer)
            sure = float(same(answer, again))
        return Outcome(answer, sure)

    def _side(self, size: Size) -> int | None:
        if self.share == 1:
            return self.side
        shared = max(1, round(self.share * size.long))
        return shared if self.side is None else min(self.side, shared)
