"""Retriever: a tower and a matcher, which tell what text belongs to which picture.

Law     patches of one view a picture, read once; no position in any sequence.
Used by BLIP-2's retrieval models and its first stage.
Loses   what its matcher does.
Source  BLIP-2, arXiv:2301.12597.
"""

from dataclasses import dataclass
from typing import Literal

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.core.size import Size
from saccade.specs.layouts.resize import CropSpec, PadSpec, StretchSpec
from saccade.specs.matcher import MatcherSpec
from saccade.specs.towers.vit import HubTowerSpec, StemTowerSpec


@dataclass(frozen=True, kw_only=True)
class RetrieverSpec:
    """picture → one view of ``views`` → ``tower`` → ``matcher``; pixels as in ``ReaderSpec``."""

    views: StretchSpec | CropSpec | PadSpec
    tower: HubTowerSpec | StemTowerSpec
    matcher: MatcherSpec
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    resample: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"

    def __post_init__(self) -> None:
        qformer = self.matcher.qformer
        if (qformer.width_in, qformer.extra) != (self.tower.width, self.tower.extra):
            raise SaccadeError(
                f"the tower puts out {self.tower.width} channels and {self.tower.extra} tokens beside its patches, the "
                f"matcher's Q-Former takes {qformer.width_in} and {qformer.extra}; make them equal"
            )

    def cost(self, size: Size, text: int) -> Cost:
        """One picture of ``size`` and one text of ``text`` positions, read together and decided on."""
        (view,) = self.views.layout(size).views
        grid = self.tower.grid(view)
        tower, matcher = self.tower.cost(grid), self.matcher.cost(grid, text)
        return Cost(tower.flops + matcher.flops, tower.params + matcher.params)
