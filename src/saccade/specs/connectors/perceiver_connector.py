"""Perceiver as a connector: latents read all patches and think in layers of their own, or queries read them.

Law     tokens = latents, or learned queries where there are any, whatever the view.
Used by no published reader as it stands; Flamingo's and Idefics2's resamplers are its near relations (see latents).
Loses   what no latent keeps; a latent is no place, so its ledger entry is *by attention*.
Source  Perceiver IO, arXiv:2107.14795, put between a tower and a language model as the survey has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec
from saccade.specs.parts import ConnectorSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverConnectorSpec(ConnectorSpec):
    """The latents of ``encoder`` to ``width_out`` channels; or ``queries`` that read them first, over ``heads``.

    ``extra`` tokens (a class token) stand in front of a view's patches and are read with them.
    """

    encoder: PerceiverSpec
    width_out: int
    queries: int = 0
    heads: int = 1
    extra: int = 0

    def __post_init__(self) -> None:
        if self.width_out < 1 or min(self.queries, self.extra) < 0:
            raise SaccadeError(
                f"perceiver: width_out is 1 or more, queries and extra 0 or more, got {self.width_out}, "
                f"{self.queries} and {self.extra}"
            )
        if not self.queries and self.heads != 1:
            raise SaccadeError(
                f"perceiver: heads are those of queries, of which there are none, got {self.heads}; give queries, or "
                "the read of the encoder its heads"
            )

    @property
    def width_in(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Channels of a patch."""
        return self.encoder.source

    @property
    def decoder(self) -> DecodeSpec | None:
        """How tokens are asked for, None where latents are the tokens. As the encoder, it has the authors' form."""
        if not self.queries:
            return None
        width, read = self.encoder.width, self.encoder.read
        block = AttendSpec(
            width=width, source=width, heads=self.heads, act=read.act, empty=read.empty, lean=read.lean
        )  # fmt: skip
        return DecodeSpec(latents=self.encoder.latents, block=block, queries=self.queries, out=self.width_out)

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries or self.encoder.latents

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        decoder, encoder = self.decoder, self.encoder
        if decoder is None:
            out = count.linear(encoder.latents, encoder.width, self.width_out)
        else:
            out = decoder.cost()
        return encoder.cost(grid.tokens + self.extra) + out

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: what patches are read through, or the latents' widest block."""
        encoder, asked = self.encoder, len(grids) * self.encoder.latents
        read = encoder.peak([grid.tokens + self.extra for grid in grids], number, eager=eager)
        fold = 0
        if grids and encoder.read.folds(encoder.latents, grids[0].tokens + self.extra):
            fold = 2 * encoder.read.heads * asked * encoder.source * number
        layer = encoder.layer
        wide = max(2 * layer.scored + 2 * layer.valued, 2 * layer.widen * layer.width)
        return max(read + fold, asked * (2 * layer.width + wide) * number)
