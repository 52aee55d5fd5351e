"""Muon against torch's own, and what the orthogonal step is."""

import pytest
import torch

from saccade.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 8), (12, 4), (4, 12)], ids=str)
def test_steps_as_torchs_muon_does(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(shape), [torch.randn(shape) for _ in range(4)]
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    mine = Muon([ours], lr=0.1)
    peer = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0, nesterov=True, momentum=0.95)
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        peer.step()
    # torch iterates in bfloat16, which keeps about two digits of each step.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)
    assert float((ours.detach() - start).norm()) > 0.3


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(1)
    values = torch.linalg.svdvals(orthogonal(torch.randn(32, 64)))
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3


def test_a_convolution_is_a_matrix_of_outputs_by_everything_else() -> None:
    torch.manual_seed(2)
    kernel = torch.nn.Parameter(torch.zeros(6, 4, 3, 3))
    kernel.grad = torch.randn_like(kernel)
    Muon([kernel], lr=1.0).step()
    expected = -orthogonal(kernel.grad.lerp(kernel.grad * 0.05, 0.95).flatten(1))
    torch.testing.assert_close(kernel.detach().flatten(1), expected)
