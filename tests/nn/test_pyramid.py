"""Pyramids against kernels place by place."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from saccade.nn.pyramid import Bilateral, bilinear
from saccade.specs.connectors.hiwin import HiwinSpec
from saccade.specs.layouts.sampling import mirrored
from tests.architectures.llava_uhd import small as uhd
from tests.parts import close, shake

SPEC = HiwinSpec(width_in=6, width_out=8, heads=2, queries=4, keys=5)
TOLERANCE = 1e-4
"""The house's, for this pyramid."""


def made(levels: tuple[int, ...] = (1, 2, 4)) -> Bilateral:
    part = Bilateral(replace(SPEC, levels=levels))
    shake(part)
    return part


def weights(part: Bilateral) -> dict[str, torch.Tensor]:
    return {f"upsampler.upsampler.{name}": weight.detach() for name, weight in part.state_dict().items()}


@pytest.mark.parametrize(("rows", "cols"), [(3, 4), (5, 2), (2, 2), (1, 3)])
@pytest.mark.parametrize("levels", [(1, 2, 4), (1, 4), (1, 2)], ids=str)
@torch.no_grad()
def test_bilateral_levels_are_the_formulas(rows, cols, levels):
    """Sizes that fill no tile, and such as a border is thrown back into more than once."""
    part, maps, pixels = made(levels), torch.randn(2, rows, cols, 6), torch.randn(2, 3, 7 * rows, 7 * cols + 3)
    found = part(maps, pixels)
    for view in range(2):
        expected = uhd.pyramid(weights(part), maps[view], pixels[view], levels)
        for level in levels:
            close(found[level][view], expected[level], TOLERANCE)


@torch.no_grad()
def test_more_than_one_tile_each_way():
    part, maps, pixels = made((2,)), torch.randn(1, 5, 9, 6), torch.randn(1, 3, 40, 72)
    close(part(maps, pixels)[2][0], uhd.pyramid(weights(part), maps[0], pixels[0], (2,))[2], TOLERANCE)


@pytest.mark.parametrize("temperature", [20.0, -20.0])
@torch.no_grad()
def test_extreme_kernels_are_held_in_bounds(temperature):
    """A temperature beyond what it is clamped to; and a nearness that leaves a kernel next to nothing."""
    part = made((1, 2))
    step = part.get_submodule("up1")
    step.range_temp.fill_(temperature)
    step.sigma_spatial.fill_(0.05)
    for weight in step.range_proj.parameters():
        weight.mul_(0.05 if temperature > 0 else 200.0)
    maps, pixels = torch.randn(1, 3, 4, 6), torch.randn(1, 3, 21, 28)
    close(part(maps, pixels)[2][0], uhd.pyramid(weights(part), maps[0], pixels[0], (2,))[2], TOLERANCE)


def test_gradients_reach_the_map_and_every_weight():
    part, maps, pixels = made(), torch.randn(1, 2, 3, 6, requires_grad=True), torch.randn(1, 3, 14, 21)
    part(maps, pixels)[4].square().sum().backward()
    assert maps.grad is not None
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in part.parameters())
    slow = maps.detach().clone().requires_grad_()
    uhd.pyramid(weights(part), slow[0], pixels[0], (4,))[4].square().sum().backward()
    close(maps.grad, slow.grad, TOLERANCE)


@torch.no_grad()
def test_a_kernel_follows_the_pixels_edges():
    """With a learned share of nothing, a place on one side of an edge takes nothing from the other."""
    part = Bilateral(replace(SPEC, levels=(1, 2)))
    step = part.get_submodule("up1")
    for weight in (*step.fixup_proj.parameters(), *part.fixup_proj.parameters()):
        weight.zero_()
    step.range_temp.fill_(9.0)
    maps, pixels = torch.zeros(1, 8, 8, 6), torch.full((1, 3, 16, 16), -2.0)
    maps[:, :, 4:], pixels[:, :, :, 8:] = 1, 2.0
    step.range_proj[0].weight.normal_()
    step.range_proj[3].weight.normal_()
    sharp, smooth = part(maps, pixels)[2][0, :, :, 0], part(maps, torch.zeros_like(pixels))[2][0, :, :, 0]
    assert float(sharp[:, 8].min() - sharp[:, 7].max()) > 0.5 + float(smooth[:, 8].min() - smooth[:, 7].max())


def test_the_bilinear_pyramid_is_one_interpolation_a_level():
    maps = torch.randn(2, 3, 5, 6)
    found = bilinear(maps, (1, 2, 8))
    assert found[1] is maps
    for level in (2, 8):
        expected = F.interpolate(maps.permute(0, 3, 1, 2), scale_factor=level, mode="bilinear", align_corners=False)
        close(found[level], expected.permute(0, 2, 3, 1))


def test_borders_are_thrown_back():
    for cells in (2, 3, 7):
        assert [int(place) for place in mirrored(torch.arange(-9, 12).numpy(), cells)] == [
            uhd.mirrored(place, cells) for place in range(-9, 12)
        ]
    padded = F.pad(torch.arange(7.0)[None], (3, 3), mode="reflect")[0]
    assert padded.tolist() == mirrored(torch.arange(-3, 10).numpy(), 7).tolist()
