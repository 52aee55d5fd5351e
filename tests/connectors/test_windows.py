"""LLaVA-UHD 144's connector against its formulas, window by window and sample by sample."""

from dataclasses import replace

import pytest
import torch

from saccade.connectors.windows import Windows
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.nn.roi_align import align, spread
from saccade.specs.connectors.windows import WindowsSpec, resampled
from tests.architectures.llava_uhd import small as uhd
from tests.parts import close, counted, shake

SPEC = WindowsSpec(width_in=6, width_out=8, heads=2, queries=9)
GRIDS = [Grid(6, 6), Grid(4, 9), Grid(11, 5), Grid(2, 2), Grid(1, 7)]


def made(spec: WindowsSpec = SPEC) -> Windows:
    part = Windows(spec)
    shake(part)
    return part


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@torch.no_grad()
def test_the_formulas_give_the_same(grid, lean):
    part, patches = made(replace(SPEC, lean=lean)), torch.randn(2, grid.tokens, 6)
    slow = [uhd.uhd_144(uhd.published(part), view, grid.rows, grid.cols, 2) for view in patches]
    close(part(patches, grid), torch.stack(slow))


@torch.no_grad()
def test_the_published_square_of_windows():
    spec, grid = WindowsSpec(width_in=4, width_out=8, heads=2), Grid(19, 29)
    part, patches = made(spec), torch.randn(1, grid.tokens, 4)
    found = part(patches, grid)
    assert found.shape == (1, 144, 8)
    close(found[0], uhd.uhd_144(uhd.published(part), patches[0], 19, 29, 2))


def test_gradients_are_the_same_folded_and_not():
    part, grid = made(replace(SPEC, lean=False)), Grid(5, 7)
    lean = Windows(SPEC)
    with torch.no_grad():
        lean.load_state_dict(part.state_dict())
    patches = torch.randn(2, grid.tokens, 6)
    for one in (part, lean):
        (one(patches, grid) * torch.arange(8.0)).sum().backward()
    slopes = dict(part.named_parameters())
    for name, weight in lean.named_parameters():
        close(weight.grad, slopes[name].grad, 1e-4)


def test_positions_are_the_published_table():
    close(Windows(SPEC).pos_embed, uhd.table(3, 8))


@torch.no_grad()
def test_a_query_sees_its_window_alone_and_keys_know_their_place():
    """Equal patches: positions are all that is left to look at."""
    part, grid = made(), Grid(6, 6)
    patches = torch.randn(1, 1, 6).expand(1, 36, 6).clone()
    shares = part.attention(patches, grid)[0].reshape(9, 6, 6)
    for window, share in enumerate(shares):
        row, col = 2 * (window // 3), 2 * (window % 3)
        assert share[row : row + 3, col : col + 3].sum() == pytest.approx(1, abs=1e-5)
    close(shares.sum((1, 2)), torch.ones(9))
    assert float(shares[0, :3, :3].std()) > 1e-3


@pytest.mark.parametrize("grid", GRIDS[:3], ids=str)
@torch.no_grad()
def test_attention_is_what_the_tokens_are_made_with(grid):
    part, patches = made(), torch.randn(2, grid.tokens, 6)
    found = part.attention(patches, grid)
    values = part.ln_kv(part.kv_proj(patches)).unflatten(1, (grid.rows, grid.cols))
    keys = align(values + uhd.resized(part.pos_embed, grid.rows, grid.cols), 3)
    query = part._asking()[0] @ part.attn.in_proj_weight[:8].T + part.attn.in_proj_bias[:8]
    key = keys @ part.attn.in_proj_weight[8:16].T + part.attn.in_proj_bias[8:16]
    heads = [
        torch.einsum("qc,qvkc->vqk", query[:, at] / 2, key[..., at]).softmax(-1) for at in (slice(0, 4), slice(4, 8))
    ]
    close(found, spread((heads[0] + heads[1]) / 2, grid, 3))


@torch.no_grad()
def test_one_view_alone_and_in_a_batch():
    part, grid = made(), Grid(4, 9)
    patches = torch.randn(3, grid.tokens, 6)
    whole = part(patches, grid)
    for view in range(3):
        close(part(patches[view : view + 1], grid)[0], whole[view])


def test_weight_names_are_those_of_the_checkpoints():
    names = {"pos_embed", "query", "kv_proj.weight", "attn.in_proj_weight", "attn.in_proj_bias", "proj"}
    names |= {"attn.out_proj.weight", "attn.out_proj.bias"}
    names |= {f"ln_{name}.{part}" for name in ("q", "kv", "post") for part in ("weight", "bias")}
    assert set(Windows(SPEC).state_dict()) == set(Windows(replace(SPEC, lean=False)).state_dict()) == names


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_cost_is_what_torch_counts(grid):
    def run(part: torch.nn.Module) -> object:
        return part(torch.empty(1, grid.tokens, 6), grid)

    assert counted(lambda: Windows(SPEC), run) == SPEC.cost(grid)
    plain = replace(SPEC, lean=False)
    windows = resampled(grid, 3, 8)  # which RoIAlign does uncounted
    assert counted(lambda: Windows(plain), run) == plain.cost(grid) + windows
    assert isinstance(windows, Cost)


def test_folding_pays_at_the_published_size():
    spec, grid = WindowsSpec(width_in=1024, width_out=5120, heads=40), Grid(24, 24)
    assert replace(spec, lean=False).cost(grid).flops > 3 * spec.cost(grid).flops
    assert replace(spec, lean=False).cost(grid).params == 137_840_640  # as counted from the released file


def test_refuses_what_does_not_fit():
    with pytest.raises(SaccadeError, match="windows: queries stand on a square grid, got 140; take 121 or 144"):
        WindowsSpec(width_in=6, width_out=8, heads=2, queries=140)
    with pytest.raises(SaccadeError, match="width 12 must be a multiple of 4 and of the 8 heads"):
        WindowsSpec(width_in=6, width_out=12, heads=8)
