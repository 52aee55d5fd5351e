"""Inputs of a Perceiver: anything becomes rows of channels, each told apart by features of its place.

Law     tokens as each class says; nothing is dropped before the latents choose.
Used by Perceiver IO's published models.
Source  Perceiver IO, arXiv:2107.14795, and its released code; sizes as in transformers' classes.
"""

from dataclasses import dataclass
from math import prod

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count


@dataclass(frozen=True, kw_only=True, slots=True)
class FourierSpec:
    """A place, its sines and its cosines: ``bands`` frequencies from 1 to half the ``resolution`` of each axis."""

    bands: int
    resolution: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.bands < 1 or not self.resolution or min(self.resolution) < 1:
            raise SaccadeError(
                f"fourier: 1 or more bands over 1 or more axes of 1 or more places, got {self.bands} over "
                f"{self.resolution}"
            )

    @property
    def width(self) -> int:
        """Channels."""
        return len(self.resolution) * (2 * self.bands + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelInputSpec:
    """One token a pixel: its ``channels`` and Fourier features. No weights."""

    places: FourierSpec = FourierSpec(bands=64, resolution=(224, 224))
    channels: int = 3

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.channels + self.places.width

    def grid(self, rows: int, cols: int) -> Grid:
        """Tokens of a picture of ``rows`` × ``cols`` pixels."""
        return Grid(rows, cols)

    def cost(self, grid: Grid) -> Cost:
        """One picture."""
        del grid
        return Cost()


@dataclass(frozen=True, kw_only=True, slots=True)
class TableInputSpec:
    """One token a pixel: ``features`` made of its channels, and as many learned for its place, through a matrix.

    The table is ``side``²; for pictures of other sizes it is interpolated.
    """

    side: int = 224
    features: int = 256
    channels: int = 3

    @property
    def width(self) -> int:
        """Channels of a token."""
        return 2 * self.features

    def grid(self, rows: int, cols: int) -> Grid:
        """Tokens of a picture of ``rows`` × ``cols`` pixels."""
        return Grid(rows, cols)

    def cost(self, grid: Grid) -> Cost:
        """One picture."""
        return count.total(
            count.convolution(grid.tokens, 1, self.channels, self.features),
            count.linear(grid.tokens, self.features, self.features),
            count.weights(self.side**2 * self.features),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StemInputSpec:
    """One token a 4 × 4 pixels: a 7 × 7 convolution of stride 2, a norm over the batch, the largest of 3 × 3 at stride
    2, and Fourier features.

    ``same`` pads what is missing, more at the right and below, so that 224 becomes 112 and 56: the authors'. Without it
    stands what transformers does: 3 on all sides before the convolution, nothing before the maximum, 112 and 55.
    """

    places: FourierSpec = FourierSpec(bands=64, resolution=(56, 56))
    features: int = 64
    channels: int = 3
    same: bool = True

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.features + self.places.width

    def grid(self, rows: int, cols: int) -> Grid:
        """Tokens of a picture of ``rows`` × ``cols`` pixels. Raises SaccadeError where nothing is left of it."""
        if not self.same and min(rows, cols) < 5:
            raise SaccadeError(f"perceiver: unpadded, the stem needs 5 pixels a side, got {rows}×{cols}; set same")
        return Grid(self._side(rows), self._side(cols))

    def _side(self, side: int) -> int:
        half = self.halved(side)
        return -(-half // 2) if self.same else (half - 3) // 2 + 1

    def halved(self, side: int) -> int:
        """Places behind the convolution; both ways of padding give as many."""
        return -(-side // 2)

    def cost(self, grid: Grid) -> Cost:
        """One picture whose sides are multiples of 4, as ``grid`` alone tells them."""
        places = prod(2 * side + (0 if self.same else 2) for side in (grid.rows, grid.cols))
        return count.convolution(places, 7, self.channels, self.features, bias=False) + count.norm(self.features)


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchInputSpec:
    """One token a block of ``frames`` × ``side`` × ``side`` pixels, mapped to ``features`` (0: as it is).

    Over two axes of ``places`` all frames are one block: optical flow's two. Over three, time is an axis: video.
    """

    places: FourierSpec
    side: int = 1
    frames: int = 1
    channels: int = 3
    features: int = 0

    def __post_init__(self) -> None:
        if min(self.side, self.frames, self.channels) < 1 or self.features < 0:
            raise SaccadeError(
                f"perceiver: side, frames and channels of a patch are 1 or more and features 0 or more, got "
                f"{self.side}, {self.frames}, {self.channels} and {self.features}"
            )
        if len(self.places.resolution) not in (2, 3):
            raise SaccadeError(
                f"perceiver: patches of frames have 2 or 3 axes, the places have {len(self.places.resolution)}"
            )

    @property
    def flat(self) -> int:
        """Channels of a block."""
        return self.frames * self.side**2 * self.channels

    @property
    def width(self) -> int:
        """Channels of a token."""
        return (self.features or self.flat) + self.places.width

    def shape(self, frames: int, rows: int, cols: int) -> tuple[int, ...]:
        """Blocks along each axis. Raises SaccadeError where they do not fill the clip."""
        if frames % self.frames or rows % self.side or cols % self.side:
            raise SaccadeError(
                f"perceiver: blocks of {self.frames}×{self.side}×{self.side} do not fill {frames}×{rows}×{cols} ("
                "frames, rows, columns); cut or pad the clip to multiples"
            )
        steps, place = frames // self.frames, (rows // self.side, cols // self.side)
        if len(self.places.resolution) == 3:
            return (steps, *place)
        if steps != 1:
            raise SaccadeError(f"perceiver: {self.frames} frames are one block, got {frames}; give {self.frames}")
        return place

    def cost(self, grid: Grid) -> Cost:
        """A block a place of ``grid``, steps above each other."""
        return count.linear(grid.tokens, self.flat, self.features) if self.features else Cost()


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundInputSpec:
    """One token for every ``samples`` in a row, and Fourier features. No weights."""

    places: FourierSpec
    samples: int = 16

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.samples + self.places.width

    def tokens(self, samples: int) -> int:
        """Tokens of a run of ``samples``. Raises SaccadeError where they do not fill the last."""
        if samples % self.samples:
            raise SaccadeError(
                f"perceiver: {samples} samples are no whole number of tokens of {self.samples}; cut them to "
                f"{samples // self.samples * self.samples}"
            )
        return samples // self.samples


@dataclass(frozen=True, kw_only=True, slots=True)
class ByteInputSpec:
    """One token an id of ``vocabulary``: its row of a table of ``width`` channels and that of its place, added."""

    vocabulary: int = 262
    width: int = 768
    positions: int = 2048

    def cost(self, grid: Grid) -> Cost:
        """One text, an id a place of ``grid``."""
        del grid
        return count.weights((self.vocabulary + self.positions) * self.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class MixedInputSpec:
    """Sound, pictures and a label one behind the other, each filled up with a learned vector to one width.

    That is the widest one's and ``least`` more. ``hidden`` tells how probable it is that a token is replaced by a
    learned one of its kind: sound, pictures, label. A label that is always hidden need not be given.
    """

    sound: SoundInputSpec
    image: PatchInputSpec
    label: int = 700
    least: int = 4
    hidden: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        if self.label < 1 or self.least < 0 or not all(0 <= one <= 1 for one in self.hidden):
            raise SaccadeError(
                f"perceiver: a label has 1 or more classes, padding 0 or more channels, and tokens are hidden with a "
                f"probability from 0 to 1, got {self.label}, {self.least} and {self.hidden}"
            )

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels of sound, pictures and label before they are filled up."""
        return self.sound.width, self.image.width, self.label

    @property
    def width(self) -> int:
        """Channels of a token."""
        return max(self.widths) + self.least

    def cost(self, grid: Grid) -> Cost:
        """One clip, whose pictures are of ``grid``."""
        return self.image.cost(grid) + count.weights(6 * self.width - sum(self.widths))


PictureInputSpec = PixelInputSpec | TableInputSpec | StemInputSpec
InputSpec = PictureInputSpec | PatchInputSpec | ByteInputSpec | MixedInputSpec
