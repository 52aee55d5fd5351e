"""The whole picture, and a few crops of it along its long side or in quarters, each at the tower's own size.

Law     pan and scan: 1 + n views, n from the aspect, 0 for pictures that are nearly square or small. Quarters: 5 views.
Used by Gemma 3 (``PanScanSpec``, off unless asked for), Idefics2 (``QuartersSpec``).
Loses   pan and scan: the aspect of every view. Quarters: nothing of it; small pictures are enlarged instead.
Source  Gemma 3, arXiv:2503.19786; Idefics2, arXiv:2405.02246; rounding as in their transformers processors.
"""

import math
from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import Layout, View


@dataclass(frozen=True, kw_only=True, slots=True)
class PanScanSpec:
    """Views of ``side`` pixels; crops of at least ``crop`` source pixels, at most ``most``, from ``ratio`` to 1 on."""

    side: int
    crop: int = 256
    most: int = 4
    ratio: float = 1.2

    def layout(self, picture: Size) -> Layout:
        """The whole, then the crops along the long side."""
        square = Size(self.side, self.side)
        whole = View(Box.of(picture), square)
        count = self.crops(picture)
        if not count:
            why = f"{picture} needs no crops (aspect below {self.ratio:g}, or crops below {self.crop} px): {square}"
            return Layout(picture, (whole,), why=why)
        flat = picture.width >= picture.height
        step = math.ceil(picture.long / count)
        edges = [(at * step, min((at + 1) * step, picture.long)) for at in range(count)]
        crops = tuple(
            View(
                Box(start, 0, end, picture.height) if flat else Box(0, start, picture.width, end),
                square,
                "slice",
                0 if flat else at,
                at if flat else 0,
            )
            for at, (start, end) in enumerate(edges)
        )
        grid = Grid(1, count) if flat else Grid(count, 1)
        why = f"all of {picture} at {square}, then {count} crops of {step} px along its long side, {square} each"
        return Layout(picture, (whole, *crops), grid, why)

    def crops(self, picture: Size) -> int:
        """How many crops: the aspect to the nearest whole number, 2 to ``most``, 0 where they would be too small."""
        long, short = picture.long, min(picture.width, picture.height)
        if long / short < self.ratio:
            return 0
        count = min(self.most, max(2, min(long // self.crop, math.floor(long / short + 0.5))))
        return 0 if min(math.ceil(long / count), short) < self.crop else count


@dataclass(frozen=True, kw_only=True, slots=True)
class QuartersSpec:
    """Idefics2: sides between ``low`` and ``high`` pixels, aspect kept where both allow; ``split`` adds four quarters.

    The quarters and the whole are resized each and padded (right and below) to the largest of them.
    """

    low: int = 378
    high: int = 980
    split: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high:
            raise SaccadeError(f"sides need 1 ≤ shortest ≤ longest, got {self.low} and {self.high}")

    def layout(self, picture: Size) -> Layout:
        """Quarters in row order, then the whole; the whole alone where nothing is split."""
        boxes = [*self._quarters(picture), Box.of(picture)]
        sizes = [self.fit(int(box.width), int(box.height)) for box in boxes]
        canvas = Size(max(size.width for size in sizes), max(size.height for size in sizes))
        contents = [None if size == canvas else Box.of(size) for size in sizes]
        quarters = tuple(
            View(box, canvas, "slice", place // 2, place % 2, content)
            for place, (box, content) in enumerate(zip(boxes[:-1], contents[:-1], strict=True))
        )
        whole = View(boxes[-1], canvas, content=contents[-1])
        if not quarters:
            return Layout(picture, (whole,), why=f"all of {picture} at {canvas}")
        why = f"four quarters of {picture} and all of it, {canvas} each"
        return Layout(picture, (*quarters, whole), Grid(2, 2), why)

    def fit(self, width: int, height: int) -> Size:
        """The size after resizing."""
        aspect = width / height
        if width >= height and width > self.high:
            width, height = self.high, int(self.high / aspect)
        elif height > width and height > self.high:
            width, height = int(self.high * aspect), self.high
        return Size(max(width, self.low), max(height, self.low))

    def _quarters(self, picture: Size) -> list[Box]:
        if not self.split:
            return []
        across, down = picture.width // 2, picture.height // 2
        if not down:
            raise SaccadeError(f"a picture of {picture} cannot be halved; turn splitting off (split=false)")
        # A column of one pixel has an empty left half, which the processor resizes all the same: it shows the column.
        left, right, bottom = max(across, 1), picture.width, picture.height
        return [
            Box(0, 0, left, down), Box(across, 0, right, down),
            Box(0, down, left, bottom), Box(across, down, right, bottom),
        ]  # fmt: skip
