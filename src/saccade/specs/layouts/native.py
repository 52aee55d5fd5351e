"""One view in the picture's own shape: sides rounded to whole blocks, pixels kept between two bounds.

Law     tokens ≈ pixels / (block side)²: the bounds on pixels are the bounds on tokens.
Used by Qwen2-VL and its kin, Ovis2.5 (``SmartResizeSpec``); Kimi-VL, Kimi-K2.5 (``PaddedNativeSpec``).
Loses   little of the shape (a side moves by half a block); everything beyond the upper bound.
Source  Qwen2-VL, arXiv:2409.12191 and its processors in transformers; Kimi-VL, arXiv:2504.07491, its processor, and
        vLLM's. Python's rounding of halves to even numbers is part of the law.
"""

import math
from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.core.view import Layout, View


@dataclass(frozen=True, kw_only=True, slots=True)
class SmartResizeSpec:
    """Sides in multiples of ``block`` pixels, ``low`` to ``high`` pixels in all, at most ``steepest`` in aspect."""

    block: int
    low: int
    high: int
    steepest: int = 200

    def __post_init__(self) -> None:
        if min(self.block, self.low, self.high) < 1:
            raise SaccadeError(
                f"resizing needs min_pixels, max_pixels and a block of at least 1 px, got {self.low}, {self.high} and "
                f"{self.block}"
            )

    def layout(self, picture: Size) -> Layout:
        """One view of everything. Raises for pictures thinner than ``steepest`` to 1."""
        size, bound = self.target(picture)
        rows, cols = size.height // self.block, size.width // self.block
        why = f"resize {picture} to {size}: {cols}×{rows} blocks of {self.block} px{bound}"
        return Layout(picture, (View(Box.of(picture), size),), why=why)

    def target(self, picture: Size) -> tuple[Size, str]:
        """The size after resizing, and in words which bound was met."""
        width, height, block = picture.width, picture.height, self.block
        if max(width, height) / min(width, height) > self.steepest:
            raise SaccadeError(
                f"a picture of {picture} is {max(width, height) / min(width, height):.0f} to 1, this model takes at "
                f"most {self.steepest} to 1; cut it into pieces or pad it"
            )
        tall, wide = round(height / block) * block, round(width / block) * block
        if tall * wide > self.high:
            shrink = math.sqrt(height * width / self.high)
            tall = max(block, math.floor(height / shrink / block) * block)
            wide = max(block, math.floor(width / shrink / block) * block)
            return Size(wide, tall), f" (shrunk to max_pixels {self.high:,})"
        if tall * wide < self.low:
            grow = math.sqrt(self.low / (height * width))
            tall, wide = math.ceil(height * grow / block) * block, math.ceil(width * grow / block) * block
            return Size(wide, tall), f" (enlarged to min_pixels {self.low:,})"
        return Size(wide, tall), ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedNativeSpec:
    """The picture, shrunk where it has more than ``patches`` of ``patch`` px, then padded to ``fold`` patches.

    Never enlarged. ``side`` is the most patches a side: beyond it ``refuses`` says no, else the picture is shrunk.
    """

    patch: int
    fold: int
    patches: int
    side: int
    refuses: bool = False

    def __post_init__(self) -> None:
        if min(self.patch, self.fold, self.patches, self.side) < 1:
            raise SaccadeError(
                f"patch, fold, patches and side are at least 1, got {self.patch}, {self.fold}, {self.patches} and "
                f"{self.side}"
            )

    def layout(self, picture: Size) -> Layout:
        """One view: the picture at the canvas' left top, zeros to its right and below."""
        content, canvas = self.content(picture), self.canvas(picture)
        shrunk = "" if content == picture else f"shrink {picture} to {content}, then "
        block = self.patch * self.fold
        why = (
            f"{shrunk}pad {content} to {canvas}: {canvas.width // block}×{canvas.height // block} blocks of {block} px"
        )
        return Layout(picture, (View(Box.of(picture), canvas, content=Box.of(content)),), why=why)

    def content(self, picture: Size) -> Size:
        """The picture's size after shrinking."""
        width, height, patch = picture.width, picture.height, self.patch
        if self.refuses:
            held = (width // patch) * (height // patch)
            scale = math.sqrt(self.patches / held) if held > self.patches else 1.0
        else:
            held = max(1.0, height // patch) * max(1.0, width // patch)
            bound = self.side * patch
            scale = min(1.0, math.sqrt(self.patches / held), bound / height, bound / width)
        return Size(max(1, int(width * scale)), max(1, int(height * scale)))

    def canvas(self, picture: Size) -> Size:
        """The size after padding. Raises where a side has too many patches and the model refuses that."""
        content, block = self.content(picture), self.patch * self.fold
        canvas = Size(-(-content.width // block) * block, -(-content.height // block) * block)
        if self.refuses and canvas.long // self.patch >= self.side:
            raise SaccadeError(
                f"a picture of {picture} has {canvas.long // self.patch} patches on its long side, this model takes "
                f"fewer than {self.side}; make it at most {(self.side - self.fold) * self.patch} px long"
            )
        return canvas
