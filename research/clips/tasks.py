"""Generated clips: one source that is seen, heard and told of, each of the three spoiled by itself.

A clip is a small picture, an eighth of a second of sound and a sentence. Each of the twelve sources has a look (shape
and colour), a sound (pitch and wave) and a name, and either of the three is enough to tell which it is, where it comes
through: pictures drown in noise, sounds too, and letters are lost. How badly is drawn anew for each of the three, so
what is missing in one is often there in another.

Two things are asked: which source it is, and whether all three are of one source. In half of the clips one of the
three is of another; no single one of them can tell.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from saccade.core.errors import SaccadeError, unknown
from saccade.tasks.scenes import SPLITS

VERSION = "clips/1"
SIDE, RATE, SAMPLES, LETTERS = 32, 8000, 1024, 32
"""Pixels a side, samples a second and in all, letters of a sentence."""
Part = Literal["picture", "sound", "text"]
PARTS: tuple[Part, ...] = ("picture", "sound", "text")
NAMES = ("bell", "drum", "flute", "horn", "gong", "harp", "siren", "clock", "motor", "frog", "bird", "wind")
SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = ((220, 60, 50), (60, 170, 70), (60, 90, 220))
PITCHES = (220.0, 311.0, 440.0, 622.0)
WAVES = ("sine", "square", "saw")
PLACES = ("at home", "in town", "outside", "far off")
LOST = "_"
"""What stands for a letter that is lost."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceClip:
    """``source`` numbers its name; ``odd`` is the part that is of another source, where one is."""

    picture: NDArray[np.uint8]
    sound: NDArray[np.float32]
    text: str
    source: int
    odd: Part | None


def clip(split: str, index: int) -> SourceClip:
    """One clip; equal arguments make equal clips. Raises SaccadeError for an unknown split and a number below 0."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if index < 0:
        raise SaccadeError(f"clips are numbered from 0, got {index}")
    rng = np.random.default_rng([SPLITS.index(split), index, 3])
    source = int(rng.integers(len(NAMES)))
    odd = PARTS[int(rng.integers(len(PARTS)))] if rng.random() < 0.5 else None
    other = (source + 1 + int(rng.integers(len(NAMES) - 1))) % len(NAMES)
    shown, heard, told = (other if part == odd else source for part in PARTS)
    return SourceClip(_picture(shown, rng), _sound(heard, rng), _text(told, rng), source, odd)


def _picture(source: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The source's shape somewhere, under noise."""
    canvas = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    half = float(rng.uniform(6, 10))
    x, y = rng.uniform(half, SIDE - half, 2)
    _draw(ImageDraw.Draw(canvas), SHAPES[source % 4], float(x), float(y), half, COLOURS[source // 4])
    clarity, noise = 1 - rng.random(), rng.normal(0, 50, (SIDE, SIDE, 3))
    faint = 128 + (np.asarray(canvas, dtype=np.float64) - 128) * clarity**2
    return (faint + noise).clip(0, 255).astype(np.uint8)


def _draw(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, half: float, colour: tuple[int, int, int]) -> None:
    box = (x - half, y - half, x + half, y + half)
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    elif shape == "triangle":
        draw.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill=colour)
    else:
        draw.rectangle((x - half, y - half / 3, x + half, y + half / 3), fill=colour)
        draw.rectangle((x - half / 3, y - half, x + half / 3, y + half), fill=colour)


def _sound(source: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The source's tone, a little out of tune, under noise."""
    pitch = PITCHES[source % 4] * 2 ** rng.uniform(-1 / 24, 1 / 24)
    turns = np.arange(SAMPLES) / RATE * pitch + rng.random()
    wave = {
        "sine": np.sin(2 * np.pi * turns),
        "square": np.sign(np.sin(2 * np.pi * turns)),
        "saw": 2 * (turns % 1) - 1,
    }[WAVES[source // 4]]
    clarity = 1 - rng.random()
    return (wave * clarity**2 + rng.normal(0, 0.5, SAMPLES)).astype(np.float32)


def _text(source: int, rng: np.random.Generator) -> str:
    """A sentence with the source's name in it, some of whose letters are lost."""
    whole = f"a {NAMES[source]} {PLACES[int(rng.integers(len(PLACES)))]}"
    share = rng.random()
    return "".join(LOST if letter != " " and rng.random() < share else letter for letter in whole)
