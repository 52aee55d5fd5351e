"""A reader of whole pages: visual tokens, and one learned query for every place that a word may have.

What a query says is a word, or none. It has no language model behind it: words of generated pages do not depend on one
another, so there is nothing that one could add, and what is read can only come from the tokens.
"""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from saccade.connectors import build_connector
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.nn.perceiver import Attend
from saccade.specs.laws.perceiver import AttendSpec
from saccade.specs.parts import ConnectorSpec


@final
class PageReader(nn.Module):
    """``connector``'s tokens, which ``places`` queries read and talk over, ``depth`` times; ``classes`` words."""

    def __init__(self, connector: ConnectorSpec, *, places: int, classes: int, depth: int = 1, heads: int = 4) -> None:
        super().__init__()
        if min(places, classes, depth) < 1:
            raise SaccadeError(f"a page reader has places, words and layers, got {places}, {classes} and {depth}")
        width = connector.width_out
        self.spec = connector
        self.connector = build_connector(connector)
        self.queries = nn.Embedding(places, width)
        read, talk = (AttendSpec(width=width, source=source, heads=heads, widen=2) for source in (width, None))
        self.layers = nn.ModuleList(nn.ModuleList([Attend(read), Attend(talk)]) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.words = nn.Linear(width, classes)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views places classes"]:
        """Scores of every word at every place."""
        tokens = self.connector(patches, grid)
        x = self.queries.weight[None].expand(len(tokens), -1, -1)
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleList)
            read, talk = layer
            x = talk(read(x, tokens))
        return self.words(self.norm(x))
