import pytest
import torch
from torch import nn
from torch.nn import functional as F

from saccade.core.plan import Cost
from saccade.specs.laws import count
from tests.parts import counted


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias):
    made = counted(lambda: nn.Linear(3, 5, bias=bias), lambda part: part(torch.empty(7, 3)))
    assert count.linear(7, 3, 5, bias=bias) == made


@pytest.mark.parametrize("bias", [True, False])
def test_convolution(bias):
    made = counted(lambda: nn.Conv2d(3, 5, 4, stride=4, bias=bias), lambda part: part(torch.empty(1, 3, 8, 12)))
    assert count.convolution(6, 4, 3, 5, bias=bias) == made


def test_attention_is_the_full_rectangle():
    made = counted(
        nn.Module,
        lambda _: F.scaled_dot_product_attention(
            torch.empty(1, 2, 6, 8), torch.empty(1, 2, 9, 8), torch.empty(1, 2, 9, 8)
        ),
    )
    assert count.attention(6, 9, 16) == made


@pytest.mark.parametrize("bias", [True, False])
def test_norms_are_weights_alone(bias):
    made = counted(lambda: nn.LayerNorm(6, bias=bias), lambda part: part(torch.empty(2, 6)))
    assert count.norm(6, bias=bias) == made


def test_sums():
    assert count.total() == Cost()
    assert count.total(Cost(1, 2), count.weights(3), Cost(4)) == Cost(5, 5)
    assert count.stack(Cost(2, 3), 4) == Cost(8, 12)
