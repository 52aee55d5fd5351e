"""What stands out: the formulas place by place, odd items among equal ones, and places nothing sets apart."""

import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from research.sensors.saliency import (
    _enlarged,
    _gabor,
    _opponents,
    _pyramid,
    fixations,
    itti_koch,
    spectral_residual,
    stand_out,
)
from saccade.core.errors import SaccadeError
from saccade.core.size import Size

MAPS = [itti_koch, spectral_residual]
CELL = 48
GREEN, RED = (40, 140, 40), (200, 40, 40)


def bars(odd: tuple[int, int] | None, kind: str, side: int = 8) -> Image.Image:
    """Upright bars, of which one is red, or lies."""
    made = Image.new("RGB", (side * CELL, side * CELL), (128, 128, 128))
    for row in range(side):
        for col in range(side):
            x, y, strange = (col + 0.5) * CELL, (row + 0.5) * CELL, (row, col) == odd
            wide, tall = (14, 3) if strange and kind == "orientation" else (3, 14)
            colour = RED if strange and kind == "colour" else GREEN
            ImageDraw.Draw(made).rectangle((x - wide, y - tall, x + wide, y + tall), colour)
    return made


@pytest.mark.parametrize("saliency", MAPS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("kind", ["colour", "orientation"])
@pytest.mark.parametrize("odd", [(3, 5), (6, 2), (1, 1), (4, 4)], ids=str)
def test_the_odd_one_is_found_first(saliency, kind, odd):
    (x, y), *_ = fixations(saliency(bars(odd, kind)), Size(8 * CELL, 8 * CELL))
    assert math.hypot(x - (odd[1] + 0.5) * CELL, y - (odd[0] + 0.5) * CELL) < CELL / 2


def test_colour_stands_out_where_brightness_does_not():
    """A red disc among green ones that a grey picture cannot tell apart."""
    made = Image.new("RGB", (400, 400), (60, 60, 60))
    for row in range(5):
        for col in range(5):
            colour = (150, 0, 0) if (row, col) == (1, 3) else (0, 150, 0)
            ImageDraw.Draw(made).ellipse((80 * col + 25, 80 * row + 25, 80 * col + 55, 80 * row + 55), colour)
    (x, y), *_ = fixations(itti_koch(made), Size(400, 400))
    assert math.hypot(x - 280, y - 120) < 40


def test_a_flash_is_found_by_its_brightness_and_then_another():
    made = Image.new("RGB", (300, 200), (30, 30, 30))
    ImageDraw.Draw(made).rectangle((200, 40, 230, 70), (255, 255, 255))
    ImageDraw.Draw(made).rectangle((50, 120, 70, 140), (150, 150, 150))
    first, second = fixations(itti_koch(made), Size(300, 200), 2, 0.15)
    assert math.dist(first, (215, 55)) < 25
    assert math.dist(second, (60, 130)) < 25


@pytest.mark.parametrize("saliency", MAPS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("size", [(300, 200), (64, 64), (1, 1), (1, 90), (9000, 3)], ids=str)
@pytest.mark.parametrize("colour", [(0, 0, 0), (90, 20, 20), (255, 255, 255)], ids=str)
def test_a_picture_of_one_colour_is_looked_at_in_the_middle(saliency, size, colour):
    found = saliency(Image.new("RGB", size, colour))
    rows, cols = found.shape
    (x, y), *_ = fixations(found, Size(*size))
    assert abs(x - size[0] / 2) <= size[0] / cols / 2 + 1e-9
    assert abs(y - size[1] / 2) <= size[1] / rows / 2 + 1e-9


def test_the_residual_is_the_formula():
    random = np.random.default_rng(2)
    picture = Image.fromarray(random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    grey = np.asarray(picture.convert("L").resize((64, 48))) / 255
    spectrum = np.fft.fft2(grey)
    height, found = np.log(np.abs(spectrum)), np.zeros((48, 64), complex)
    for row in range(48):
        for col in range(64):
            rows = [min(max(row + k, 0), 47) for k in (-1, 0, 1)]
            cols = [min(max(col + k, 0), 63) for k in (-1, 0, 1)]
            residual = height[row, col] - height[np.ix_(rows, cols)].mean()
            found[row, col] = math.exp(residual) * np.exp(1j * np.angle(spectrum[row, col]))
    power = np.abs(np.fft.ifft2(found)) ** 2
    weights = np.exp(-(np.arange(-8, 9) ** 2) / 12.5)
    wide = np.pad(power, 8, mode="symmetric")
    slow = [
        [(np.outer(weights, weights) * wide[row : row + 17, col : col + 17]).sum() for col in range(64)]
        for row in range(48)
    ]
    assert spectral_residual(picture) == pytest.approx(np.array(slow) / np.max(slow), abs=1e-9)


def test_a_tall_strip_is_cut_down_to_four_times_the_columns():
    assert spectral_residual(Image.effect_noise((8, 400), 90).convert("RGB")).shape == (256, 64)


def test_opponent_hues_are_the_formula():
    planes = 0.4 * np.random.default_rng(3).random((3, 5, 6))
    planes[:, 0, 0], planes[:, 1, 1] = (0.02, 0.01, 0.0), 0.0  # too dark for a hue, and without any light
    planes[:, 2, 2] = 0.09, 0.05, 0.04  # dark, but not beside the brightest
    brightest, found = planes.mean(axis=0).max(), _opponents(*planes)
    for row in range(5):
        for col in range(6):
            light = planes[:, row, col].mean()
            red, green, blue = planes[:, row, col] / light if light > brightest / 10 else (0, 0, 0)
            reds, greens, blues = red - (green + blue) / 2, green - (red + blue) / 2, blue - (red + green) / 2
            yellow = (red + green) / 2 - abs(red - green) / 2 - blue
            assert found[0][row, col] == pytest.approx(max(reds, 0) - max(greens, 0), abs=1e-12)
            assert found[1][row, col] == pytest.approx(max(blues, 0) - max(yellow, 0), abs=1e-12)


def test_three_features_are_weighed_alike_and_directions_one_by_one():
    pixels = np.random.default_rng(4).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((512, 384))  # so that the finest level is the picture itself
    red, green, blue = np.moveaxis(np.asarray(picture, np.float32) / 255, 2, 0)

    def apart(levels: list[np.ndarray]) -> np.ndarray:
        made = np.zeros((24, 32))
        for centre in (2, 3, 4):
            for surround in (centre + 3, centre + 4):
                shape = levels[centre].shape
                difference = levels[centre] - _enlarged(levels[surround], shape, 2 ** (surround - centre))
                made += _pyramid(stand_out(np.abs(difference)), 4 - centre)[-1]
        return made

    grey = _pyramid((red + green + blue) / 3, 8)
    hues = sum(apart(_pyramid(plane, 8)) for plane in _opponents(red, green, blue))
    turned = sum(stand_out(apart([_gabor(level, angle) for level in grey])) for angle in (0, 45, 90, 135))
    expected = stand_out(apart(grey)) + stand_out(np.asarray(hues)) + stand_out(np.asarray(turned))
    assert itti_koch(picture) == pytest.approx(expected / expected.max(), abs=1e-6)


def test_one_high_place_is_worth_more_than_many():
    alone, many = np.zeros((9, 12)), np.zeros((9, 12))
    alone[4, 5] = 3.0
    many[1::3, 1::3] = 3.0
    mixed = np.zeros((9, 12))
    mixed[1, 1], mixed[4, 5], mixed[7, 9], mixed[7, 2] = 2.0, 4.0, 1.0, 0.2
    assert stand_out(alone) == pytest.approx(alone / 3)
    assert stand_out(many).max() == 0
    # Others are .5 and .25; .05 is no maximum worth the name.
    assert stand_out(mixed) == pytest.approx(mixed / 4 * (1 - 0.375) ** 2)
    assert stand_out(np.zeros((3, 3))).max() == 0


@pytest.mark.parametrize("size", [(40, 64), (37, 51)], ids=str)
def test_levels_lie_over_each_other(size):
    """A ramp stays a ramp, halved and enlarged again, away from its mirrored edge."""
    y, x = np.mgrid[: size[0], : size[1]]
    ramp = (2.0 * x + 3.0 * y).astype(float)
    coarse = _pyramid(ramp, 2)[2]
    assert coarse.shape == (math.ceil(size[0] / 4), math.ceil(size[1] / 4))
    back = _enlarged(coarse, size, 4)
    assert back[12:-12, 12:-12] == pytest.approx(ramp[12:-12, 12:-12], abs=1e-3)
    # The mean stays in an even picture: nothing is counted twice at its edge.
    noise = np.random.default_rng(0).random((16, 16))
    assert _pyramid(noise, 1)[1].mean() == pytest.approx(noise.mean())


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_waves_are_seen_by_the_filter_of_their_direction(angle):
    y, x = np.mgrid[:40, :40]
    turn = math.radians(angle)
    wave = np.sin(2 * math.pi * (x * math.cos(turn) + y * math.sin(turn)) / 7)
    strength = {other: _gabor(wave, other)[10:-10, 10:-10].mean() for other in (0, 45, 90, 135)}
    assert max(strength, key=strength.get) == angle
    assert sorted(strength.values())[-2] < 0.4 * strength[angle]
    assert _gabor(wave, angle)[10:-10, 10:-10].std() < 0.05 * strength[angle]  # whatever the phase
    assert _gabor(np.full((20, 20), 0.7), angle).max() < 1e-6


def test_a_filtered_place_is_a_sum_over_its_neighbours():
    plane, found = np.random.default_rng(5).random((11, 14)), _gabor(np.zeros((1, 1)), 0)
    assert found.shape == (1, 1)
    wide = np.pad(plane, 4, mode="symmetric")
    down, across = np.mgrid[-4:5, -4:5]
    window = np.exp(-(across**2 + down**2) / (2 * (7 / 3) ** 2))
    wave = window * np.exp(2j * math.pi * (across + down) / math.sqrt(2) / 7)
    wave -= window * wave.sum() / window.sum()
    slow = [
        [abs((wave[::-1, ::-1] * wide[row : row + 9, col : col + 9]).sum()) for col in range(14)] for row in range(11)
    ]
    assert _gabor(plane, 45) == pytest.approx(np.array(slow))


def test_winners_are_taken_in_turn_and_then_left_out():
    saliency = np.zeros((10, 20))
    saliency[2, 3], saliency[2, 4], saliency[7, 16] = 5.0, 4.9, 4.0
    size = Size(200, 50)
    assert fixations(saliency, size, 2, 0.1) == [(35.0, 12.5), (165.0, 37.5)]
    # The neighbour is too near to come next, unless so little is inhibited.
    assert fixations(saliency, size, 2, 0.01) == [(35.0, 12.5), (45.0, 12.5)]
    many = fixations(saliency, size, 30, 0.05)
    assert len(many) == len(set(many)) == 30
    assert fixations(saliency - 7, size, 3) == fixations(saliency, size, 3)


@pytest.mark.parametrize("size", [Size(40, 400), Size(400, 40)], ids=str)
def test_the_longer_side_says_how_far_is_near(size):
    saliency = np.zeros((20, 20))
    saliency[4, 10], saliency[5, 10], saliency[10, 5], saliency[10, 4] = 4.0, 3.9, 3.8, 3.7
    expected = [((col + 0.5) * size.width / 20, (row + 0.5) * size.height / 20) for row, col in ((4, 10), (10, 5))]
    assert fixations(saliency, size, 2, 0.06) == expected


def test_equals_are_taken_from_the_middle():
    saliency = np.zeros((5, 5))
    saliency[0, 0] = saliency[1, 2] = saliency[4, 4] = 1.0
    assert fixations(saliency, Size(50, 50), 1) == [(25.0, 15.0)]
    assert fixations(np.ones((5, 5)), Size(50, 50), 1) == [(25.0, 25.0)]


def test_refusals():
    some = np.ones((3, 3))
    for count in (0, -2):
        with pytest.raises(SaccadeError, match=rf"at least 1 and a spread above 0, got {count} and 0\.1"):
            fixations(some, Size(3, 3), count)
    for spread in (0.0, math.inf):
        with pytest.raises(SaccadeError, match=f"got 1 and {spread}"):
            fixations(some, Size(3, 3), 1, spread)
    with pytest.raises(SaccadeError, match="at least 1×1 places, got 0×0"):
        fixations(np.zeros((0, 0)), Size(3, 3))
    with pytest.raises(SaccadeError, match="at least 1×1 places, got 3"):
        fixations(np.zeros(3), Size(3, 3))
    for saliency in MAPS:
        with pytest.raises(SaccadeError, match="0×0 px has nothing to look at"):
            saliency(Image.new("RGB", (0, 0)))
        with pytest.raises(SaccadeError, match="needs an RGB picture, got mode L; open it with open_picture"):
            saliency(Image.new("L", (4, 4)))


def test_it_needs_no_torch():
    code = "import sys, research.sensors.saliency; sys.exit(bool({'torch', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
