"""As it is: the tower's patches are the visual tokens. See ``specs/connectors/as_is.py``."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from saccade.core.grid import Grid
from saccade.specs.connectors.as_is import AsIsSpec


@final
class AsIs(nn.Module):
    """Without weights; ``spec`` says what passes."""

    def __init__(self, spec: AsIsSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(
        self, patches: Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width}"]:
        """The same, order kept."""
        del grid
        return patches
