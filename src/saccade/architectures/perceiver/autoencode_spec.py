"""A Perceiver that takes video, sound and a label in, and gives them back from its latents.

Law     one answer a pixel of the video, one a run of samples, one for the label; any of them alone if points are named.
Used by Perceiver IO's model of Kinetics: 52,097 inputs through 784 latents to 804,737 outputs.
Loses   what the latents did not keep; the label is read from what is seen and heard, its own input being hidden.
Source  Perceiver IO, arXiv:2107.14795, and its released code, whose sizes differ from the paper's table.
"""

from dataclasses import dataclass
from math import prod

from saccade.architectures.perceiver.inputs_spec import FourierSpec, MixedInputSpec
from saccade.architectures.perceiver.io_spec import PerceiverIOSpec
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoencodeSpec:
    """Queries are Fourier features of a pixel (``image``) or of a run of samples (``sound``), or a learned vector of
    ``label`` channels, each filled up with a learned vector to one width, ``least`` more than the widest.

    ``shape`` is the video's: frames, rows, columns; ``samples`` is the sound's length.
    """

    io: PerceiverIOSpec
    image: FourierSpec
    sound: FourierSpec
    label: int = 1024
    least: int = 2
    shape: tuple[int, int, int] = (16, 224, 224)
    samples: int = 30_720
    colours: int = 3

    def __post_init__(self) -> None:
        inputs = self.io.inputs
        if not isinstance(inputs, MixedInputSpec):
            raise SaccadeError(f"perceiver: autoencoding reads a MixedInputSpec, got {type(inputs).__name__}")
        if (len(self.image.resolution), len(self.sound.resolution)) != (3, 1):
            raise SaccadeError(
                "perceiver: pixels are asked for along 3 axes and samples along 1, got "
                f"{len(self.image.resolution)} and {len(self.sound.resolution)}"
            )
        if self.io.decoder.queries or self.io.decoder.block.width != self.width:
            raise SaccadeError(
                f"perceiver: queries of {self.width} channels are made here, the decoder takes "
                f"{self.io.decoder.queries} learned ones of {self.io.decoder.block.width}; "
                f"set its queries to 0 and its width to {self.width}"
            )
        inputs.sound.tokens(self.samples)

    @property
    def inputs(self) -> MixedInputSpec:
        """What is read."""
        assert isinstance(self.io.inputs, MixedInputSpec)
        return self.io.inputs

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels of a query for sound, pixels and label before it is filled up."""
        return self.sound.width, self.image.width, self.label

    @property
    def width(self) -> int:
        """Channels of a query."""
        return max(self.widths) + self.least

    @property
    def runs(self) -> int:
        """Runs of samples that can be asked for."""
        return self.inputs.sound.tokens(self.samples)

    @property
    def outputs(self) -> tuple[int, int, int]:
        """How much can be asked for: sound, pixels, label."""
        return self.runs, prod(self.shape), 1

    @property
    def grid(self) -> Grid:
        """The video's blocks, steps above each other."""
        steps, rows, cols = self.inputs.image.shape(*self.shape)
        return Grid(steps * rows, cols)

    @property
    def tokens(self) -> int:
        """Inputs in all."""
        return self.runs + self.grid.tokens + 1

    def cost(self, sound: int | None = None, image: int | None = None) -> Cost:
        """One clip; all of it is asked for unless fewer points of ``sound`` and ``image`` are."""
        asked = tuple(
            whole if one is None else one for whole, one in zip(self.outputs, (sound, image, None), strict=True)
        )
        heads = (self.inputs.sound.samples, self.colours, self.inputs.label)
        return count.total(
            self.io.cost(self.grid, self.tokens, sum(asked)),
            count.weights(self.label + 3 * self.width - sum(self.widths)),
            *(count.linear(number, self.io.decoder.width, out) for number, out in zip(asked, heads, strict=True)),
        )
