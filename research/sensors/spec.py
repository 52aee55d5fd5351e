"""Foveated patch sensor: patches that are small and dense where the eye rests, large and sparse around it.

Law     any number of patches, whatever the picture; each is patch × patch samples of three colours in one matrix.
Used by Killick's foveated mixers as the tokenizer of a vision transformer.
Loses   in a patch, what is finer than the step between its samples; between patches, what none of them reaches;
        everything beyond a retina's radius from the fixation. Samples are not averaged, so they alias.
Source  the foveated mixers' released code (PatchSensor), whose weight names are kept; positions are added as in one
        published use of it. Nodes are those of ``retina``.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from research.sensors.retina import equivalent, log_fibonacci, nearest
from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.core.size import Size
from saccade.specs.laws import count

NEIGHBOURS = 2
"""Nearest nodes whose mean distance scales a patch."""


@dataclass(frozen=True, kw_only=True)
class SensorSpec:
    """``tokens`` patches of ``patch`` × ``patch`` samples to ``width`` channels.

    ``radius`` and ``share`` are the fovea's, see ``retina.log_fibonacci``. A patch reaches ``scale`` of the distance to
    its neighbours from its middle. ``positions`` adds a learned vector to each place of the retina.
    """

    tokens: int
    width: int
    patch: int = 16
    radius: float = 0.3
    share: float | None = None
    scale: float = 0.5
    positions: bool = False

    def __post_init__(self) -> None:
        if self.width < 1 or self.patch < 2 or self.scale <= 0:
            raise SaccadeError(
                "sensor: a token takes 1 channel, a patch 2 samples a side or more and a scale above 0, got "
                f"{self.width}, {self.patch} and {self.scale}"
            )
        log_fibonacci(self.tokens, self.radius, self.share)

    @property
    def samples(self) -> int:
        """Numbers that a patch is made of."""
        return 3 * self.patch**2

    @property
    def resolution(self) -> float:
        """Patches a side of the even grid that is as dense everywhere as this one in its fovea."""
        return equivalent(self.tokens, self.radius, self.share)

    @cached_property
    def centres(self) -> np.ndarray:
        """Middles of the patches as seen from the fixation, tokens × (x, y), the picture's half sides being 1."""
        return log_fibonacci(self.tokens, self.radius, self.share)

    @cached_property
    def reach(self) -> np.ndarray:
        """From each patch's middle to its edge."""
        return self.scale * nearest(self.centres, NEIGHBOURS)

    @cached_property
    def steps(self) -> np.ndarray:
        """Between two neighbouring samples of each patch."""
        return 2 * self.reach / (self.patch - 1)

    @cached_property
    def places(self) -> np.ndarray:
        """What is sampled, seen from the fixation: samples of a patch in row order × tokens × (x, y)."""
        line = np.linspace(-1, 1, self.patch)
        square = np.stack(np.meshgrid(line, line, indexing="xy"), axis=2).reshape(-1, 1, 2)
        return square * self.reach[:, None] + self.centres

    def cost(self) -> Cost:
        """One picture; sampling counts no FLOPs."""
        placed = count.weights(self.tokens * self.width if self.positions else 0)
        return count.total(count.linear(self.tokens, self.samples, self.width), count.norm(self.width), placed)

    def peak(self, picture: Size, views: int, number: int) -> int:
        """Bytes alive at the worst moment, all views in one batch.

        The pictures and their samples, beside which are the places, each view's own, or tokens before and behind the
        norm.
        """
        sampled, tokens = self.tokens * self.samples, self.tokens * self.width
        return (3 * picture.area + sampled + max(2 * self.tokens * self.patch**2, 2 * tokens)) * views * number
