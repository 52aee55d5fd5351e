"""Fourier features against a sum written out, transformers' own, and what is kept of them."""

import math

import pytest
import torch
from transformers.models.perceiver.modeling_perceiver import PerceiverFourierPositionEncoding

from saccade.architectures.perceiver import fourier
from saccade.architectures.perceiver.inputs_spec import FourierSpec
from tests.parts import close

SPEC = FourierSpec(bands=3, resolution=(8, 20))
CPU, SINGLE = torch.device("cpu"), torch.float32


def slow(places: list[list[float]], spec: FourierSpec) -> torch.Tensor:
    """Place, sines, cosines; axis by axis and band by band."""
    rows = []
    for place in places:
        angles = [
            math.pi * at * (1 + (size / 2 - 1) * band / (spec.bands - 1))
            for at, size in zip(place, spec.resolution, strict=True)
            for band in range(spec.bands)
        ]
        rows.append([*place, *map(math.sin, angles), *map(math.cos, angles)])
    return torch.tensor(rows)


def test_a_grid_is_what_the_paper_says():
    places = [[-1 + 2 * row / 3, -1 + 2 * col / 4] for row in range(4) for col in range(5)]
    found = fourier.of_grid((4, 5), SPEC, SINGLE, CPU)
    assert found.shape == (20, SPEC.width) == (20, 14)
    close(found, slow(places, SPEC))


def test_points_stand_elsewhere_than_on_the_grid():
    found = fourier.of_points(torch.tensor([0, 7, 19]), (4, 5), SPEC)
    close(found, slow([[-1, -1], [-0.5, -1 + 2 * 2 / 5], [0.5, -1 + 2 * 4 / 5]], SPEC))


def test_parity_with_transformers_to_the_bit():
    theirs = PerceiverFourierPositionEncoding(SPEC.bands, SPEC.resolution)
    whole = theirs((4, 5), 1, device="cpu", dtype=SINGLE)[0]
    assert fourier.of_grid((4, 5), SPEC, SINGLE, CPU).equal(whole)


@pytest.mark.parametrize("other", [((4, 6), SPEC, SINGLE), ((4, 5), FourierSpec(bands=4, resolution=(8, 20)), SINGLE),
                                   ((4, 5), FourierSpec(bands=3, resolution=(8, 21)), SINGLE),
                                   ((4, 5), SPEC, torch.bfloat16)])  # fmt: skip
def test_a_grid_is_made_once_for_each_of_its_kind(other):
    found = fourier.of_grid((4, 5), SPEC, SINGLE, CPU)
    assert fourier.of_grid((4, 5), SPEC, SINGLE, CPU) is found
    changed = fourier.of_grid(*other, CPU)
    assert changed is not found
    assert changed.dtype == other[2]


def test_a_grid_that_was_made_in_inference_can_be_trained_with():
    spec = FourierSpec(bands=2, resolution=(5,))
    with torch.inference_mode():
        found = fourier.of_grid((3,), spec, SINGLE, CPU)
    scale = torch.ones(5, requires_grad=True)
    (found * scale).sum().backward()
    assert scale.grad is not None
