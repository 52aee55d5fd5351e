"""One view of the whole picture: stretched, cropped or padded to a fixed size.

Law     one view of ``size`` for every picture, so the token count never depends on the picture.
Used by stretch: SigLIP, Gemma 3, unsplit Idefics3. Crop: CLIP and the usual LLaVA processors. Pad: LLaVA-1.5.
Loses   stretch loses the aspect, crop the two ends of the long side, pad the patches spent on empty canvas; all
        three lose what is smaller than a view pixel.
Source  CLIP, arXiv:2103.00020; LLaVA-1.5, arXiv:2310.03744; the rounding is that of the ``transformers`` processors.
"""

from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.parts import CLIP_MEAN_COLOUR, ViewsSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class StretchSpec(ViewsSpec):
    """The whole picture on a canvas of ``size`` (pixels), each axis scaled on its own."""

    size: Size

    @property
    def framed(self) -> bool:
        """One frame for every picture, of any size."""
        return True

    def layout(self, picture: Size) -> Layout:
        """One view of everything."""
        view = View(Box.of(picture), self.size)
        return Layout(picture, (view,), why=f"all of the {picture} picture is stretched to {self.size}")


@dataclass(frozen=True, kw_only=True, slots=True)
class CropSpec(ViewsSpec):
    """The middle of the picture on a canvas of ``size`` (pixels): scaled until it covers, ends cut off.

    For a square ``size`` this is "shortest edge to the side, then centre crop". The scaled long side and the
    crop's offset are rounded down.
    """

    size: Size

    @property
    def framed(self) -> bool:
        """One frame for every picture, of any size."""
        return True

    def layout(self, picture: Size) -> Layout:
        """One view of what survives the crop; its ``source`` has fractional sides."""
        scaled = self.scaled(picture)
        across, down = picture.width / scaled.width, picture.height / scaled.height
        left, top = (scaled.width - self.size.width) // 2, (scaled.height - self.size.height) // 2
        source = Box.of(self.size).shift(left, top).scale(across, down)
        kept = round(100 * source.area / picture.area)
        why = f"the {picture} picture is scaled to {scaled}; its middle {self.size} is kept, {kept} % of the picture"
        return Layout(picture, (View(source, self.size),), why=why)

    def scaled(self, picture: Size) -> Size:
        """The picture's size just before the crop: covers the canvas, one side equal."""
        width, height = self.size.width, self.size.height
        if picture.width * height <= picture.height * width:
            return Size(width, int(width * picture.height / picture.width))
        return Size(int(height * picture.width / picture.height), height)


@dataclass(frozen=True, kw_only=True, slots=True)
class PadSpec(ViewsSpec):
    """The whole picture in the middle of a canvas of ``size`` (pixels), aspect kept, the rest in ``colour``.

    LLaVA-1.5 pads before it resizes. So the padding at the left or top is counted in whole *source* pixels, half of
    all rounded down, and the place of the picture on the canvas is fractional. Pass ``colour`` (red, green, blue,
    0 to 255) on when sampling.
    """

    size: Size
    colour: tuple[int, int, int] = CLIP_MEAN_COLOUR

    @property
    def framed(self) -> bool:
        """One frame for every picture, of any size."""
        return True

    def __post_init__(self) -> None:
        if len(self.colour) != 3 or not all(0 <= part <= 255 for part in self.colour):
            raise SaccadeError(f"a padding colour needs 3 parts from 0 to 255, got {self.colour}")

    @property
    def padding(self) -> tuple[int, int, int]:
        """What the picture is padded with."""
        return self.colour

    def layout(self, picture: Size) -> Layout:
        """One view of everything; ``content`` is where the picture lies on the canvas."""
        content = self.content(picture)
        filled = round(100 * content.area / self.size.area)
        why = f"the {picture} picture is padded to the shape of {self.size} and scaled; it fills {filled} % of it"
        return Layout(picture, (View(Box.of(picture), self.size, content=content),), why=why)

    def content(self, picture: Size) -> Box:
        """Where the picture lies, in view pixels."""
        width, height = self.size.width, self.size.height
        slack = width * picture.height - height * picture.width  # > 0: the picture is narrower than the canvas
        if slack >= 0:
            left = slack // (2 * height)  # whole source pixels
            return Box(left * height / picture.height, 0, (left + picture.width) * height / picture.height, height)
        top = -slack // (2 * width)
        return Box(0, top * width / picture.width, width, (top + picture.height) * width / picture.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResizeThenCropSpec:
    """All of the picture stretched to ``size``, of which the middle ``crop`` is kept (pixels): EfficientNet, ALIGN."""

    size: Size
    crop: Size

    def layout(self, picture: Size) -> Layout:
        """One view of the middle."""
        across, down = picture.width / self.size.width, picture.height / self.size.height
        left, top = (self.size.width - self.crop.width) // 2, (self.size.height - self.crop.height) // 2
        source = Box.of(self.crop).shift(left, top).scale(across, down)
        why = f"all of {picture} is stretched to {self.size}, the middle {self.crop} is kept"
        return Layout(picture, (View(source, self.crop),), why=why)


@dataclass(frozen=True, kw_only=True, slots=True)
class CropThenResizeSpec:
    """The middle square of ``size`` / ``of`` of the short side, stretched to ``size`` (pixels): Perceiver."""

    size: Size
    of: int

    def layout(self, picture: Size) -> Layout:
        """One view of the middle."""
        short = min(picture.width, picture.height)
        side = max(int(self.size.height / self.of * short), 1)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        source = Box.of(Size(side, side)).shift(left, top)
        why = f"the middle {side}×{side} of {picture} is scaled to {self.size}"
        return Layout(picture, (View(source, self.size),), why=why)
