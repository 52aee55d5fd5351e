"""Where to look first, from the pixels alone: maps of what stands out, and fixations taken from them one by one.

Law     a map of a size of its own, whatever the picture; as many fixations as asked for.
Used by a foveated reader's first look, when nothing is known yet of what is asked.
Loses   the question: what stands out need not be what is wanted. Print on white stands out by its lines alone.
Source  spectral residual: Hou & Zhang (CVPR 2007), sizes as in the authors' script; centre and surround: Itti, Koch &
        Niebur (PAMI 20, 1998), its sizes too. Nothing here was trained.
"""

import math
from functools import cache

import numpy as np
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.core.size import Size

RESIDUAL = 64
"""Columns of the picture whose spectrum is taken."""
BLUR = 2.5
"""Deviation of what the residual's map is smoothed with, in its own pixels."""
LONG = 512
"""The longer side of the pyramid's finest level; the map has that of level ``COARSE``."""
COARSE = 4
CENTRES, BEYOND = (2, 3, 4), (3, 4)
"""Levels of centres, and how many levels further their surrounds are."""
ANGLES = (0, 45, 90, 135)
DIM = 0.1
"""Hues are told apart where a pixel has at least this part of the brightest one's intensity."""
LEAST = 0.1
"""A local maximum counts from this part of the largest one."""
FAINT = 1e-4
"""What no map exceeds in a picture of one colour: rounding."""


def spectral_residual(picture: Image.Image) -> np.ndarray:
    """What is left of a picture once what all pictures have is taken from its spectrum; at most 1."""
    _check(picture)
    rows = max(1, round(RESIDUAL * picture.height / picture.width))
    grey = np.asarray(picture.convert("L").resize((RESIDUAL, min(rows, 4 * RESIDUAL))), float) / 255
    if np.ptp(grey) == 0:
        return np.ones_like(grey)
    spectrum = np.fft.fft2(grey)
    height = np.log(np.abs(spectrum) + np.finfo(float).eps)
    padded = np.pad(height, 1, mode="edge")
    mean = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean(axis=(2, 3))
    residual = np.abs(np.fft.ifft2(np.exp(height - mean + 1j * np.angle(spectrum)))) ** 2
    line = np.exp(-(np.arange(-math.ceil(3 * BLUR), math.ceil(3 * BLUR) + 1) ** 2) / (2 * BLUR**2))
    return _unit(_along(_along(residual, line, 0), line, 1))


def itti_koch(picture: Image.Image) -> np.ndarray:
    """How much each place differs from what surrounds it, in intensity, colour and orientation; at most 1."""
    _check(picture)
    scale = LONG / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    red, green, blue = np.moveaxis(np.asarray(picture.resize(size), np.float32) / 255, 2, 0)
    grey = (red + green + blue) / 3
    depth = CENTRES[-1] + BEYOND[-1]
    levels = _pyramid(grey, depth)
    place = levels[COARSE].shape
    opponents = [_pyramid(plane, depth) for plane in _opponents(red, green, blue)]
    turned = [[np.zeros_like(level) if n < CENTRES[0] else _gabor(level, angle) for n, level in enumerate(levels)]
              for angle in ANGLES]  # fmt: skip
    features = [
        _conspicuous([levels], place),
        _conspicuous(opponents, place),
        sum((stand_out(_conspicuous([one], place)) for one in turned), np.zeros(place)),
    ]
    return _unit(np.mean([stand_out(feature) for feature in features], axis=0))


def fixations(saliency: np.ndarray, size: Size, count: int = 1, spread: float = 0.1) -> list[tuple[float, float]]:
    """Places (x, y) in pixels of a picture of ``size``, most salient first; of equals the one nearest the middle.

    The winner takes all, and is then left out: places within about ``spread`` of the longer side are inhibited.
    """
    if saliency.ndim != 2 or saliency.size == 0:
        raise SaccadeError(f"fixations: a map of at least 1×1 places, got {'×'.join(map(str, saliency.shape))}")
    if count < 1 or not 0 < spread < math.inf:
        raise SaccadeError(f"fixations: at least 1 and a spread above 0, got {count} and {spread}")
    rows, cols = saliency.shape
    x, y = (np.arange(cols) + 0.5) * size.width / cols, (np.arange(rows) + 0.5) * size.height / rows
    middle = np.hypot(x - size.width / 2, (y - size.height / 2)[:, None]).ravel()
    nearest = np.argsort(middle, kind="stable")
    # From 1 up to 2, so that places which nothing sets apart are left in an order too.
    left = 1 + _unit(saliency - saliency.min()) if np.ptp(saliency) > 0 else np.ones(saliency.shape)
    found = []
    for _ in range(count):
        row, col = divmod(int(nearest[left.ravel()[nearest].argmax()]), cols)
        found.append((float(x[col]), float(y[row])))
        away = (x - x[col]) ** 2 + ((y - y[row]) ** 2)[:, None]
        left = left * (1 - np.exp(-away / (2 * (spread * size.long) ** 2)))
    return found


def stand_out(feature: np.ndarray) -> np.ndarray:
    """N(·): a map is worth the more, the more its highest place stands above the mean of its other maxima."""
    feature = _unit(feature)
    if feature.max() == 0:
        return feature
    around = np.lib.stride_tricks.sliding_window_view(np.pad(feature, 1, constant_values=-1.0), (3, 3))
    peak = (feature == around.max(axis=(2, 3))) & (feature >= LEAST)
    peak[np.unravel_index(feature.argmax(), feature.shape)] = False
    others = feature[peak]
    return feature * (1 - (others.mean() if others.size else 0.0)) ** 2


def _opponents(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Red against green and blue against yellow, each hue as far as it exceeds the others, whatever the brightness."""
    grey = (red + green + blue) / 3
    bright = np.where(grey > DIM * grey.max(), np.maximum(grey, 1e-6), np.inf)
    red, green, blue = red / bright, green / bright, blue / bright
    yellow = (red + green) / 2 - np.abs(red - green) / 2 - blue
    tones = [red - (green + blue) / 2, green - (red + blue) / 2, blue - (red + green) / 2, yellow]
    reds, greens, blues, yellows = (np.maximum(tone, 0) for tone in tones)
    return reds - greens, blues - yellows


def _conspicuous(features: list[list[np.ndarray]], place: tuple[int, ...]) -> np.ndarray:
    """Differences of centres and surrounds over all pyramids and levels, each by how it stands out."""
    made = np.zeros(place)
    for levels in features:
        for centre in CENTRES:
            for beyond in BEYOND:
                surround = _enlarged(levels[centre + beyond], levels[centre].shape, 2**beyond)
                found = stand_out(np.abs(levels[centre] - surround))
                made += _pyramid(found, COARSE - centre)[-1]
    return made


def _pyramid(plane: np.ndarray, depth: int) -> list[np.ndarray]:
    """The plane and its halves, smoothed; a coarse place lies in the middle of the four that it stands for."""
    levels, line = [plane], np.array([1, 3, 3, 1]) / 8
    for _ in range(depth):
        levels.append(_along(_along(levels[-1], line, 0)[::2], line, 1)[:, ::2])
    return levels


def _enlarged(plane: np.ndarray, shape: tuple[int, ...], times: int) -> np.ndarray:
    """To ``shape``, smoothly, ``times`` as large; what an odd side was filled up with is cut off."""
    rows, cols = shape
    part = (0, 0, cols / times, rows / times)
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((cols, rows), Image.Resampling.BILINEAR, part))


def _along(plane: np.ndarray, line: np.ndarray, axis: int) -> np.ndarray:
    """Convolved along an axis, the plane being mirrored beyond its edge. Even lines begin one place before it."""
    length, before = plane.shape[axis], (len(line) - 1) // 2
    reach = [(before, len(line) - 1 - before) if n == axis else (0, 0) for n in range(2)]
    wide = np.pad(plane, reach, mode="symmetric")
    return sum((tap * np.take(wide, range(k, k + length), axis) for k, tap in enumerate(line)), np.zeros(plane.shape))


def _gabor(plane: np.ndarray, angle: int) -> np.ndarray:
    """How strong waves in the direction of ``angle`` are, whatever their phase."""
    wave = _wave(angle)
    reach = len(wave) // 2
    wide = np.pad(plane, reach, mode="symmetric")
    found = np.fft.ifft2(np.fft.fft2(wide) * np.fft.fft2(wave, wide.shape))
    return np.abs(found[2 * reach :, 2 * reach :])


@cache
def _wave(angle: int) -> np.ndarray:
    """A wave of seven pixels under a Gaussian, without a mean."""
    y, x = np.mgrid[-4:5, -4:5]
    along = x * math.cos(math.radians(angle)) + y * math.sin(math.radians(angle))
    window = np.exp(-(x * x + y * y) / (2 * (7 / 3) ** 2))
    wave = window * np.exp(2j * math.pi * along / 7)
    return wave - window * (wave.sum() / window.sum())


def _unit(plane: np.ndarray) -> np.ndarray:
    """Scaled to at most 1; next to nothing becomes nothing."""
    highest = plane.max()
    return plane / highest if highest > FAINT else np.zeros_like(plane)


def _check(picture: Image.Image) -> None:
    if picture.mode != "RGB":
        raise SaccadeError(f"saliency needs an RGB picture, got mode {picture.mode}; open it with open_picture")
    if 0 in picture.size:
        raise SaccadeError(f"saliency: a picture of {picture.width}×{picture.height} px has nothing to look at")
