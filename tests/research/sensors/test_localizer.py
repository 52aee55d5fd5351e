"""Where to look: soft arg-max by hand, the layers, and what it can be taught."""

import pytest
import torch
from torch.nn import functional as F

from research.sensors.localizer import Localizer
from research.sensors.localizer_spec import LocalizerSpec
from research.sensors.spec import SensorSpec
from research.sensors.tower import PatchSensor
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from tests.memory import Meter, weights
from tests.parts import close, counted, shake

SPEC = LocalizerSpec(side=16, widths=(4, 8), temperature=0.5)


@torch.no_grad()
def test_the_formulas_give_the_same():
    part, pixels = Localizer(SPEC), torch.randn(2, 3, 30, 20)
    shake(part)
    x = F.interpolate(pixels, (16, 16), mode="bilinear", antialias=True)
    for conv, norm in ((part.net[0], part.net[1]), (part.net[3], part.net[4])):
        x = F.conv2d(x, conv.weight, conv.bias, stride=2, padding=1)
        x = F.group_norm(x, 4, norm.weight, norm.bias).clamp_min(0)
    scores = F.conv2d(x, part.saliency.weight, part.saliency.bias)[:, 0]
    for view in range(2):
        share = (scores[view] / 0.5).exp()
        share = share / share.sum()
        places = [-1.0, -1 / 3, 1 / 3, 1.0]
        across = sum(float(share[row, col]) * places[col] for row in range(4) for col in range(4))
        down = sum(float(share[row, col]) * places[row] for row in range(4) for col in range(4))
        close(part(pixels)[view], torch.tensor([across, down]))
        close(part.shares(pixels)[view], share)


@torch.no_grad()
def test_the_colder_the_nearer_to_the_best_place():
    warm, cold = Localizer(SPEC), Localizer(LocalizerSpec(side=16, widths=(4, 8), temperature=1e-4))
    shake(warm)
    cold.load_state_dict(warm.state_dict())
    pixels = torch.randn(1, 3, 16, 16)
    row, col = divmod(int(warm.shares(pixels).argmax()), 4)
    close(cold(pixels)[0], torch.tensor([2 * col / 3 - 1, 2 * row / 3 - 1]), 1e-3)


def test_every_weight_learns_through_the_sensor():
    part, sensor = Localizer(SPEC), PatchSensor(SensorSpec(tokens=16, width=4, patch=3))
    shake(part)
    pixels = torch.randn(2, 3, 24, 24)
    (sensor(pixels, part(pixels)) * torch.randn(16, 4)).sum().backward()
    shift = part.saliency.bias  # the same for all places, so nothing depends on it
    assert all(weight.grad is not None and (weight is shift or bool(weight.grad.any())) for weight in part.parameters())


def test_it_learns_to_find_a_bright_spot():
    torch.manual_seed(1)
    part = Localizer(LocalizerSpec(side=16, widths=(8, 8)))
    optimizer = torch.optim.Adam(part.parameters(), lr=0.02)
    for _ in range(120):
        pixels, towards = 0.1 * torch.randn(16, 3, 16, 16), torch.randint(0, 4, (16, 2))
        for view, (col, row) in enumerate(towards.tolist()):
            pixels[view, :, 4 * row : 4 * row + 4, 4 * col : 4 * col + 4] += 1
        loss = (part(pixels) - (towards * 2 / 3 - 1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_cost_is_what_torch_counts():
    for spec in (SPEC, LocalizerSpec()):
        assert spec.cost() == counted(lambda spec=spec: Localizer(spec), lambda part: part(torch.empty(1, 3, 40, 30)))


@pytest.mark.parametrize("size", [Size(20, 30), Size(300, 200)], ids=str)
def test_the_peak_is_what_is_alive(size):
    spec = LocalizerSpec()
    part = Localizer(spec)
    with torch.inference_mode(), Meter(weights(part)) as meter:
        part(torch.randn(4, 3, size.height, size.width))
    assert spec.peak(size, 4, 4) == pytest.approx(meter.peak - meter.held, rel=0.1)


def test_refusals():
    with pytest.raises(SaccadeError, match=r"widths are multiples of 4, at least one, got \[6\]"):
        LocalizerSpec(widths=(6,))
    with pytest.raises(SaccadeError, match=r"at least one, got \[\]"):
        LocalizerSpec(widths=())
    for side in (8, 20):
        with pytest.raises(SaccadeError, match=f"a side of {side}; take a multiple of 8, 16 or more"):
            LocalizerSpec(side=side)
    with pytest.raises(SaccadeError, match="temperature is above 0, got 0"):
        LocalizerSpec(temperature=0)
