import pytest
import torch
from torch.nn import functional as F

from saccade.connectors.compress import Compress
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.nn.transformer import sincos_2d
from saccade.specs.connectors.compress import CompressSpec
from tests.parts import close, counted, shake

SPEC = CompressSpec(width_in=6, width_out=10, channels=(8, 12), depth=2, heads=3)
GRIDS = {Grid(4, 4): Grid(1, 1), Grid(8, 16): Grid(2, 4), Grid(5, 7): Grid(2, 2), Grid(9, 4): Grid(3, 1)}


@pytest.mark.parametrize(("grid", "out"), GRIDS.items(), ids=str)
def test_tokens_stand_on_the_map_halved_twice(grid, out):
    assert SPEC.grid_out(grid) == out
    assert Compress(SPEC)(torch.randn(2, grid.tokens, 6), grid).shape == (2, out.tokens, 10)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_published_steps_one_by_one_give_the_same(grid):
    ours, patches = Compress(SPEC), torch.randn(2, grid.tokens, 6)
    shake(ours)
    maps = patches.reshape(2, grid.rows, grid.cols, 6).permute(0, 3, 1, 2)
    for convolution in ours.halve:
        maps = F.conv2d(F.pad(maps, (1, 1, 1, 1)), convolution.weight, stride=2)
    rows, cols = maps.shape[2:]
    placed = maps + sincos_2d(rows, cols, 12).permute(2, 0, 1)
    tokens = []
    for row in range(rows):
        for col in range(cols):
            tokens.append(F.layer_norm(placed[:, :, row, col], (12,), ours.norm.weight, ours.norm.bias, 1e-6))
    read = torch.stack(tokens, dim=1)
    for block in ours.blocks:
        read = block(read)
    joined = torch.cat([read, maps.flatten(2).transpose(1, 2)], dim=2)
    close(ours(patches, grid), joined @ ours.project.weight.T + ours.project.bias)


def test_a_token_is_where_its_patches_are_before_the_second_transformer():
    part, grid = Compress(SPEC), Grid(16, 16)
    patches = torch.zeros(1, grid.tokens, 6)
    patches[0, 0] = 1.0  # the upper left corner
    with torch.no_grad():
        part.project.weight[:, :12] = 0  # what the transformer says is left out
        moved = (part(patches, grid) - part(torch.zeros_like(patches), grid))[0].abs().sum(dim=1)
    assert moved[0] > 0
    assert torch.equal(moved[1:], torch.zeros(15))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_cost_is_what_torch_counts(grid):
    assert SPEC.cost(grid) == counted(lambda: Compress(SPEC), lambda part: part(torch.empty(1, grid.tokens, 6), grid))


def test_refusals():
    with pytest.raises(SaccadeError, match=r"1 halving or more, got \[\]"):
        CompressSpec(width_in=6, width_out=10, channels=(), depth=1, heads=1)
    with pytest.raises(SaccadeError, match="12 channels must be a multiple of 4 and of the 5 heads"):
        CompressSpec(width_in=6, width_out=10, channels=(8, 12), depth=1, heads=5)
    with pytest.raises(SaccadeError, match="1 block or more, got 0"):
        CompressSpec(width_in=6, width_out=10, channels=(8,), depth=0, heads=2)
