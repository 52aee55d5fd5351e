"""LLaVA-UHD v2's connector against its formulas: pyramid, windows, four query sets by one attention."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from saccade.connectors.hiwin import Hiwin
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.connectors.hiwin import HiwinSpec, levels_of
from saccade.specs.connectors.windows import resampled
from tests.architectures.llava_uhd import small as uhd
from tests.parts import close, counted, shake

SPEC = HiwinSpec(width_in=6, width_out=8, heads=2, queries=4, keys=5)
FREE = replace(SPEC, pyramid="bilinear")
GRIDS = [Grid(4, 4), Grid(2, 5), Grid(5, 3)]
TOLERANCE = 1e-4
"""The house's, for this pyramid."""


def made(spec: HiwinSpec = SPEC) -> Hiwin:
    part = Hiwin(spec)
    shake(part)
    return part


def views(grid: Grid, number: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(number, grid.tokens, 6), torch.randn(number, 3, 7 * grid.rows, 7 * grid.cols)


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("levels", [(1, 2, 4), (1, 4), (2,)], ids=str)
@torch.no_grad()
def test_the_formulas_give_the_same(levels, lean):
    grid, part = Grid(2, 3), made(replace(SPEC, levels=levels, lean=lean))
    patches, pixels = views(grid)
    slow = [
        uhd.uhd_v2(uhd.published(part), *pair, 2, levels)
        for pair in zip(patches, [2] * 2, [3] * 2, pixels, strict=True)
    ]
    close(part(patches, grid, pixels), torch.stack(slow), TOLERANCE)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@torch.no_grad()
def test_the_formulas_give_the_same_for_maps_of_other_shapes(grid):
    part, (patches, pixels) = made(replace(SPEC, levels=(1, 2))), views(grid, 1)
    slow = uhd.uhd_v2(uhd.published(part), patches[0], grid.rows, grid.cols, pixels[0], 2, (1, 2))
    close(part(patches, grid, pixels)[0], slow, TOLERANCE)


@pytest.mark.parametrize("levels", [(1, 2, 4), (1, 4), (8,)], ids=str)
@torch.no_grad()
def test_over_the_free_pyramid(levels):
    grid, part = Grid(3, 4), made(replace(FREE, levels=levels))
    patches, _ = views(grid, 1)
    planes = patches[0].T.reshape(1, 6, 3, 4)
    maps = {
        level: F.interpolate(planes, scale_factor=level, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
        for level in levels
    }
    expected = uhd.condensed(uhd.published(part), *uhd.keys_and_values(uhd.published(part), maps), 2)
    close(part(patches, grid)[0], expected)


@torch.no_grad()
def test_slices_of_unequal_shape_padded_and_masked_are_each_alone():
    """As published: keys of all slices padded with zeros to the longest, and masked."""
    part, slow = made(replace(SPEC, levels=(1, 2))), []
    state = uhd.published(part)
    sizes = [Grid(4, 4), Grid(2, 5), Grid(5, 3)]  # 9, 8 and 8 or 6 places a level
    seen = [views(grid, 1) for grid in sizes]
    for grid, (patches, pixels) in zip(sizes, seen, strict=True):
        maps = uhd.pyramid(state, patches[0].reshape(grid.rows, grid.cols, 6), pixels[0], (1, 2))
        slow.append(uhd.keys_and_values(state, maps))
    longest = max(keys.shape[1] for keys, _ in slow)
    assert len({keys.shape[1] for keys, _ in slow}) > 1
    for grid, pair, (keys, values) in zip(sizes, seen, slow, strict=True):
        more = longest - keys.shape[1]
        padded = (F.pad(one, (0, 0, 0, more)) for one in (keys, values))
        real = torch.arange(longest) < keys.shape[1]
        close(part(pair[0], grid, pair[1])[0], uhd.condensed(state, *padded, 2, real), TOLERANCE)


def test_gradients_are_the_same_folded_and_not():
    part, grid = made(replace(SPEC, levels=(1, 2), lean=False)), Grid(3, 5)
    lean = Hiwin(replace(SPEC, levels=(1, 2)))
    lean.load_state_dict({name: part.state_dict()[name] for name in lean.state_dict()})
    patches, pixels = views(grid)
    for one in (part, lean):
        (one(patches, grid, pixels) * torch.arange(8.0)).sum().backward()
    slopes = dict(part.named_parameters())
    for name, weight in lean.named_parameters():
        assert bool(weight.grad.any()), name
        close(weight.grad, slopes[name].grad, 1e-4)


@torch.no_grad()
def test_one_view_alone_and_in_a_batch():
    part, grid = made(), Grid(2, 5)
    patches, pixels = views(grid, 3)
    whole = part(patches, grid, pixels)
    for view in range(3):
        at = slice(view, view + 1)
        close(part(patches[at], grid, pixels[at])[0], whole[view])


@pytest.mark.parametrize("spec", [SPEC, FREE], ids=["bilateral", "bilinear"])
@torch.no_grad()
def test_attention_counts_a_place_for_the_patch_it_lies_in(spec):
    grid, part = Grid(4, 6), made(spec)
    patches, pixels = views(grid)
    guide = (pixels,) if spec.reads_pixels else ()
    found = part.attention(patches, grid, *guide)
    close(found.sum(-1), torch.ones(2, 4))
    one = replace(spec, levels=(1,))
    alone = Hiwin(one)
    alone.load_state_dict({name: part.state_dict()[name] for name in alone.state_dict()})
    # One level alone, by hand: queries × places, then back through what places are sampled from.
    state = uhd.published(alone)
    keys, _ = uhd.keys_and_values(state, {1: patches[0].reshape(4, 6, 6)})
    matrix, shift = state["attn.in_proj_weight"], state["attn.in_proj_bias"]
    shares = torch.zeros(4, keys.shape[1])
    for number in range(1, 5):
        query = uhd.norm(state[f"query_{number}"], state, "ln_q") + state["pos_embed"]
        query, key = query @ matrix[:8].T + shift[:8], keys @ matrix[8:16].T + shift[8:16]
        for at in (slice(0, 4), slice(4, 8)):
            shares += torch.einsum("qc,qkc->qk", query[:, at] / 2, key[..., at]).softmax(-1) / 8
    sampled = uhd.cut(torch.eye(24).reshape(4, 6, 24), 2)  # windows × places × patches
    close(alone.attention(patches, grid)[0], torch.einsum("qk,qkp->qp", shares, sampled))


@torch.no_grad()
def test_what_attention_shows_of_finer_levels_stays_near_the_window():
    grid, part = Grid(6, 6), made(replace(SPEC, levels=(4,)))
    patches, pixels = views(grid)
    found = part.attention(patches, grid, pixels)[0].reshape(4, 6, 6)
    assert found[0, :4, :4].sum() == pytest.approx(1, abs=1e-5)
    assert found[3, 3:, 3:].sum() == pytest.approx(1, abs=1e-5)


def test_weight_names_are_those_of_the_checkpoints():
    names = {"pos_embed", "query", "kv_proj.weight", "cat_proj.weight", "cat_proj.bias", "proj"}
    names |= {f"attn.{name}" for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")}
    names |= {f"query_{number}" for number in range(1, 5)}
    names |= {f"ln_{name}.{part}" for name in ("q", "kv", "proj", "post") for part in ("weight", "bias")}
    names |= {f"feature_{level}x_embedding" for level in (1, 2, 4, 8)}
    names |= {f"features_{level}x_projector.{part}" for level in (1, 2, 4, 8) for part in ("weight", "bias")}
    up = "upsampler.upsampler."
    for step in ("up1", "up2"):
        names |= {f"{up}{step}.range_temp", f"{up}{step}.sigma_spatial"}
        names |= {
            f"{up}{step}.{proj}.{place}.{part}"
            for proj in ("range_proj", "fixup_proj") for place in (0, 3) for part in ("weight", "bias")
        }  # fmt: skip
    names |= {f"{up}fixup_proj.1.{part}" for part in ("weight", "bias")}
    assert set(uhd.published(Hiwin(replace(SPEC, lean=False)))) == names
    unread = {"query", "kv_proj.weight", "feature_8x_embedding"}
    unread |= {f"features_8x_projector.{part}" for part in ("weight", "bias")}
    assert set(uhd.published(Hiwin(SPEC))) == names - unread


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, levels=(1, 4)), FREE, replace(SPEC, levels=(1,))], ids=repr)
@pytest.mark.parametrize("grid", [*GRIDS, Grid(1, 9)], ids=str)
def test_cost_is_what_torch_counts(spec, grid):
    def run(part: torch.nn.Module) -> object:
        guide = (torch.empty(1, 3, 7 * grid.rows, 7 * grid.cols),) if spec.reads_pixels else ()
        return part(torch.empty(1, grid.tokens, 6), grid, *guide)

    assert counted(lambda: Hiwin(spec), run) == spec.cost(grid)
    plain = replace(spec, lean=False)
    uncounted = spec.enlarging(grid).flops - plain.enlarging(grid).flops  # whole tiles and enlarging, as products
    for level in spec.levels:
        uncounted += resampled(Grid(grid.rows * level, grid.cols * level), 2, 8).flops
    assert counted(lambda: Hiwin(plain), run) == plain.cost(grid) + Cost(uncounted)


def test_the_published_size():
    spec, grid = HiwinSpec(width_in=1024, width_out=4096, heads=32), Grid(24, 24)
    plain = replace(spec, lean=False)
    assert plain.cost(grid).params == 175_591_424 + 1_062_066  # projector and pyramid, by formula
    assert plain.cost(grid).flops > 4 * spec.cost(grid).flops
    assert [spec.steps, replace(spec, levels=(1, 4)).steps, replace(spec, levels=(1,)).steps] == [2, 2, 0]


def test_levels_are_read_from_the_mask():
    assert [levels_of(mask) for mask in (7, 5, 1, 15)] == [(1, 2, 4), (1, 4), (1,), (1, 2, 4, 8)]
    for mask in (0, 16, -1):
        with pytest.raises(SaccadeError, match=f"names at least one, got {mask}"):
            levels_of(mask)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": 8}, r"hiwin: queries stand on a square grid, got 8; take 4 or 9"),
        ({"levels": ()}, r"levels are some of \(1, 2, 4, 8\) in this order, got \(\)"),
        ({"levels": (4, 1)}, r"in this order, got \(4, 1\)"),
        ({"levels": (1, 3)}, r"got \(1, 3\)"),
        ({"levels": (1, 8)}, r'up to 4, got \(1, 8\).* leave level 8 out, or take pyramid "bilinear"'),
        ({"kernel": 4}, r"an odd side of 3 or more, .* got 4, 4 and 5"),
        ({"sets": 0}, r"got 7, 0 and 5"),
    ],
    ids=str,
)
def test_refuses_what_does_not_fit(changes, message):
    with pytest.raises(SaccadeError, match=message):
        replace(SPEC, **changes)


def test_refuses_to_enlarge_without_pixels():
    with pytest.raises(SaccadeError, match=r"made with the views' own pixels, got none; hand them in behind the grid"):
        made()(torch.randn(1, 4, 6), Grid(2, 2))
