"""Zoom by search: quarter the picture, look at the likeliest part first, stop when what is seen is enough.

Law     one question a node about whether it is enough, and two for each of its children; ``visits`` nodes at most, then
        one answer. Where no instructions are followed, the question itself is asked at each node instead, and its
        certainty is all there is.
Used with any model that answers, endpoints too.
Source  ZoomEye, arXiv:2411.16044. Its thresholds hold for one model each; here they are parameters, to be calibrated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from heapq import heappop, heappush
from itertools import count

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.request import Ask, ImageRegion, YesNo
from saccade.policies.base import BudgetSpent, Outcome, Policy, PolicyInput, Run, Step, ask, chance
from saccade.policies.boxes import around
from saccade.policies.calibration.confidence import certainty
from saccade.policies.wording import wording
from saccade.policies.zoom import needed

_Part = tuple[float, int, int, Box]
"""How promising a part is (less is more), its number, how deep it lies, and where."""


@dataclass(frozen=True, kw_only=True)
class ZoomTree(Policy):
    """``enough`` is how sure it has to be, from 0 to 1, that the answer can be given from what it sees; ``visits`` the
    nodes that are looked at beside the whole picture; ``least`` the longer side in pixels below which a part is not
    quartered any more. ``balance`` weighs, at the top, what is seen in a node against what might be hidden in it; the
    first counts more further down. ``side``, ``margin`` and ``both`` are those of every zoom.
    """

    enough: float = 0.9
    visits: int = 8
    least: int = 112
    balance: float = 0.6
    side: int | None = None
    margin: float = 0.1
    both: bool | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.visits < 1 or self.least < 1:
            raise SaccadeError(f"a tree takes 1 and more visits and pixels, got {self.visits} and {self.least}")
        if not 0 <= self.balance <= 1:
            raise SaccadeError(f"a balance lies between 0 and 1, got {self.balance}")

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE | (Cap.MULTI_IMAGE if self.both else Cap(0))}

    def run(self, asked: PolicyInput) -> Run:
        """See ``Policy``."""
        return self._told(asked) if asked.caps & Cap.INSTRUCT else self._guessed(asked)

    def _told(self, asked: PolicyInput) -> Run:
        """With a model that says whether it sees what it needs."""
        targets = yield from needed(asked)
        found: list[Box] = []
        for target in targets:
            box = yield from self._search(asked, target)
            if box is not None:
                found.append(box)
        union = reduce(Box.union, found) if found else None
        reason = "closer, where it was found" if found else "the whole picture: looking closer found nothing"
        answer = yield from ask(self._look(asked, union, reason))
        return Outcome(answer, certainty(answer), tuple(found))

    def _search(self, asked: PolicyInput, target: str) -> Step[Box | None]:
        """The first part in which ``target`` is seen well enough; None where the whole picture will do or none does."""
        queue: list[_Part] = []
        best: tuple[float, Box] | None = None
        numbers = count()
        try:
            if (yield from self._enough(asked, None)) >= self.enough:
                return None
            yield from self._open(asked, queue, numbers, asked.whole, target, 1)
            for _ in range(self.visits):
                if not queue:
                    break
                _, _, depth, box = heappop(queue)
                sure = yield from self._enough(asked, box)
                best = (sure, box) if best is None or sure > best[0] else best
                if sure >= self.enough:
                    return box
                if max(box.width, box.height) > self.least:
                    yield from self._open(asked, queue, numbers, box, target, depth + 1)
        except BudgetSpent:
            pass
        return None if best is None or best[0] < 0.5 else best[1]

    def _open(
        self, asked: PolicyInput, queue: list[_Part], numbers: Iterator[int], parent: Box, target: str, depth: int
    ) -> Step[None]:
        """Put the quarters of a part where they belong; of equals the first comes first."""
        for child in quarters(parent):
            rank = yield from self._priority(asked, child, target, depth)
            heappush(queue, (-rank, next(numbers), depth, child))

    def _priority(self, asked: PolicyInput, box: Box, target: str, depth: int) -> Step[float]:
        """How promising a part is: what is seen there, and what might be hidden there."""
        seen = yield from self._chance(asked, box, wording().exists.format(target=target), f"is {target} there?")
        hidden = yield from self._chance(asked, box, wording().hidden.format(target=target), f"is {target} hidden?")
        levels = max(1.0, max(asked.size.width, asked.size.height) / self.least)
        weight = self.balance + (1 - self.balance) * min(1.0, 2.0**depth / levels) ** 2
        return weight * seen + (1 - weight) * hidden

    def _enough(self, asked: PolicyInput, box: Box | None) -> Step[float]:
        question = wording().enough.format(question=asked.question)
        return (yield from self._chance(asked, box, question, "is that enough?"))

    def _chance(self, asked: PolicyInput, box: Box | None, question: str, why: str) -> Step[float]:
        reason = f"{'the whole picture' if box is None else 'a part'}: {why}"
        look = YesNo(sights=self._sights(asked, box), question=question, model=asked.model, reason=reason)
        return (yield from chance(look))

    def _guessed(self, asked: PolicyInput) -> Run:
        """With a model that only answers: parts are ranked by how sure it is there, and the surest answer stands."""
        first = yield from ask(self._look(asked, None, "the whole picture"))
        best = Outcome(first, certainty(first))
        queue: list[tuple[float, int, Box]] = [(0.0, 0, asked.whole)]
        seen, number = 0, 0
        try:
            while queue and seen < self.visits and (best.confidence or 0.0) < self.enough:
                _, _, parent = heappop(queue)
                for child in quarters(parent):
                    answer = yield from ask(self._look(asked, child, "a part: how sure is it there?"))
                    seen, number = seen + 1, number + 1
                    sure = certainty(answer) or 0.0
                    if sure > (best.confidence or 0.0):
                        best = Outcome(answer, sure, (child,))
                    if max(child.width, child.height) > self.least:
                        heappush(queue, (-sure, number, child))
                    if sure >= self.enough or seen == self.visits:
                        break
        except BudgetSpent:
            pass
        return best

    def _look(self, asked: PolicyInput, box: Box | None, reason: str) -> Ask:
        return asked.look(*self._sights(asked, box), reason=reason)

    def _sights(self, asked: PolicyInput, box: Box | None) -> tuple[ImageRegion, ...]:
        """A part with some of its surroundings, beside the whole picture in which it is framed, where that is read."""
        if box is None:
            return (ImageRegion(side=self.side),)
        crop = ImageRegion(box=around(box, asked.size, self.margin), side=self.side)
        both = bool(asked.caps & Cap.MULTI_IMAGE) if self.both is None else self.both
        return (ImageRegion(side=self.side, mark=box), crop) if both else (crop,)


def quarters(box: Box) -> tuple[Box, ...]:
    """Four parts that tile a box: two by two, or in a row where one side is twice the other and more."""
    columns, rows = (4, 1) if box.width >= 2 * box.height else (1, 4) if box.height >= 2 * box.width else (2, 2)
    across = [box.left + box.width * place / columns for place in range(columns + 1)]
    down = [box.top + box.height * place / rows for place in range(rows + 1)]
    return tuple(
        Box(across[col], down[row], across[col + 1], down[row + 1]) for row in range(rows) for col in range(columns)
    )
