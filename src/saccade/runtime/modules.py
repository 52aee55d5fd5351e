"""What a connector's module may do beyond ``forward``. A module of any package takes part by having the method."""

from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from saccade.core.grid import Grid, Groups


@runtime_checkable
class LearnedQueries(Protocol):
    """A connector whose tokens come from learned queries."""

    def attention(self, patches: Tensor, grid: Grid, /, *pixels: Tensor) -> Tensor:
        """How much each query looks at each patch: views × queries × patches. One that reads pixels is handed them."""
        ...


@runtime_checkable
class Grouping(Protocol):
    """A connector of which patches share a token depends on the picture."""

    def grouped(
        self, patches: Float[Tensor, "views patches width"], grid: Grid, /
    ) -> tuple[Float[Tensor, "views tokens out"], list[Groups]]:
        """The tokens, and per view the patches that each is made of."""
        ...


@runtime_checkable
class Prompted(Protocol):
    """A connector that reads the prompt."""

    def prompted(
        self,
        patches: Float[Tensor, "views patches width"],
        grid: Grid,
        words: Int[Tensor, "questions length"],
        real: Bool[Tensor, "questions length"],
        of: Int[Tensor, " questions"],
        /,
    ) -> Float[Tensor, "questions tokens out"]:
        """The tokens of each question's view, whose number is in ``of``; ``words`` are padding where not ``real``."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """A connector that reads the prompt and chooses by it where to look."""

    def chosen(
        self, patches: Float[Tensor, "views patches width"], grid: Grid, words: Int[Tensor, "views length"], /
    ) -> tuple[list[Groups], Int[Tensor, "views fixations"]]:
        """Per view the patches that each token is made of, and the patches that were looked at, the best first."""
        ...

    def counted(
        self, patches: Float[Tensor, "views patches width"], grid: Grid, words: Int[Tensor, "views length"], /
    ) -> Tensor:
        """The products of ``prompted`` where no value is known, so that they can be counted on the meta device."""
        ...
