"""A tower that answers from several depths, so that easy pictures leave early.

Law     tokens = the tower's at every layer; a picture pays for the stem, the layers up to its exit, and every head on
        the way. A batch pays the mean of that, since finished pictures leave it.
Used by image classification; nothing behind it writes text.
Loses   nothing of a picture that goes on. Early heads ask early layers for what later ones would do better, and the
        stem is paid before anyone may leave.
Source  BranchyNet, arXiv:1709.01686: heads, a weighted sum of losses, exit by entropy. MSDNet, arXiv:1703.09844: a
        budget for the mean of a batch, met by exit shares that grow or shrink by a factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.towers.vit import StemTowerSpec

NEVER = 2.0
"""A threshold that nobody reaches."""
FACTORS = tuple(2.0 ** (step / 4) for step in range(-24, 25))
"""By which the share of one exit may differ from that of the exit before it."""
COMMON = 64
"""Thresholds that are tried for all exits alike."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitsSpec:
    """``tower`` with a head (norm, mean over patches, matrix to ``classes``) after each layer of ``places``.

    Layers are numbered from 1, and the last has a head. The tower's own last norm is that of the last head.
    """

    tower: StemTowerSpec = field(default_factory=StemTowerSpec)
    places: tuple[int, ...] = (1, 2, 4)
    classes: int = 10

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise SaccadeError(f"exits tell two classes or more apart, got {self.classes}")
        if not self.places or list(self.places) != sorted(set(self.places)) or self.places[0] < 1:
            raise SaccadeError(f"exits stand after layers in rising order, from 1, got {list(self.places)}")
        if self.places[-1] != self.tower.depth:
            raise SaccadeError(
                f"the last exit stands after the last layer, {self.tower.depth}, got {list(self.places)}; "
                "add it, or make the tower shorter"
            )

    @property
    def exits(self) -> int:
        """How many there are."""
        return len(self.places)

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """First layer and the one behind the last of what lies between two exits, counted from 0."""
        return tuple(zip((0, *self.places[:-1]), self.places, strict=True))

    def upto(self, grid: Grid, number: int) -> Cost:
        """One picture that leaves at exit ``number``, counted from 0, and the weights that it meets."""
        if not 0 <= number < self.exits:
            raise SaccadeError(f"exits are numbered 0 to {self.exits - 1}, got {number}")
        head = count.linear(1, self.tower.width, self.classes)
        return count.total(
            replace(self.tower, depth=self.places[number]).cost(grid),  # with one norm, which is that of the last head
            count.stack(count.norm(self.tower.width), number),
            count.stack(head, number + 1),
        )

    def cost(self, grid: Grid) -> Cost:
        """One picture that goes all the way."""
        return self.upto(grid, self.exits - 1)

    def expected(self, grid: Grid, shares: Sequence[float]) -> float:
        """Mean FLOPs of a picture if such ``shares`` of all pictures leave at each exit."""
        if len(shares) != self.exits or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise SaccadeError(f"shares of {self.exits} exits are above or at 0 and sum to 1, got {list(shares)}")
        return sum(share * self.upto(grid, number).flops for number, share in enumerate(shares))

    def thresholds(self, given: float | Sequence[float]) -> tuple[float, ...]:
        """One for every exit but the last, at which everyone leaves."""
        made = (given,) * (self.exits - 1) if isinstance(given, int | float) else tuple(given)
        if len(made) != self.exits - 1:
            raise SaccadeError(
                f"{self.exits} exits take {self.exits - 1} thresholds, as everyone leaves at the last, got {len(made)}"
            )
        if not all(limit >= 0 for limit in made):
            raise SaccadeError(f"thresholds are 0 (everyone leaves) or above (beyond 1: no one), got {list(made)}")
        return made


def left(sure: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """The exit of every picture: the first at which it is as sure as the threshold says, or the last.

    ``sure`` has a row a picture and a column an exit.
    """
    enough = sure >= np.append(np.asarray(thresholds, dtype=np.float64), -np.inf)
    return enough.argmax(axis=1)


def budgeted(sure: np.ndarray, right: np.ndarray, flops: Sequence[int], budget: float) -> tuple[float, ...]:
    """Thresholds with which pictures like these cost ``budget`` FLOPs on average, or less.

    ``sure`` and ``right`` say of pictures that took no part in training how sure each exit is, and whether it is right;
    ``flops`` is what leaving at each costs. Tried are shares of exits that grow or shrink by one factor, and one
    threshold for all; of those within the budget the most accurate is taken, and of equals the cheapest.
    """
    costs = np.asarray(flops, dtype=np.float64)
    if sure.shape != right.shape or sure.ndim != 2 or sure.shape[1] != len(costs) or len(sure) < 1:
        raise SaccadeError(
            f"a table has rows of pictures and {len(costs)} columns of exits, got {sure.shape} and {right.shape}"
        )
    if budget < costs[0]:
        raise SaccadeError(f"no picture costs less than the first exit, {costs[0]:.0f} FLOPs, got {budget:.0f}")
    steady = [(limit,) * (len(costs) - 1) for limit in (0.0, *np.quantile(sure, np.linspace(0, 1, COMMON)), NEVER)]
    tried = [*steady, *(_shared(sure, factor) for factor in FACTORS)]
    found = []
    for limits in tried:
        exits = left(sure, limits)
        mean = float(costs[exits].mean())
        if mean <= budget:
            found.append((float(right[np.arange(len(right)), exits].mean()), -mean, limits))
    return tuple(map(float, max(found)[2]))


def _shared(sure: np.ndarray, factor: float) -> tuple[float, ...]:
    """Thresholds at which every exit lets go ``factor`` times as many as the one before."""
    exits = sure.shape[1]
    parts = factor ** np.arange(exits)
    counts = np.floor(len(sure) * parts.cumsum() / parts.sum()).astype(int)
    limits, inside, gone = [], np.ones(len(sure), dtype=bool), 0
    for number in range(exits - 1):
        ranked = np.sort(sure[inside, number])[::-1]
        wanted = counts[number] - gone
        limits.append(float(ranked[wanted - 1]) if 0 < wanted <= len(ranked) else (0.0 if wanted > 0 else NEVER))
        inside &= sure[:, number] < limits[-1]
        gone = int(len(sure) - inside.sum())
    return tuple(limits)
