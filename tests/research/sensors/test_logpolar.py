"""Log-polar cells against areas, the way back pixel by pixel, and renderings whose blur is known."""

import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from research.sensors.logpolar import UNSEEN, Rings, draw_rings, foveated, sample_rings
from research.sensors.spec import SensorSpec
from saccade.core.errors import SaccadeError

RINGS = Rings(rows=12, cols=24, inner=3.0, outer=60.0)
GREY = 127


def smooth(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(4)
    coarse = Image.fromarray(random.integers(30, 226, (7, 9, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right and green downwards: no symmetric blur changes it."""
    y, x = np.mgrid[:height, :width]
    planes = [40 + 150 * (x + 0.5) / width, 40 + 150 * (y + 0.5) / height, 0 * x]
    return Image.fromarray(np.stack(planes, 2).round().astype(np.uint8))


def board(side: int) -> Image.Image:
    y, x = np.mgrid[:side, :side]
    return Image.fromarray(np.repeat(((x + y) % 2 * 255)[..., None], 3, 2).astype(np.uint8))


def area(picture: np.ndarray, fixation: tuple[float, float], rings: Rings, row: int, col: int) -> np.ndarray:
    """The mean over the pixels that a cell covers, found by looking at many points of it."""
    points = []
    for ring in np.linspace(0.01, 0.99, 24):
        radius = rings.inner * (rings.outer / rings.inner) ** ((row + ring) / rings.rows)
        for wedge in np.linspace(0.01, 0.99, 24):
            angle = (col + wedge) * 2 * math.pi / rings.cols
            x, y = fixation[0] + radius * math.cos(angle), fixation[1] + radius * math.sin(angle)
            points.append(picture[int(y), int(x)])
    return np.mean(points, axis=0)


def test_cells_are_about_the_mean_of_what_they_cover():
    picture, fixation = smooth(180, 150), (92.5, 70.0)
    found = sample_rings(picture, fixation, RINGS)
    pixels = np.asarray(picture).astype(float)
    assert found.shape == (12, 24, 3)
    for row in range(12):
        for col in range(24):
            assert np.abs(found[row, col] - area(pixels, fixation, RINGS, row, col)).max() < 24
    means = [[area(pixels, fixation, RINGS, row, col) for col in range(24)] for row in range(12)]
    assert np.abs(found - np.array(means)).mean() < 2.5


def test_cells_lie_where_they_should():
    """On a ramp a cell's colour tells where it was taken, at every level, in a picture with odd sides."""
    picture, (x, y) = ramp(181, 147), (90.0, 71.5)
    found = sample_rings(picture, (x, y), RINGS).astype(float)
    angle = (np.arange(24) + 0.5) * 2 * math.pi / 24
    across = x + RINGS.radii[:, None] * np.cos(angle)
    down = y + RINGS.radii[:, None] * np.sin(angle)
    inside = (across > 20) & (across < 161) & (down > 20) & (down < 127)  # coarse pixels at the edge are cut
    assert np.abs(found[..., 0] - (40 + 150 * across / 181))[inside].max() < 2
    assert np.abs(found[..., 1] - (40 + 150 * down / 147))[inside].max() < 2


def test_the_periphery_does_not_alias():
    """Squares of one pixel: a cell of several is grey, where a single sample would be black or white."""
    found = sample_rings(board(128), (64.0, 64.0), RINGS).astype(float)
    coarse = RINGS.sides > 2
    assert coarse.any()
    assert np.abs(found[coarse] - GREY).max() <= 2
    assert found[~coarse].std() > 5


def test_turning_shifts_columns_and_enlarging_shifts_rows():
    picture, middle = smooth(128, 128), (64.0, 64.0)
    found = sample_rings(picture, middle, RINGS).astype(int)
    turned = sample_rings(picture.transpose(Image.Transpose.ROTATE_270), middle, RINGS)
    assert np.abs(turned - np.roll(found, 6, axis=1)).max() <= 1
    rings = Rings(rows=12, cols=24, inner=2.0, outer=2.0 * 2**4)  # three rings to twice the radius
    once = sample_rings(picture, middle, rings).astype(int)
    twice = sample_rings(picture.resize((256, 256), Image.Resampling.BICUBIC), (128.0, 128.0), rings)
    assert np.abs(twice[3:] - once[:-3]).mean() < 3
    assert np.abs(twice - once).mean() > 6


def test_each_pixel_is_drawn_in_its_cells_colour():
    rings = Rings(rows=5, cols=7, inner=4.0, outer=20.0)
    cells = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    (x, y), size = (21.3, 15.8), (50, 37)
    drawn = np.asarray(draw_rings(cells, size, (x, y), rings))
    for row in range(size[1]):
        for col in range(size[0]):
            away, turn = math.hypot(col + 0.5 - x, row + 0.5 - y), math.atan2(row + 0.5 - y, col + 0.5 - x)
            wedge = math.floor((turn % (2 * math.pi)) / (2 * math.pi) * 7)
            ring = max(0, math.floor(5 * math.log(away / 4) / math.log(5)))
            assert tuple(drawn[row, col]) == (tuple(cells[ring, wedge]) if away < 20 else UNSEEN)


def test_what_was_sampled_is_drawn_where_it_was():
    picture, fixation, rings = smooth(160, 120), (70.0, 66.0), Rings(rows=32, cols=64, inner=2.0, outer=40.0)
    cells = sample_rings(picture, fixation, rings)
    drawn = np.asarray(draw_rings(cells, picture.size, fixation, rings)).astype(float)
    y, x = np.mgrid[:120, :160] + 0.5
    near = np.hypot(x - 70, y - 66) < 38
    assert np.abs(drawn - np.asarray(picture))[near].mean() < 7
    assert (drawn[~near & (np.hypot(x - 70, y - 66) > 41)] == UNSEEN).all()


def test_beyond_the_picture_nothing_is_seen():
    found = sample_rings(Image.new("RGB", (40, 40), "red"), (10.0, 20.0), RINGS)
    assert (found[-1] == UNSEEN).all()
    assert (found[0] == (255, 0, 0)).all()


def step_at(spec: SensorSpec, away: float) -> float:
    """Mean step between the samples of the patches about that far out."""
    far = np.linalg.norm(spec.centres, axis=1)
    return float(spec.steps[np.argsort(np.abs(far - away))[:5]].mean())


@pytest.mark.parametrize("tokens", [64, 196])
def test_the_blur_is_the_step_between_samples(tokens: int):
    """Squares of one pixel keep what is left of level 0: all of it below a step of one pixel, nothing from two on."""
    side = 256
    spec = SensorSpec(tokens=tokens, width=4, patch=18 if tokens == 64 else 11)
    found = np.asarray(foveated(board(side), (128.0, 128.0), spec)).astype(float)[..., 0]
    told = 0
    for away in np.arange(8, 120, 4):
        step = step_at(spec, away / 128) * 128
        kept = 1 - min(1.0, math.log2(max(1.0, step)))
        window = found[128:132, int(128 + away) - 2 : int(128 + away) + 2]
        assert np.abs(window - GREY).mean() / 127.5 == pytest.approx(kept, abs=0.12)
        told += 0.1 < kept < 0.9
    assert told >= 5


@pytest.mark.parametrize("size", [(160, 120), (161, 119), (97, 203)], ids=str)
def test_nothing_is_moved_by_a_rendering(size: tuple[int, int]):
    picture, spec = ramp(*size), SensorSpec(tokens=49, width=4, patch=3)
    middle = (size[0] / 2, size[1] / 2)
    found = np.asarray(foveated(picture, middle, spec)).astype(float)
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    inside = np.hypot((x - middle[0]) / middle[0], (y - middle[1]) / middle[1]) < 0.6
    assert np.abs(found - np.asarray(picture))[inside].max() <= 3


def test_detail_stays_at_the_fixation_alone():
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    spec = SensorSpec(tokens=196, width=4, patch=8)
    found = np.asarray(foveated(noise, (40.0, 150.0), spec)).astype(float)
    assert (found[148:152, 38:42] == np.asarray(noise)[148:152, 38:42]).all()
    contrast = [found[148:153, at : at + 20].std() for at in (30, 80, 110)]
    assert contrast[0] > 1.5 * contrast[1] > 2 * contrast[2]
    edge = 100 * (1 + spec.reach[-1])
    y, x = np.mgrid[:200, :200] + 0.5
    away = np.hypot(x - 40, y - 150)
    assert (found[away > edge + 1] == UNSEEN).all()
    assert not (found[away < edge - 1] == UNSEEN).all(axis=1).any()


def test_refusals():
    picture = Image.new("RGB", (40, 30))
    with pytest.raises(SaccadeError, match="at least 1 ring of 1 wedge, got 0×3"):
        Rings(rows=0, cols=3, inner=1, outer=2)
    with pytest.raises(SaccadeError, match="at least 1 ring of 1 wedge, got 3×0"):
        Rings(rows=3, cols=0, inner=1, outer=2)
    for inner, outer in ((0, 5), (5, 5), (1, math.inf)):
        with pytest.raises(SaccadeError, match=f"a radius above 0 and a larger one, got {inner} and {outer} px"):
            Rings(rows=3, cols=3, inner=inner, outer=outer)
    rings = Rings(rows=5, cols=7, inner=4.0, outer=20.0)
    with pytest.raises(SaccadeError, match=r"5×7 cells of 3 colours are drawn, got 7×5×3"):
        draw_rings(np.zeros((7, 5, 3), np.uint8), (9, 9), (1, 1), rings)
    for place in ((41.0, 3.0), (3.0, -1.0), (3.0, 31.0)):
        with pytest.raises(SaccadeError, match=r"lies beyond a picture of 40×30 px; give it in pixels"):
            sample_rings(picture, place, RINGS)
    with pytest.raises(SaccadeError, match="needs an RGB picture, got mode L; open it with open_picture"):
        foveated(Image.new("L", (4, 4)), (1.0, 1.0), SensorSpec(tokens=64, width=4))


def test_a_picture_of_one_pixel():
    dot, spec = Image.new("RGB", (1, 1), (9, 8, 7)), SensorSpec(tokens=64, width=4, patch=2)
    assert foveated(dot, (0.5, 0.5), spec).getpixel((0, 0)) == (9, 8, 7)
    assert sample_rings(dot, (0.5, 0.5), Rings(rows=1, cols=1, inner=0.1, outer=0.3)).tolist() == [[[9, 8, 7]]]


def test_drawing_needs_no_torch():
    code = "import sys, research.sensors.logpolar; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
