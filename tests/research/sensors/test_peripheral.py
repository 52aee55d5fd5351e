"""Peripheral attention against its formula, look by look."""

import math

import pytest
import torch
from torch import Tensor

from research.sensors.peripheral import Distances, PeripheralAttention
from research.sensors.peripheral_spec import PeripheralSpec
from saccade.core.errors import SaccadeError
from tests.memory import Meter, weights
from tests.parts import close, counted, shake

SPEC = PeripheralSpec(width=6, heads=2, side=3)


def made(spec: PeripheralSpec = SPEC) -> tuple[Distances, PeripheralAttention]:
    parts = Distances(spec), PeripheralAttention(spec)
    for part in parts:
        shake(part)
    return parts


def place(index: int, side: int) -> tuple[float, float]:
    """Rows and columns from -1 to 1 over a side, going on beyond it."""
    return 2 * (index // side) / (side - 1) - 1, 2 * (index % side) / (side - 1) - 1


def convolved(maps: Tensor, conv: torch.nn.Conv2d) -> Tensor:
    """Place by place, nothing added around the map."""
    rows, cols = maps.shape[1] - 2, maps.shape[2] - 2
    found = torch.empty(conv.out_channels, rows, cols)
    for row in range(rows):
        for col in range(cols):
            window = maps[:, row : row + 3, col : col + 3]
            found[:, row, col] = (conv.weight * window).sum((1, 2, 3)) + conv.bias
    return found


def normed(maps: Tensor, norm: torch.nn.GroupNorm) -> Tensor:
    """Every channel of one patch's map by itself."""
    found = [
        (plane - plane.mean()) / (plane.var(correction=0) + 1e-5).sqrt() * norm.weight[c] + norm.bias[c]
        for c, plane in enumerate(maps)
    ]
    return torch.stack(found)


def shape(distances: Distances, part: PeripheralAttention, patch: int, side: int) -> Tensor:
    """heads × patches: how one patch's looks are shaped, before the sigmoid."""
    line = [2 * k / (side - 1) - 1 for k in range(-2, side + 2)]
    y, x = place(patch, side)
    apart = torch.tensor([[math.hypot(row - y, col - x) for col in line] for row in line])
    scale, shift = distances.rpe_proj.weight[:, 0], distances.rpe_proj.bias
    maps = scale[:, None, None] * apart + shift[:, None, None]
    own = part.activation
    return normed(convolved(normed(convolved(maps, own.conv1), own.gn1).clamp_min(0), own.conv2), own.gn2).flatten(1)


@pytest.mark.parametrize("spec", [SPEC, PeripheralSpec(width=4, heads=1, side=4)], ids=repr)
@torch.no_grad()
def test_the_formula_gives_the_same(spec):
    distances, part = made(spec)
    patches, (heads, side) = torch.randn(2, spec.tokens, spec.width), (spec.heads, spec.side)
    found, width = part(patches, part.activation(distances())), spec.width // spec.heads
    for view in range(2):
        for patch in range(spec.tokens):
            shares = shape(distances, part, patch, side).sigmoid()
            seen = []
            for head in range(heads):
                at = slice(head * width, (head + 1) * width)
                query, key, value = ((patches[view] @ m.T)[:, at] for m in part.to_qkv.weight.chunk(3))
                scores = key @ query[patch] / width**0.5
                looks = shares[head] * (scores - scores.max()).exp()
                seen.append((looks / looks.abs().sum()) @ value)
            close(found[view, patch], part.proj(torch.cat(seen)))


@torch.no_grad()
def test_shapes_begin_near_and_end_even():
    """As published: the first layer's patches look at what is near, the last one's everywhere alike."""
    layers = PeripheralSpec(width=8, heads=2, side=6).over_depth(12)
    assert [(layer.shift, layer.scale) for layer in (layers[0], layers[-1])] == [(-5, 3), (4, pytest.approx(0.01))]
    assert layers[1].shift == pytest.approx(-5 + 9 / 11)
    for layer, spread in ((layers[0], 20.0), (layers[-1], 1.01)):
        shapes = PeripheralAttention(layer).activation(Distances(layer)()).exp()
        assert shapes.shape == (2, 36, 36)
        close(shapes[0], shapes[1])
        middle = shapes[0, 14].reshape(6, 6)  # row 2, column 2
        assert float(middle.max()) == pytest.approx(float(middle[2, 2]), rel=1e-3)
        assert (
            float(middle.max() / middle.min()) > spread if spread > 2 else float(middle.max() / middle.min()) < spread
        )


@torch.no_grad()
def test_shapes_depend_on_distance_alone():
    distances, part = made(PeripheralSpec(width=4, heads=2, side=5))
    shapes = part.activation(distances())[:, 12].unflatten(1, (5, 5))  # the patch in the middle
    # Kernels that are random tell directions apart; the same in all directions, they do not.
    for conv in (part.activation.conv1, part.activation.conv2):
        conv.weight.copy_(conv.weight.mean((2, 3), keepdim=True).expand_as(conv.weight))
    even = part.activation(distances())[:, 12].unflatten(1, (5, 5))
    close(even, even.transpose(1, 2))
    close(even, even.flip(1))
    assert float((shapes - shapes.flip(1)).abs().max()) > 1e-2


def test_gradients_reach_every_weight():
    distances, part = made()
    (part(torch.randn(2, 9, 6), part.activation(distances())) * torch.randn(9, 6)).sum().backward()
    # What a norm takes out again: what the convolution before it adds to all places of a channel alike.
    still = {"activation.conv1.bias", "activation.conv2.bias", "rpe_proj.bias"}
    for name, weight in (*part.named_parameters(), *distances.named_parameters()):
        assert weight.grad is not None
        assert name in still or float(weight.grad.abs().max()) > 1e-5, name


def test_cost_is_what_torch_counts():
    spec = PeripheralSpec(width=12, heads=3, side=5)
    assert spec.project() == counted(lambda: Distances(spec), lambda part: part())
    wide = torch.empty(25, 12, 9, 9, device="meta")
    assert spec.shape() == counted(lambda: PeripheralAttention(spec).activation, lambda part: part(wide))
    patches, shapes = torch.empty(1, 25, 12, device="meta"), torch.empty(3, 25, 25, device="meta")
    assert spec.cost() == counted(lambda: PeripheralAttention(spec), lambda part: part(patches, shapes))


@pytest.mark.parametrize("views", [1, 64])
def test_the_peak_is_what_is_alive(views):
    spec = PeripheralSpec(width=64, heads=2, side=10)
    distances, part = Distances(spec), PeripheralAttention(spec)
    wide, patches = distances().detach(), torch.randn(views, spec.tokens, spec.width)
    with torch.inference_mode(), Meter(weights(part)) as meter:
        part(patches, part.activation(wide))
    # The distances are held for the layers that follow, while this one attends.
    held = wide.nbytes if views > 1 else 0
    assert spec.peak(views, 4) + held == pytest.approx(meter.peak - meter.held, rel=0.1)


def test_weight_names_are_those_of_the_checkpoints():
    names = {f"activation.{name}.{kind}" for name in ("conv1", "gn1", "conv2", "gn2") for kind in ("weight", "bias")}
    assert set(PeripheralAttention(SPEC).state_dict()) == names | {"to_qkv.weight", "proj.weight", "proj.bias"}
    assert set(Distances(SPEC).state_dict()) == {"rpe_proj.weight", "rpe_proj.bias"}


def test_refusals():
    with pytest.raises(SaccadeError, match="the 4 heads do not share 6 channels evenly"):
        PeripheralSpec(width=6, heads=4)
    with pytest.raises(SaccadeError, match="the 0 heads"):
        PeripheralSpec(width=6, heads=0)
    with pytest.raises(SaccadeError, match="at least 2×2 patches, got 1×1"):
        PeripheralSpec(width=6, heads=2, side=1)
    with pytest.raises(SaccadeError, match="at least 1 layer, got 0"):
        SPEC.over_depth(0)
