"""A picture as an eye has it: log-polar sampling around a fixation and the way back, and what a foveated sensor sees.

Law     rings × wedges colours, whatever the picture; a ring is wider than the one inside it by always the same factor.
Used by log-polar readers; the report, to show what a foveated sensor resolves.
Loses   what is smaller than a cell, and what lies within the innermost or beyond the outermost ring. Turning and
        enlarging around the fixation become shifts of the result.
Source  log-polar maps: Schwartz (Biological Cybernetics 25, 1977); colours come from a pyramid (Williams, SIGGRAPH
        1983), so nothing aliases; blurring by eccentricity level by level: Geisler & Perry (SPIE 3299, 1998).
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from research.sensors.spec import SensorSpec
from saccade.core.errors import SaccadeError

Place = tuple[float, float]
"""(x, y) in source pixels."""
Colour = tuple[int, int, int]

UNSEEN: Colour = (127, 127, 127)
"""Of what lies beyond the picture, or beyond what is seen of it."""
BINS = 2048
"""Distances from the fixation that a rendering tells apart."""
SMOOTH = 9
"""Neighbours in distance over which the step between a sensor's samples is averaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rings:
    """``rows`` rings from ``inner`` to ``outer`` pixels around the fixation, each of ``cols`` wedges.

    Rows go outwards; columns begin on the right and go round clockwise, as y points down.
    """

    rows: int
    cols: int
    inner: float
    outer: float

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise SaccadeError(f"log-polar: at least 1 ring of 1 wedge, got {self.rows}×{self.cols}")
        if not 0 < self.inner < self.outer < math.inf:
            raise SaccadeError(
                f"log-polar: rings lie between a radius above 0 and a larger one, got {self.inner} and {self.outer} px"
            )

    @property
    def growth(self) -> float:
        """Outer over inner radius of every ring."""
        return (self.outer / self.inner) ** (1 / self.rows)

    @property
    def radii(self) -> np.ndarray:
        """Of the middles of the rings."""
        return self.inner * self.growth ** (np.arange(self.rows) + 0.5)

    @property
    def sides(self) -> np.ndarray:
        """The longer side of a cell of each ring, in pixels."""
        return self.radii * max(self.growth**0.5 - self.growth**-0.5, 2 * math.pi / self.cols)


def sample_rings(picture: Image.Image, fixation: Place, rings: Rings) -> np.ndarray:
    """Colours of all cells, rows × cols × 3, 8-bit; a cell whose middle is beyond the picture is ``UNSEEN``."""
    _check(picture, fixation)
    levels = _pyramid(picture, float(rings.sides.max()))
    angle = (np.arange(rings.cols) + 0.5) * 2 * math.pi / rings.cols
    x = fixation[0] + rings.radii[:, None] * np.cos(angle)
    y = fixation[1] + rings.radii[:, None] * np.sin(angle)
    height = np.log2(rings.sides.clip(1, 2 ** (len(levels) - 1)))
    below = np.floor(height).astype(int)
    made = np.zeros((rings.rows, rings.cols, 3))
    for level, pixels in enumerate(levels):
        for rows, share in ((below == level, 1 - (height - below)), (below == level - 1, height - below)):
            if rows.any():
                made[rows] += share[rows, None, None] * _bilinear(pixels, x[rows] / 2**level, y[rows] / 2**level)
    made[(x < 0) | (y < 0) | (x >= picture.width) | (y >= picture.height)] = UNSEEN
    return made.round().astype(np.uint8)


def draw_rings(cells: np.ndarray, size: tuple[int, int], fixation: Place, rings: Rings) -> Image.Image:
    """The way back, for people: every pixel of a picture of ``size`` in the colour of the cell that it lies in.

    Pixels within the innermost ring take its colours, those beyond the outermost are ``UNSEEN``.
    """
    if cells.shape != (rings.rows, rings.cols, 3):
        raise SaccadeError(
            f"log-polar: {rings.rows}×{rings.cols} cells of 3 colours are drawn, got {'×'.join(map(str, cells.shape))}"
        )
    x, y = _away(size, fixation, 1)
    distance = np.hypot(x, y[:, None])
    ring = np.log(distance.clip(rings.inner, None) / np.float32(rings.inner)) / np.float32(math.log(rings.growth))
    turn = np.arctan2(y[:, None], x) * np.float32(rings.cols / (2 * math.pi))
    wedge = np.floor(turn).astype(np.int32) % rings.cols
    padded = np.concatenate([cells, np.full_like(cells[:1], UNSEEN)])  # one ring more, of what is not seen
    row = np.where(distance < rings.outer, ring.astype(np.int32).clip(0, rings.rows - 1), rings.rows)
    return Image.fromarray(padded.reshape(-1, 3)[row * rings.cols + wedge])


def foveated(picture: Image.Image, fixation: Place, spec: SensorSpec) -> Image.Image:
    """The picture, blurred everywhere to the step between the sensor's samples there; ``UNSEEN`` where it has none.

    A blur stands for what is resolved: the sensor itself takes single samples.
    """
    _check(picture, fixation)
    half, scale = (picture.width / 2, picture.height / 2), math.sqrt(picture.width * picture.height) / 2
    away, step = _profile(spec)
    bins = np.linspace(0, away[-1] + spec.reach[-1], BINS)  # of distance; the last holds all that is beyond
    height = np.log2(np.interp(bins, away, step * scale).clip(1, None))
    levels = _pyramid(picture, float(2 ** height.max()))
    made = levels[-1]
    for level in reversed(range(len(levels) - 1)):
        fine = levels[level]
        part = (0, 0, fine.width / 2, fine.height / 2)  # an odd side ends within a coarse pixel
        coarse = made.resize(fine.size, Image.Resampling.BILINEAR, part)
        share = (255 * (height - level).clip(0, 1)).round().astype(np.uint8)
        made = Image.composite(coarse, fine, Image.fromarray(share[_bin(fine.size, fixation, level, half, bins)]))
    seen = np.full(BINS, 255, np.uint8)
    seen[-1] = 0
    mask = Image.fromarray(seen[_bin(picture.size, fixation, 0, half, bins)])
    return Image.composite(made, Image.new("RGB", picture.size, UNSEEN), mask)


def _check(picture: Image.Image, fixation: Place) -> None:
    if picture.mode != "RGB":
        raise SaccadeError(f"a retina needs an RGB picture, got mode {picture.mode}; open it with open_picture")
    if not (0 <= fixation[0] <= picture.width and 0 <= fixation[1] <= picture.height):
        raise SaccadeError(
            f"the fixation {fixation} lies beyond a picture of {picture.width}×{picture.height} px; give it in pixels"
        )


def _pyramid(picture: Image.Image, side: float) -> list[Image.Image]:
    """The picture and its halves, up to pixels of ``side`` source pixels or until one is left."""
    levels = [picture]
    while 2 ** (len(levels) - 1) < side and max(levels[-1].size) > 1:
        levels.append(levels[-1].reduce(2))
    return levels


def _bilinear(level: Image.Image, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours between the middles of pixels; beyond the outermost middles theirs."""
    pixels = np.asarray(level)
    x, y = (x - 0.5).clip(0, level.width - 1), (y - 0.5).clip(0, level.height - 1)
    left, top = x.astype(int), y.astype(int)
    right, bottom = np.minimum(left + 1, level.width - 1), np.minimum(top + 1, level.height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    above = pixels[top, left] * (1 - across) + pixels[top, right] * across
    under = pixels[bottom, left] * (1 - across) + pixels[bottom, right] * across
    return above * (1 - down) + under * down


def _away(size: tuple[int, int], fixation: Place, pixel: int) -> tuple[np.ndarray, np.ndarray]:
    """How far right of and below the fixation the middles of columns and rows lie, of pixels ``pixel`` a side."""
    x, y = ((np.arange(side) + 0.5) * pixel - at for side, at in zip(size, fixation, strict=True))
    return x.astype(np.float32), y.astype(np.float32)


def _bin(size: tuple[int, int], fixation: Place, level: int, half: Place, bins: np.ndarray) -> np.ndarray:
    """Which distance each pixel of a level lies at, half a picture's side being 1."""
    x, y = _away(size, fixation, 2**level)
    x, y = x * np.float32(bins.size / bins[-1] / half[0]), y * np.float32(bins.size / bins[-1] / half[1])
    return np.sqrt(x * x + (y * y)[:, None]).clip(0, bins.size - 1).astype(np.int16)


def _profile(spec: SensorSpec) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the sensor's patches, growing, and the step between samples there, smoothed over neighbours."""
    away, around = np.linalg.norm(spec.centres, axis=1), min(SMOOTH, spec.tokens) // 2
    padded = np.pad(spec.steps, around, mode="edge")
    return away, np.lib.stride_tricks.sliding_window_view(padded, 2 * around + 1).mean(axis=1)
