"""The plain resampler of LLaVA-UHD against its formulas, written out head by head and number by number."""

import math

import pytest
import torch
from torch import Tensor

from saccade.connectors.resampler import Resampler
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.connectors.resampler import ResamplerSpec
from tests.parts import close, counted, shake

SPEC = ResamplerSpec(width_in=6, width_out=8, queries=4, heads=2)
GRIDS = [Grid(2, 2), Grid(3, 5), Grid(7, 4)]


def position(row: float, col: float, width: int) -> list[float]:
    """First half of the channels from the column, second from the row; each [sin | cos], base 10000."""
    rates = [10000 ** (-index / (width // 4)) for index in range(width // 4)]
    return [wave(place * rate) for place in (col, row) for wave in (math.sin, math.cos) for rate in rates]


def norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * scale + shift


def slow(part: Resampler, patches: Tensor, grid: Grid) -> Tensor:
    """One view, from the spec's line: kv = LN(Linear(x)); q = LN(query); attention with positions; LN; projection."""
    width, heads = part.spec.width_out, part.spec.heads
    side = math.isqrt(part.spec.queries)
    own = torch.tensor([position(row, col, width) for row in range(side) for col in range(side)])
    table = own.reshape(side, side, width).permute(2, 0, 1)[None]
    size = (grid.rows, grid.cols)
    keys_at = torch.nn.functional.interpolate(table, size, mode="bicubic", align_corners=False)[0].permute(1, 2, 0)
    kv = norm(patches @ part.kv_proj.weight.T, part.ln_kv.weight, part.ln_kv.bias)
    query = norm(part.query, part.ln_q.weight, part.ln_q.bias) + own
    key = kv + keys_at.reshape(-1, width)
    weights, biases = part.attn.in_proj_weight.split(width), part.attn.in_proj_bias.split(width)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, kv), weights, biases, strict=True))
    read = []
    for head in range(heads):
        at = slice(head * width // heads, (head + 1) * width // heads)
        scores = q[:, at] @ k[:, at].T / math.sqrt(width // heads)
        read.append(scores.softmax(dim=-1) @ v[:, at])
    joined = torch.cat(read, dim=-1) @ part.attn.out_proj.weight.T + part.attn.out_proj.bias
    return norm(joined, part.ln_post.weight, part.ln_post.bias) @ part.proj


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_formulas_give_the_same(grid):
    part = Resampler(SPEC)
    shake(part)
    patches = torch.randn(2, grid.tokens, 6)
    with torch.no_grad():
        close(part(patches, grid), torch.stack([slow(part, view, grid) for view in patches]))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_cost_is_what_torch_counts(grid):
    assert SPEC.cost(grid) == counted(lambda: Resampler(SPEC), lambda part: part(torch.empty(1, grid.tokens, 6), grid))


def test_weight_names_are_those_of_the_checkpoints():
    names = {"pos_embed", "query", "kv_proj.weight", "attn.in_proj_weight", "attn.in_proj_bias", "proj"}
    names |= {"attn.out_proj.weight", "attn.out_proj.bias"}
    names |= {f"ln_{name}.{part}" for name in ("q", "kv", "post") for part in ("weight", "bias")}
    assert set(Resampler(SPEC).state_dict()) == names


def test_tokens_are_queries_whatever_the_view_and_known_by_attention():
    assert {SPEC.tokens(grid) for grid in GRIDS} == {4}
    assert not SPEC.exact
    assert [group.tolist() for group in SPEC.groups(Grid(1, 2))] == [[0, 1]] * 4


def test_refuses_what_does_not_fit():
    with pytest.raises(SaccadeError, match="on a square grid, got 60; take 49 or 64"):
        ResamplerSpec(width_in=6, width_out=8, queries=60)
    with pytest.raises(SaccadeError, match="width 12 must be a multiple of 4 and of the 8 heads"):
        ResamplerSpec(width_in=6, width_out=12, queries=4, heads=8)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@torch.no_grad()
def test_attention_is_what_the_tokens_are_made_with(grid):
    part, patches = Resampler(SPEC), torch.randn(2, grid.tokens, 6)
    shake(part)
    found = part.attention(patches, grid)
    assert found.shape == (2, 4, grid.tokens)
    close(found.sum(-1), torch.ones(2, 4))
    queries, keys, _ = part._sides(patches, grid)
    query = queries @ part.attn.in_proj_weight[:8].T + part.attn.in_proj_bias[:8]
    key = keys @ part.attn.in_proj_weight[8:16].T + part.attn.in_proj_bias[8:16]
    heads = [(query[..., at] @ key[..., at].mT / 2).softmax(-1) for at in (slice(0, 4), slice(4, 8))]
    close(found, (heads[0] + heads[1]) / 2)
