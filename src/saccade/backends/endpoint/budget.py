"""Pictures within a budget of visual tokens, for servers: how large they are sent.

Law     with a twin, whose plan counts the tokens of every size: the largest size that takes at most the budget. Without
        one, tokens are taken to grow with the area, from what the server said of the whole picture; what it then reads
        is what it says.
Loses   without a twin, a few tokens of the budget: servers round sizes in ways of their own.
"""

from dataclasses import replace
from math import sqrt
from typing import final

from saccade.core.errors import SaccadeError
from saccade.core.request import ImageRegion
from saccade.core.size import Size
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.resized import side_within
from saccade.specs.planner.system import ModelSpec
from saccade.views.image_region import shown_size


@final
class Budget:
    """Sizes of one server's pictures; ``whole`` are the visual tokens that it read of pictures of a size."""

    def __init__(self) -> None:
        self._path: PathSpec | None = None
        self._sides: dict[tuple[Size, int], int] = {}
        self._whole: dict[Size, int] = {}
        self.twin = ""

    def plan_as(self, twin: ModelSpec) -> None:
        """Count as the plan of a published model or a folder does."""
        self._path, self.twin = twin.path(), twin.name
        self._sides.clear()

    @property
    def planned(self) -> bool:
        """Whether a twin says what pictures take."""
        return self._path is not None

    def learn(self, size: Size, tokens: int) -> None:
        """What the server read of a picture of ``size``."""
        self._whole[size] = tokens

    def tokens(self, size: Size) -> int | None:
        """Visual tokens of a picture that is sent at ``size``, None where nobody knows."""
        return None if self._path is None else self._path.plan([size], 0).visual_tokens

    def resolved(self, sight: ImageRegion, picture: Size) -> ImageRegion:
        """``sight`` with the longer side that its budget comes to. Raises SaccadeError where nobody knows that."""
        if sight.tokens is None:
            return sight
        whole = replace(sight, tokens=None)
        size = shown_size(whole, picture)
        key = size, sight.tokens
        if key not in self._sides:
            self._sides[key] = self._side(size, sight.tokens)
        return replace(whole, side=self._sides[key])

    def _side(self, size: Size, tokens: int) -> int:
        if self._path is not None:
            path = self._path
            return side_within(size, tokens, lambda one: path.plan([one], 0).visual_tokens)
        if size not in self._whole:
            raise SaccadeError(
                f"nobody knows yet how many visual tokens a picture of {size} takes there, so it cannot be resized to "
                f"{tokens}; ask about the whole picture first, or name a twin whose plan counts them (--twin)"
            )
        return max(1, min(size.long, int(size.long * sqrt(tokens / max(1, self._whole[size])))))
