"""The patch sensor against loops over samples."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from research.sensors.spec import SensorSpec
from research.sensors.tower import PatchSensor
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from tests.memory import Meter, weights
from tests.parts import close, counted, shake

SPEC = SensorSpec(tokens=20, width=6, patch=3)
FIXED = torch.tensor([[0.0, 0.0], [-0.7, 0.31], [1.4, -0.9]])
"""The middle, a place off it, and one beyond the picture."""


def slow(spec: SensorSpec, picture: Tensor, x: float, y: float) -> list[list[float]]:
    """Patch by patch, colour by colour, row by row, each sample from the four pixels around it."""
    centres = [tuple(map(float, centre)) for centre in spec.centres]
    tokens = []
    for centre in centres:
        apart = sorted(math.dist(centre, other) for other in centres if other is not centre)
        reach = (apart[0] + apart[1]) / 2 * spec.scale
        line = [reach * (2 * k / (spec.patch - 1) - 1) for k in range(spec.patch)]
        tokens.append([
            sampled(plane, centre[0] + across + x, centre[1] + down + y)
            for plane in picture
            for down in line
            for across in line
        ])  # fmt: skip
    return tokens


def sampled(plane: Tensor, x: float, y: float) -> float:
    """-1 and 1 are the outer edges of the outer pixels, whose middles lie half a pixel inside; beyond is nothing."""
    rows, cols = plane.shape
    across, down = (x + 1) / 2 * cols - 0.5, (y + 1) / 2 * rows - 0.5
    left, top = math.floor(across), math.floor(down)
    found = 0.0
    for row, col in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        share = (1 - abs(across - col)) * (1 - abs(down - row))
        if 0 <= row < rows and 0 <= col < cols:
            found += share * float(plane[row, col])
    return found


@pytest.mark.parametrize("size", [(9, 9), (7, 16)], ids=str)
@pytest.mark.parametrize("spec", [SPEC, SensorSpec(tokens=7, width=4, patch=4, radius=0.5, scale=0.8)], ids=repr)
@torch.no_grad()
def test_loops_give_the_same(spec, size):
    part, pixels = PatchSensor(spec), torch.randn(3, 3, *size)
    seen = part.look(pixels, FIXED)
    for view in range(3):
        expected = torch.tensor(slow(spec, pixels[view], *FIXED[view].tolist()))
        close(seen[view], expected, 1e-6 if size == (9, 9) else 2e-6)
    close(part.look(pixels)[0], seen[0], 1e-6)
    shake(part)
    made = F.layer_norm(seen @ part.linear.weight.T + part.linear.bias, (spec.width,), part.norm.weight, part.norm.bias)
    close(part(pixels, FIXED), made)


@torch.no_grad()
def test_positions_belong_to_the_places_of_the_retina():
    plain, placed = PatchSensor(SPEC), PatchSensor(SensorSpec(tokens=20, width=6, patch=3, positions=True))
    placed.load_state_dict(plain.state_dict(), strict=False)
    pixels = torch.randn(2, 3, 8, 8)
    close(placed(pixels), plain(pixels))
    shake(placed)
    before = placed.norm(placed.linear(placed.look(pixels, FIXED[:2])))
    close(placed(pixels, FIXED[:2]) - before, placed.positions.expand(2, -1, -1), 1e-6)


def test_gradients_reach_the_fixation_and_the_pixels():
    spec = SensorSpec(tokens=8, width=4, patch=2)
    part = PatchSensor(spec).double()
    pixels, fixed = torch.randn(1, 3, 6, 5, dtype=torch.double), torch.tensor([[0.113, -0.207]], dtype=torch.double)
    for one in (pixels, fixed):
        one.requires_grad_()
    assert torch.autograd.gradcheck(part, (pixels, fixed))
    towards = torch.randn(8, 4, dtype=torch.double)
    (slope,) = torch.autograd.grad((part(pixels, fixed) * towards).sum(), fixed)
    assert slope.abs().min() > 1e-3


@torch.no_grad()
def test_a_fixation_shifts_what_is_seen():
    """Two pixels to the right and one down: the same as a picture that was moved the other way."""
    part, pixels = PatchSensor(SPEC), torch.zeros(1, 3, 40, 40)
    pixels[..., 12:28, 12:28] = torch.randn(3, 16, 16)
    moved = pixels.roll((-1, -2), dims=(2, 3))
    close(part.look(pixels, torch.tensor([[4 / 40, 2 / 40]])), part.look(moved), 1e-5)


def test_the_fovea_is_seen_in_more_detail():
    across = SPEC.places[1] - SPEC.places[0]
    assert across == pytest.approx(np.stack([SPEC.steps, 0 * SPEC.steps], axis=1))
    assert SPEC.steps[0] < 0.6 * SPEC.steps[-1]
    wide = SensorSpec(tokens=256, width=4)
    assert int(wide.resolution) == 38
    assert wide.steps[0] < 0.3 * wide.steps[-1]


@pytest.mark.parametrize("positions", [True, False])
@pytest.mark.parametrize("tokens", [7, 64])
def test_cost_is_what_torch_counts(tokens, positions):
    spec = SensorSpec(tokens=tokens, width=5, patch=3, positions=positions)
    assert spec.cost() == counted(lambda: PatchSensor(spec), lambda part: part(torch.empty(1, 3, 9, 9)))


@pytest.mark.parametrize(
    "spec", [SensorSpec(tokens=64, width=32), SensorSpec(tokens=64, width=2000, patch=4)], ids=repr
)
def test_the_peak_is_what_is_alive(spec):
    part, size = PatchSensor(spec), Size(96, 64)
    with torch.inference_mode(), Meter(weights(part)) as meter:
        part(torch.randn(4, 3, size.height, size.width), torch.zeros(4, 2))
    assert spec.peak(size, 4, 4) == pytest.approx(meter.peak - meter.held, rel=0.1)


def test_weight_names_are_those_of_the_released_code():
    named = {name: tuple(weight.shape) for name, weight in PatchSensor(SPEC).state_dict().items()}
    assert named == {
        "sampling_kernels": (9, 20, 2), "linear.weight": (6, 27), "linear.bias": (6,), "norm.weight": (6,),
        "norm.bias": (6,),
    }  # fmt: skip


def test_refusals():
    for wrong in ({"width": 0}, {"patch": 1}, {"scale": 0.0}):
        with pytest.raises(SaccadeError, match=r"1 channel, a patch 2 samples a side or more and a scale above 0, got"):
            SensorSpec(**{"tokens": 64, "width": 4, **wrong})
    with pytest.raises(SaccadeError, match=r"retina: 2 nodes are too few .* take 8 nodes or a smaller radius"):
        SensorSpec(tokens=2, width=4)
    with pytest.raises(SaccadeError, match="radius lies between 0 and 1"):
        SensorSpec(tokens=64, width=4, radius=1.5)
