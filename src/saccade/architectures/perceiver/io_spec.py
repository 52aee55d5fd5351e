"""Perceiver IO: an input, latents that read it, and queries that read them; one task a decoder.

Law     one answer a query: classes of a picture or text, bytes that were masked, motion of every pixel.
Used by Perceiver IO's published models (six of them, as transformers names its classes).
Loses   what the latents did not keep.
Source  Perceiver IO, arXiv:2107.14795, and its released code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.architectures.perceiver.inputs_spec import ByteInputSpec, InputSpec, PatchInputSpec, PictureInputSpec
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.core.view import View
from saccade.specs.laws import count
from saccade.specs.laws.perceiver import DecodeSpec, PerceiverSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverIOSpec:
    """``inputs`` → ``encoder`` → ``decoder``."""

    inputs: InputSpec
    encoder: PerceiverSpec
    decoder: DecodeSpec

    def __post_init__(self) -> None:
        encoder, block = self.encoder, self.decoder.block
        if encoder.source != self.inputs.width:
            raise SaccadeError(
                f"perceiver: inputs have {self.inputs.width} channels, the latents read {encoder.source}; "
                "make them equal"
            )
        if (encoder.width, encoder.latents) != (block.seen, self.decoder.latents):
            raise SaccadeError(
                f"perceiver: there are {encoder.latents} latents of {encoder.width} channels, the decoder reads "
                f"{self.decoder.latents} of {block.seen}; make them equal"
            )

    def cost(self, grid: Grid, tokens: int | None = None, queries: int | None = None) -> Cost:
        """Inputs of ``grid`` and ``queries``, the learned ones unless told; ``tokens`` where there are others too."""
        return count.total(
            self.inputs.cost(grid),
            self.encoder.cost(grid.tokens if tokens is None else tokens),
            self.decoder.cost(queries),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverTowerSpec:
    """A Perceiver IO's input and latents as a tower. The grid is the map that the latents read."""

    inputs: PictureInputSpec
    encoder: PerceiverSpec

    @property
    def extra(self) -> int:
        """Nothing leaves beside the latents."""
        return 0

    def grid(self, view: View) -> Grid:
        """One place an input."""
        return self.inputs.grid(view.size.height, view.size.width)

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        return self.inputs.cost(grid) + self.encoder.cost(grid.tokens)

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment, that of the first read."""
        return self.encoder.peak([grid.tokens for grid in grids], number, eager=eager)


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedSpec:
    """Masked bytes: a learned query a position, whose answer is held against the table of the input's bytes.

    Texts are spelt in UTF-8; an id is a byte and ``first``, below which are the special ones: ``pad``, and ``cls`` and
    ``sep`` around a text.
    """

    io: PerceiverIOSpec
    pad: int = 0
    cls: int = 4
    sep: int = 5
    first: int = 6

    def __post_init__(self) -> None:
        inputs, decoder = self.io.inputs, self.io.decoder
        if not isinstance(inputs, ByteInputSpec):
            raise SaccadeError(f"perceiver: masked language reads ids, got {type(inputs).__name__}; take ByteInputSpec")
        if decoder.width != inputs.width:
            raise SaccadeError(
                f"perceiver: answers have {decoder.width} channels, the table of bytes {inputs.width}; make them equal"
            )

    @property
    def vocabulary(self) -> int:
        """Ids."""
        inputs = self.io.inputs
        assert isinstance(inputs, ByteInputSpec)
        return inputs.vocabulary

    def cost(self, length: int) -> Cost:
        """A text of ``length`` ids, every one of which is scored."""
        scores = Cost(count.linear(length, self.io.decoder.width, self.vocabulary).flops, self.vocabulary)
        return self.io.cost(Grid(1, length), queries=length) + scores


@dataclass(frozen=True, kw_only=True, slots=True)
class OpticalFlowSpec:
    """Optical flow: the inputs ask for themselves, one answer (across, down) a pixel of ``rows`` × ``cols``.

    Every pixel is told with its neighbours, ``side``² of them. Answers are divided by ``scale``, and come to pixels
    when they are multiplied by ``pixels``, which the model itself does not do.
    """

    io: PerceiverIOSpec
    rows: int = 368
    cols: int = 496
    side: int = 3
    scale: float = 100.0
    pixels: float = 20.0

    def __post_init__(self) -> None:
        inputs, decoder = self.io.inputs, self.io.decoder
        if not isinstance(inputs, PatchInputSpec) or inputs.channels % self.side**2:
            raise SaccadeError(
                f"perceiver: flow reads patches whose channels are {self.side}² pixels', got {inputs}; take a "
                "PatchInputSpec"
            )
        if decoder.queries or decoder.block.width != inputs.width:
            raise SaccadeError(
                f"perceiver: flow asks with its inputs of {inputs.width} channels, got {decoder.queries} learned "
                f"queries of {decoder.block.width}; set queries to 0 and the width to the inputs'"
            )

    def cost(self) -> Cost:
        """One pair of pictures of ``rows`` × ``cols``."""
        grid = Grid(self.rows, self.cols)
        return self.io.cost(grid, queries=grid.tokens)
