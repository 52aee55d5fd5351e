"""Picture sizes to count on: wide of range, thin of shape, and close to where rounding turns."""

import math
import random

Size = tuple[int, int]
"""Width and height in pixels."""

SIDES = (14, 16, 28, 32, 64, 224, 336, 364, 378, 384, 448, 512, 640, 768, 896, 980, 1024)
"""Sides of patches, merged patches, tiles and views of the systems that are counted."""

EXTREMES: tuple[Size, ...] = (
    (1, 1), (1, 1500), (1500, 1), (13, 13), (27, 28), (1500, 7), (7, 1400), (2, 401), (769, 768), (1500, 1500),
)  # fmt: skip
"""Single pixels, single rows and columns, both sides of an aspect of 200, a pixel more than a tile."""


def random_sizes(n: int, seed: int = 0) -> list[Size]:
    """``n`` sizes from 1×1 to 8000×8000, the same for the same seed."""
    return _sizes(n, 8000, random.Random(seed))


def small_sizes(n: int, seed: int = 0) -> list[Size]:
    """``n`` sizes up to 1500×1500, for what really has to resize pixels."""
    return _sizes(n, 1500, random.Random(seed + 1))


def _sizes(n: int, most: int, dice: random.Random) -> list[Size]:
    kinds = (_even, _log, _thin, _beside_sides, _square)
    return [kinds[number % len(kinds)](most, dice) for number in range(n)]


def _log_side(most: int, dice: random.Random) -> int:
    return min(most, int(math.exp(dice.uniform(0, math.log(most + 1)))))


def _even(most: int, dice: random.Random) -> Size:
    """Mostly large, mild aspects."""
    return dice.randint(1, most), dice.randint(1, most)


def _log(most: int, dice: random.Random) -> Size:
    """Every order of magnitude as often, each side on its own."""
    return _log_side(most, dice), _log_side(most, dice)


def _thin(most: int, dice: random.Random) -> Size:
    """Aspects up to 400, beyond what some processors take."""
    long = dice.randint(min(most, 200), most)
    short = max(1, round(long / math.exp(dice.uniform(0, math.log(400)))))
    return (long, short) if dice.random() < 0.5 else (short, long)


def _beside_sides(most: int, dice: random.Random) -> Size:
    """Whole numbers of patches or tiles, and a pixel more or less."""
    side = dice.choice([side for side in SIDES if side + 1 <= most])

    def near() -> int:
        return min(most, max(1, side * dice.randint(1, min(12, most // side)) + dice.choice((-1, 0, 1))))

    return near(), near()


def _square(most: int, dice: random.Random) -> Size:
    """Square, or off by one pixel: where ties between grids are broken."""
    side = _log_side(most, dice)
    return side, min(most, max(1, side + dice.choice((-1, 0, 0, 1))))
