import pytest
import torch
from torch.nn import functional as F

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.towers.vit import StemTowerSpec
from saccade.towers import build_tower
from saccade.towers.stem import StemTower
from tests.parts import close, counted, shake

SPEC = StemTowerSpec(width=16, depth=2, heads=2, mlp=24, side=32)


@pytest.mark.parametrize("size", [(32, 32), (16, 48)], ids=str)
def test_cost_is_what_torch_counts(size):
    grid = Grid(size[0] // 8, size[1] // 8)
    assert SPEC.cost(grid) == counted(lambda: StemTower(SPEC), lambda part: part(torch.empty(1, 3, *size)))


@torch.no_grad()
def test_a_block_is_norm_attention_norm_mlp_each_added():
    tower = StemTower(SPEC)
    shake(tower)
    block, x = tower.blocks[0], torch.randn(2, 5, 16)
    q, k, v = F.linear(F.layer_norm(x, (16,), block.norm_attention.weight, block.norm_attention.bias, 1e-6),
                       block.qkv.weight, block.qkv.bias).split(16, dim=-1)  # fmt: skip
    read = []
    for head in (slice(0, 8), slice(8, 16)):
        scores = q[..., head] @ k[..., head].transpose(1, 2) / 8**0.5
        read.append(scores.softmax(-1) @ v[..., head])
    after = x + block.out(torch.cat(read, dim=-1))
    normed = F.layer_norm(after, (16,), block.norm_mlp.weight, block.norm_mlp.bias, 1e-6)
    close(block(x), after + block.narrow(F.gelu(block.widen(normed), approximate="tanh")))


@torch.no_grad()
def test_patches_stand_in_row_order():
    tower = StemTower(SPEC).eval()
    pixels = torch.zeros(1, 3, 32, 32)
    base = tower.stem(pixels).flatten(2)[0]
    pixels[..., 8:16, 24:32] = 1  # row 1, column 3 of 4
    change = (tower.stem(pixels).flatten(2)[0] - base).square().sum(0)
    assert int(change.argmax()) == 1 * 4 + 3


@torch.no_grad()
def test_other_sizes_interpolate_positions():
    tower = StemTower(SPEC).eval()
    assert tower(torch.randn(2, 3, 32, 32)).shape == (2, 16, 16)
    assert tower(torch.randn(2, 3, 16, 48)).shape == (2, 12, 16)


def test_the_spec_says_which_tower():
    assert isinstance(build_tower(SPEC), StemTower)


def test_refuses_what_does_not_fit():
    with pytest.raises(SaccadeError, match="width 18 must be a multiple of 4 and of the 2 heads"):
        StemTowerSpec(width=18, heads=2)
    with pytest.raises(SaccadeError, match="side 30 is no multiple of the 8 px patch"):
        StemTowerSpec(side=30)
