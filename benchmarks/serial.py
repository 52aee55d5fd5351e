"""How fast SAM's encoder and DeepSeek-OCR's two towers read a page of 1024 px, against what others run.

Run ``python benchmarks/serial.py``. SAM's encoder meets transformers' class. The released code of DeepSeek-OCR does not
import here, so its way is written out below by what it computes (arXiv:2510.18234): the bias of all heads laid out
at once, queries, keys and values copied into shape, CLIP's layers one after the other. Both sides have the same random
weights, in float32, on the same number of threads; outputs are held to each other. They take turns, so that what else
the machine does meets both.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median

import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SamVisionConfig, SamVisionModel

from saccade.architectures.deepseek_ocr.reader import HELD, deepseek_ocr_3b
from saccade.nn.sam import Sam
from saccade.specs.towers.serial import SerialSpec
from saccade.towers.serial import SerialTower

EQUAL = 1e-4
"""Largest difference that is still rounding, as a share of the largest output."""
NAMES = (
    ("vision_encoder.", ""), ("layers.", "blocks."), ("patch_embed.projection", "patch_embed.proj"),
    ("neck.conv1", "neck.0"), ("neck.layer_norm1", "neck.1"), ("neck.conv2", "neck.2"), ("neck.layer_norm2", "neck.3"),
    ("layer_norm", "norm"),
)  # fmt: skip
"""transformers' names of SAM's weights, and ours."""

Weights = Mapping[str, Tensor]


def attend(w: Weights, at: str, x: Tensor, heads: int) -> Tensor:
    """A batch of squares, each place looking at all of its own."""
    views, side, _, width = x.shape
    mixed = F.linear(x, w[f"{at}qkv.weight"], w[f"{at}qkv.bias"]).reshape(views, side * side, 3, heads, -1)
    q, k, v = mixed.permute(2, 0, 3, 1, 4).reshape(3, views * heads, side * side, -1).unbind(0)
    place = torch.arange(side)
    apart = place[:, None] - place + side - 1
    down, across = w[f"{at}rel_pos_h"][apart], w[f"{at}rel_pos_w"][apart]
    square = q.reshape(views * heads, side, side, -1)
    rows = torch.einsum("bhwc,hkc->bhwk", square, down).reshape(views, heads, side * side, side, 1)
    cols = torch.einsum("bhwc,wkc->bhwk", square, across).reshape(views, heads, side * side, 1, side)
    q, k, v = (part.view(views, heads, side * side, -1) for part in (q, k, v))
    bias = (rows + cols).view(views, heads, side * side, side * side)
    seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    seen = seen.view(views, heads, side, side, -1).permute(0, 2, 3, 1, 4).reshape(views, side, side, width)
    return F.linear(seen, w[f"{at}proj.weight"], w[f"{at}proj.bias"])


def windows(w: Weights, at: str, x: Tensor, heads: int, side: int) -> Tensor:
    """Cut into windows, filled up with zeros, and put together again."""
    views, rows, cols, width = x.shape
    x = F.pad(x, (0, 0, 0, -cols % side, 0, -rows % side))
    down, across = x.shape[1] // side, x.shape[2] // side
    cut = x.view(views, down, side, across, side, width).permute(0, 1, 3, 2, 4, 5).contiguous()
    seen = attend(w, at, cut.view(-1, side, side, width), heads).view(views, down, across, side, side, width)
    whole = seen.permute(0, 1, 3, 2, 4, 5).contiguous().view(views, down * side, across * side, width)
    return whole[:, :rows, :cols].contiguous()


def normed(w: Weights, at: str, x: Tensor, eps: float) -> Tensor:
    """A layer norm over the last axis."""
    return F.layer_norm(x, x.shape[-1:], w[f"{at}weight"], w[f"{at}bias"], eps)


def planes_normed(w: Weights, at: str, x: Tensor) -> Tensor:
    """A layer norm over channels, spelt out."""
    mean = x.mean(1, keepdim=True)
    spread = (x - mean).pow(2).mean(1, keepdim=True)
    return w[f"{at}weight"][:, None, None] * ((x - mean) / torch.sqrt(spread + 1e-6)) + w[f"{at}bias"][:, None, None]


def sam(w: Weights, pixels: Tensor, spec: SerialSpec) -> Tensor:
    """Pixels to the map behind the two convolutions, at the size that the tables were made for."""
    x = F.conv2d(pixels, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=spec.sam.patch)
    x = x.permute(0, 2, 3, 1) + w["pos_embed"]
    for number in range(spec.sam.depth):
        at = f"blocks.{number}."
        inner, heads = normed(w, f"{at}norm1.", x, 1e-6), spec.sam.heads
        full = number in spec.sam.full
        x = x + (
            attend(w, f"{at}attn.", inner, heads)
            if full
            else windows(w, f"{at}attn.", inner, heads, spec.sam.window)
        )  # fmt: skip
        inner = F.linear(normed(w, f"{at}norm2.", x, 1e-6), w[f"{at}mlp.lin1.weight"], w[f"{at}mlp.lin1.bias"])
        x = x + F.linear(F.gelu(inner), w[f"{at}mlp.lin2.weight"], w[f"{at}mlp.lin2.bias"])
    x = planes_normed(w, "neck.1.", F.conv2d(x.permute(0, 3, 1, 2), w["neck.0.weight"]))
    x = planes_normed(w, "neck.3.", F.conv2d(x, w["neck.2.weight"], padding=1))
    x = F.conv2d(x, w["net_2.weight"], stride=2, padding=1)
    return F.conv2d(x, w["net_3.weight"], stride=2, padding=1)


def clip(w: Weights, tokens: Tensor, spec: SerialSpec) -> Tensor:
    """CLIP's layers over the map, at the size that its table was made for."""
    lead = w["class_embedding"].expand(len(tokens), 1, -1)
    x = torch.cat([lead, tokens], dim=1) + w["position_embedding"]
    x = normed(w, "pre_layrnorm.", x, 1e-5)
    for number in range(spec.second.depth):
        at = f"layers.{number}."
        inner = normed(w, f"{at}layer_norm1.", x, 1e-5)
        mixed = F.linear(inner, w[f"{at}self_attn.qkv_proj.weight"], w[f"{at}self_attn.qkv_proj.bias"])
        mixed = mixed.view(*x.shape[:2], 3, spec.second.heads, -1)
        q, k, v = (part.squeeze(2).permute(0, 2, 1, 3) for part in mixed.split(1, dim=2))
        seen = F.scaled_dot_product_attention(q, k, v).permute(0, 2, 1, 3).reshape(x.shape)
        x = x + F.linear(seen, w[f"{at}self_attn.out_proj.weight"], w[f"{at}self_attn.out_proj.bias"])
        inner = F.linear(normed(w, f"{at}layer_norm2.", x, 1e-5), w[f"{at}mlp.fc1.weight"], w[f"{at}mlp.fc1.bias"])
        x = x + F.linear(inner * torch.sigmoid(1.702 * inner), w[f"{at}mlp.fc2.weight"], w[f"{at}mlp.fc2.bias"])
    return x[:, 1:]


def race(title: str, theirs: Callable[[], Tensor], ours: Callable[[], Tensor], repeats: int) -> None:
    """Both in turn; one row of the table."""
    spent: tuple[list[float], list[float]] = ([], [])
    worked: tuple[list[float], list[float]] = ([], [])
    worst = 0.0
    for turn in range(repeats + 1):
        found: dict[int, Tensor] = {}
        for side in (0, 1) if turn % 2 else (1, 0):
            begun, busy = time.perf_counter(), time.process_time()
            found[side] = (theirs, ours)[side]()
            if turn:  # the first is not counted
                spent[side].append(time.perf_counter() - begun)
                worked[side].append(time.process_time() - busy)
        worst = max(worst, float((found[0] - found[1]).abs().max() / found[0].abs().max()))
        if worst > EQUAL:
            sys.exit(f"{title}: outputs differ by {worst:.1e} of the largest, so there is no ratio to tell")
    them, us = (median(times) for times in spent)
    work = median(worked[0]) / median(worked[1])
    print(f"  {title:<44}{them:9.2f}{us:9.2f}{them / us:8.2f}{work:8.2f}{worst:11.1e}")


def shaken(part: nn.Module) -> nn.Module:
    """Random weights, also where an initialisation has zeros."""
    for weight in part.parameters():
        weight.add_(0.02 * torch.randn_like(weight))
    return part.eval()


@torch.inference_mode()
def main(repeats: int = 2, threads: int = 2, seed: int = 0, held: int = HELD) -> None:
    """Print the table.

    Args:
        repeats: Turns of each row, one more that is not counted.
        threads: Threads of torch.
        seed: Of weights and pixels.
        held: Numbers of bias that our layers hold at once.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    spec = deepseek_ocr_3b().tower
    assert isinstance(spec, SerialSpec)
    spec = replace(spec, sam=replace(spec.sam, held=held))
    pixels = torch.randn(1, 3, spec.sam.side, spec.sam.side)
    print(f"{threads} threads, float32 on both sides, one view of {spec.sam.side} px")
    print(f"  seconds, medians of {repeats}; theirs / ours by the clock and by CPU time; largest difference")
    print(f"  {'':<44}{'theirs':>9}{'ours':>9}{'ratio':>8}{'CPU':>8}{'difference':>11}")
    model, ours = shaken(SamVisionModel(SamVisionConfig())), Sam(spec.sam).eval()
    held_by = model.state_dict()
    for old, new in NAMES:
        held_by = {name.replace(old, new): tensor for name, tensor in held_by.items()}
    ours.load_state_dict(held_by, strict=False)  # the convolutions behind the encoder are not theirs
    race("SAM-B, against transformers", lambda: model(pixels).last_hidden_state, lambda: ours.encode(pixels), repeats)
    del model, ours
    tower = shaken(SerialTower(spec))
    assert isinstance(tower, SerialTower)
    first, second = tower.sam.state_dict(), tower.second.state_dict()

    def literal() -> Tensor:
        tokens = sam(first, pixels, spec).flatten(2).permute(0, 2, 1)
        return torch.cat([clip(second, tokens, spec), tokens], dim=-1)

    race("SAM-B, convolutions and CLIP-L, as published", literal, lambda: tower(pixels), repeats)


if __name__ == "__main__":
    tyro.cli(main)
