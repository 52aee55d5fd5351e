"""A policy: the middle of the picture alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.request import ImageRegion
from saccade.policies.base import Outcome, Policy, PolicyInput, Run, ask


@dataclass(frozen=True, kw_only=True)
class Middle(Policy):
    """Of each side the ``share`` in the middle."""

    share: float = 0.8

    @property
    def requires(self) -> Mapping[str, Cap]:
        """An answer, no more."""
        return {"": Cap.GENERATE}

    def run(self, asked: PolicyInput) -> Run:
        """One look."""
        x, y = (side * (1 - self.share) / 2 for side in (asked.size.width, asked.size.height))
        middle = Box(x, y, asked.size.width - x, asked.size.height - y)
        answer = yield from ask(asked.look(ImageRegion(box=middle), reason="the middle"))
        return Outcome(answer, boxes=(middle,))
