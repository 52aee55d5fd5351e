"""Latent resamplers: transformers' two, OpenFlamingo's formulas written out head by head, laws, cost and memory."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from saccade.connectors.latents import Latents, stretched
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.connectors.latents import LatentsSpec
from tests.memory import Meter, weights
from tests.parts import close, counted, shake
from tests.resamplers import (
    FLAMINGO,
    IDEFICS,
    IDEFICS2,
    flamingo_of,
    ours_of,
    published_flamingo,
    their_idefics,
    their_idefics2,
)

GRID = Grid(3, 4)
PADDING = {
    "none": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]],
    "behind": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0]],
    "scattered": [[0, 1, 0, 1, 1, 0, 1], [1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 1, 0]],
    "a view all padding": [[1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]],
}


def shaken(spec: LatentsSpec) -> Latents:
    part = Latents(spec)
    shake(part)
    return part.eval()


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("qk_norm", [False, True])
@torch.no_grad()
def test_parity_with_idefics(qk_norm: bool, views: int):
    spec = replace(IDEFICS, qk_norm=qk_norm)
    theirs, patches = their_idefics(spec), torch.randn(views, 13, 12)
    close(ours_of(theirs, spec)(patches, GRID), theirs(patches))


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.no_grad()
def test_parity_with_idefics2(padding: str, attention: str):
    theirs, patches = their_idefics2(IDEFICS2), 3 * torch.randn(3, 7, 10)
    theirs.perceiver_resampler.set_attn_implementation(attention)
    real = torch.tensor(PADDING[padding]).bool()
    ours = ours_of(theirs, IDEFICS2)
    close(ours.resample(patches[:, None], real[:, None]), theirs(patches, real))
    if padding == "none":
        close(ours(patches, Grid(1, 7)), theirs(patches, real))
    for view in range(3):  # alone, where the first layer has no row to share
        close(ours.resample(patches[[view], None], real[[view], None]), theirs(patches, real)[[view]])


def norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * scale + shift


def slow(published: dict[str, Tensor], spec: LatentsSpec, pictures: Tensor, first: int) -> Tensor:
    """OpenFlamingo on one sequence's pictures (picture, frame, patch, channel), from its formulas."""
    own = {name.removeprefix("perceiver."): weight for name, weight in published.items()}
    made = []
    for number, frames in enumerate(pictures):
        rows = [patch + own["frame_embs"][frame] for frame, patches in enumerate(frames) for patch in patches]
        x = torch.stack(rows) + own["media_time_embs"][first + number, 0]
        z = own["latents"]
        for layer in range(spec.depth):
            read, feed = f"layers.{layer}.0.", f"layers.{layer}.1."
            asked = norm(z, own[read + "norm_latents.weight"], own[read + "norm_latents.bias"])
            seen = torch.cat([norm(x, own[read + "norm_media.weight"], own[read + "norm_media.bias"]), asked])
            inner = spec.heads * spec.head
            to_k, to_v = own[read + "to_kv.weight"][:inner], own[read + "to_kv.weight"][inner:]
            heads = []
            for head in range(spec.heads):
                at = slice(head * spec.head, (head + 1) * spec.head)
                q, k, v = asked @ own[read + "to_q.weight"][at].T, seen @ to_k[at].T, seen @ to_v[at].T
                heads.append((q @ k.T / math.sqrt(spec.head)).softmax(dim=-1) @ v)
            z = z + torch.cat(heads, dim=-1) @ own[read + "to_out.weight"].T
            wide = norm(z, own[feed + "0.weight"], own[feed + "0.bias"]) @ own[feed + "1.weight"].T
            z = z + 0.5 * wide * (1 + torch.erf(wide / math.sqrt(2))) @ own[feed + "3.weight"].T
        made.append(norm(z, own["norm.weight"], own["norm.bias"]))
    return torch.stack(made)


@pytest.mark.parametrize(("pictures", "frames", "first"), [(1, 1, 0), (3, 2, 0), (3, 1, 2), (4, 4, 1), (2, 3, 4)])
@torch.no_grad()
def test_open_flamingo_s_formulas_give_the_same(pictures: int, frames: int, first: int):
    published = published_flamingo(FLAMINGO)
    part, features = flamingo_of(published, FLAMINGO), torch.randn(pictures, frames, 12, 12)
    numbers = range(first, first + pictures)
    close(part.resample(features, numbers=numbers), slow(published, FLAMINGO, features, first))
    if first == 0:
        close(part.resample(features), slow(published, FLAMINGO, features, 0))


@torch.no_grad()
def test_pictures_of_several_sequences_share_a_batch_and_views_are_all_first():
    published = published_flamingo(FLAMINGO)
    part, features = flamingo_of(published, FLAMINGO), torch.randn(5, 1, 12, 12)
    both = part.resample(features, numbers=[0, 1, 2, 0, 1])
    close(both, torch.cat([slow(published, FLAMINGO, features[:3], 0), slow(published, FLAMINGO, features[3:], 0)]))
    close(part(features[:, 0], GRID), torch.cat([slow(published, FLAMINGO, one[None], 0) for one in features]))


@pytest.mark.parametrize(
    ("act", "slowly"),
    [
        ("relu", lambda x: x * (x > 0)),
        ("relu2", lambda x: x * x * (x > 0)),
        ("silu", lambda x: x / (1 + torch.exp(-x))),
        ("gelu", lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2),
    ],
)
@pytest.mark.parametrize("gated", [False, True])
@torch.no_grad()
def test_feed_forwards(act, slowly, gated: bool):
    part = shaken(LatentsSpec(width_in=8, width_out=8, heads=2, head=4, middle=6, depth=1, act=act, gated=gated))
    layer, x = part.layers[0], torch.randn(2, 3, 8)
    assert layer.state_dict().keys() >= ({"gate.weight"} if gated else {"up.weight"})
    up = x @ layer.up.weight.T
    wide = slowly(x @ layer.gate.weight.T) * up if gated else slowly(up)
    close(layer._feed(x), wide @ layer.down.weight.T)


@pytest.mark.parametrize("spec", [replace(FLAMINGO, frames=0), IDEFICS, IDEFICS2], ids=["open", "first", "second"])
@torch.no_grad()
def test_laws_of_order_and_number(spec: LatentsSpec):
    part, patches = shaken(spec), torch.randn(3, 12 + spec.extra, spec.width_in)
    made = part(patches, GRID)
    assert made.shape == (3, spec.latents, spec.width_out)
    close(part(patches[:, torch.randperm(12 + spec.extra)], GRID), made)
    close(part(patches[:, : 6 + spec.extra], Grid(2, 3)), part(patches[:, : 6 + spec.extra], Grid(3, 2)))
    close(torch.cat([part(view[None], GRID) for view in patches]), made)
    turned = torch.randperm(spec.latents)
    part.latents.copy_(part.latents[turned])
    close(part(patches, GRID), made[:, turned])
    assert part(patches[:0], GRID).shape == (0, spec.latents, spec.width_out)


def test_equal_latents_would_stay_equal_so_ours_are_drawn_apart():
    part, patches = Latents(IDEFICS2), torch.randn(1, 12, 10)
    made = part(patches, GRID)[0]
    assert torch.pdist(made).min() > 0.1
    with torch.no_grad():
        part.latents.fill_(1)
        same = part(patches, GRID)[0]
    assert torch.pdist(same).max() < 1e-5


@pytest.mark.parametrize("spec", [FLAMINGO, IDEFICS2], ids=["open", "second"])
@pytest.mark.parametrize("worth", [100.0, float("inf"), float("nan")])
def test_what_is_padding_has_no_influence(spec: LatentsSpec, worth: float):
    part, features = shaken(spec), torch.randn(4, 2, 6, spec.width_in)
    real = torch.rand(4, 2, 6) < 0.5
    real[0], real[1], real[2, 0] = True, False, False
    base = part.resample(features, real)
    moved = features.masked_fill(~real[..., None], worth)
    assert torch.equal(part.resample(moved, real), base)
    assert base.isfinite().all()
    base.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in part.parameters())
    close(part.resample(features, torch.ones(4, 2, 6).bool()), part.resample(features))
    alone = spec if spec.pictures == 0 else replace(spec, pictures=0, frames=0)
    part = shaken(alone)
    close(part.resample(features[2:3], real[2:3]), part.resample(features[2][real[2]][None, None]))
    nothing = part.resample(features[1:2], real[1:2])
    close(nothing, part.resample(features[:1, :, :0]))


@pytest.mark.parametrize(("rows", "frames"), [(8, 30), (4, 5), (1, 3), (2, 7), (5, 5), (6, 2), (3, 1)])
def test_frames_between_the_rows_are_numpy_s_interpolation(rows: int, frames: int):
    table = torch.randn(rows, 3)
    places = np.linspace(0, rows - 1, frames) if frames > rows else np.arange(frames)
    expected = np.stack([np.interp(places, np.arange(rows), column) for column in table.T.numpy()], axis=1)
    close(stretched(table, frames), torch.from_numpy(expected).float())


@torch.no_grad()
def test_more_frames_than_rows():
    part, features = shaken(FLAMINGO), torch.randn(2, 7, 6, 12)
    wide = shaken(replace(FLAMINGO, frames=7))
    state = part.state_dict()
    wide.load_state_dict({**state, "frames": stretched(state["frames"], 7)})
    close(part.resample(features), wide.resample(features))
    assert (part.resample(features.flip(1)) - part.resample(features)).abs().max() > 1e-3  # order of frames counts


@pytest.mark.parametrize("spec", [FLAMINGO, IDEFICS, IDEFICS2], ids=["open", "first", "second"])
@torch.no_grad()
def test_attention_for_drawing(spec: LatentsSpec):
    """Against forward itself: with one-hot values, what attention puts out are its weights."""
    part, patches = shaken(spec), torch.randn(3, 12 + spec.extra, spec.width_in)
    shares = part.attention(patches, GRID)
    assert shares.shape == (3, spec.latents, 12)
    assert bool((shares >= 0).all())
    close(shares.sum(-1), torch.ones(3, spec.latents))
    total, handed = torch.zeros(3, spec.latents, 12 + spec.extra + spec.latents), F.scaled_dot_product_attention

    def spying(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        sizes = (*key.shape[:2], key.shape[2], key.shape[2])
        seen = handed(query, key, torch.eye(key.shape[2]).expand(sizes))
        for shared in range(spec.shared):
            for group in range(spec.heads // spec.shared):
                total.add_(seen[:, shared, group * spec.latents : (group + 1) * spec.latents])
        return handed(query, key, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", spying)
        part(patches, GRID)
    looked = total[..., spec.extra : spec.extra + 12]
    close(shares, looked / looked.sum(-1, keepdim=True))


@pytest.mark.parametrize("spec", [FLAMINGO, IDEFICS, IDEFICS2, replace(IDEFICS, kv_heads=1, act="relu2", gated=True)])
@pytest.mark.parametrize("grid", [Grid(1, 1), GRID], ids=str)
def test_cost_is_what_torch_counts(spec: LatentsSpec, grid: Grid):
    found = counted(
        lambda: Latents(spec), lambda part: part(torch.empty(1, grid.tokens + spec.extra, spec.width_in), grid)
    )
    assert spec.cost(grid) == found


def test_a_batch_saves_the_first_layer_s_latents():
    patches = (4, 12, 12)
    one = FLAMINGO.cost(GRID)
    four = counted(lambda: Latents(FLAMINGO), lambda part: part(torch.empty(patches), GRID))
    inner = FLAMINGO.heads * FLAMINGO.head
    assert four.flops == 4 * one.flops - 3 * 2 * FLAMINGO.latents * 12 * 3 * inner


@pytest.mark.parametrize(
    "spec",
    [
        LatentsSpec(width_in=64, width_out=64, latents=16, middle=256),
        LatentsSpec(width_in=64, width_out=64, latents=16, middle=256, heads=16, head=96, qk_norm=True),
        LatentsSpec(width_in=64, width_out=128, latents=16, middle=512, gated=True, act="silu", norm="rms", front=448),
        LatentsSpec(width_in=64, width_out=128, latents=16, middle=512, head=16, front=900),
        LatentsSpec(width_in=64, width_out=64, latents=512, middle=512, gated=True, act="silu", head=8),
    ],
    ids=["open", "first", "second", "wide front", "many latents"],
)
@pytest.mark.parametrize("views", [1, 3])
def test_memory(spec: LatentsSpec, views: int):
    grid, part = Grid(20, 30), Latents(spec)
    patches = torch.randn(views, grid.tokens, 64)
    with torch.inference_mode(), Meter([*weights(part), patches]) as meter:
        part(patches, grid)
    found = meter.peak - sum(weight.nbytes for weight in weights(part))
    assert spec.peak([grid] * views, 4, eager=False) == pytest.approx(found, rel=0.15), meter.worst


def test_refuses_numbers_that_name_no_picture():
    part, features = Latents(FLAMINGO), torch.randn(3, 1, 4, 12)
    with pytest.raises(SaccadeError, match="3 pictures but 2 numbers; give one each"):
        part.resample(features, numbers=[0, 1])
    with pytest.raises(SaccadeError, match="has rows 0 to 5, got picture 6; show fewer pictures"):
        part.resample(features, numbers=range(4, 7))
    with pytest.raises(SaccadeError, match="has rows 0 to 5, got picture -1"):
        part.resample(features, numbers=[0, -1, 1])
    with pytest.raises(SaccadeError, match="7 pictures but 3 numbers"):
        part.resample(torch.randn(7, 1, 4, 12), numbers=range(3))
