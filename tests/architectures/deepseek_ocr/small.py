"""DeepSeek-OCR's encoder as its weights are published, written down slowly and literally.

Written from what the released code computes (arXiv:2510.18234), with nothing of saccade in it: windows, heads and rows
one by one, every pair of places with a bias of its own.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]
SAM, CLIP = "model.sam_model.", "model.vision_model."


def stretched(table: Tensor, side: int) -> Tensor:
    """Distances along an axis, linearly resized to another number of places."""
    if len(table) == 2 * side - 1:
        return table
    return F.interpolate(table.T[None], size=2 * side - 1, mode="linear")[0].T


def attend(w: Weights, at: str, x: Tensor, heads: int) -> Tensor:
    """A square of places, each looking at all, head by head."""
    side, width = x.shape[0], x.shape[-1]
    one = width // heads
    q, k, v = F.linear(x.reshape(-1, width), w[f"{at}qkv.weight"], w[f"{at}qkv.bias"]).split(width, dim=1)
    row, col = torch.arange(side).repeat_interleave(side), torch.arange(side).repeat(side)
    down = stretched(w[f"{at}rel_pos_h"], side)[row[:, None] - row + side - 1]
    across = stretched(w[f"{at}rel_pos_w"], side)[col[:, None] - col + side - 1]
    found = []
    for head in range(heads):
        part = slice(head * one, (head + 1) * one)
        scores = q[:, part] @ k[:, part].T / one**0.5
        scores = scores + torch.einsum("qd,qkd->qk", q[:, part], down) + torch.einsum("qd,qkd->qk", q[:, part], across)
        found.append(scores.softmax(dim=1) @ v[:, part])
    return F.linear(torch.cat(found, dim=1), w[f"{at}proj.weight"], w[f"{at}proj.bias"]).view(x.shape)


def windows(w: Weights, at: str, x: Tensor, heads: int, side: int) -> Tensor:
    """Window by window; beyond the edge there are zeros."""
    rows, cols, width = x.shape
    made = torch.zeros(rows, cols, width)
    for top in range(0, rows, side):
        for left in range(0, cols, side):
            cut = torch.zeros(side, side, width)
            here = x[top : top + side, left : left + side]
            cut[: here.shape[0], : here.shape[1]] = here
            made[top : top + side, left : left + side] = attend(w, at, cut, heads)[: here.shape[0], : here.shape[1]]
    return made


def normed(w: Weights, at: str, x: Tensor, eps: float) -> Tensor:
    """A layer norm over the last axis."""
    return F.layer_norm(x, (x.shape[-1],), w[f"{at}weight"], w[f"{at}bias"], eps)


def sam(w: Weights, view: Tensor, *, heads: int, window: int, full: Sequence[int]) -> Tensor:
    """One view, 3 × side × side, to the map behind the two convolutions."""
    patch, depth = (
        w[f"{SAM}patch_embed.proj.weight"].shape[-1],
        1
        + max(int(name.removeprefix(f"{SAM}blocks.").split(".")[0]) for name in w if name.startswith(f"{SAM}blocks.")),
    )
    x = F.conv2d(view[None], w[f"{SAM}patch_embed.proj.weight"], w[f"{SAM}patch_embed.proj.bias"], stride=patch)[0]
    table = w[f"{SAM}pos_embed"].permute(0, 3, 1, 2)
    if table.shape[-1] != x.shape[-1]:
        table = F.interpolate(table, size=x.shape[1:], mode="bicubic", antialias=True, align_corners=False)
    x = (x + table[0]).permute(1, 2, 0)
    for number in range(depth):
        at = f"{SAM}blocks.{number}."
        inner = normed(w, f"{at}norm1.", x, 1e-6)
        looked = attend(w, f"{at}attn.", inner, heads) if number in full else None
        x = x + (windows(w, f"{at}attn.", inner, heads, window) if looked is None else looked)
        inner = F.linear(normed(w, f"{at}norm2.", x, 1e-6), w[f"{at}mlp.lin1.weight"], w[f"{at}mlp.lin1.bias"])
        x = x + F.linear(F.gelu(inner), w[f"{at}mlp.lin2.weight"], w[f"{at}mlp.lin2.bias"])
    planes = F.conv2d(x.permute(2, 0, 1)[None], w[f"{SAM}neck.0.weight"])
    planes = normed(w, f"{SAM}neck.1.", planes.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)
    planes = F.conv2d(planes, w[f"{SAM}neck.2.weight"], padding=1)
    planes = normed(w, f"{SAM}neck.3.", planes.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)
    planes = F.conv2d(planes, w[f"{SAM}net_2.weight"], stride=2, padding=1)
    return F.conv2d(planes, w[f"{SAM}net_3.weight"], stride=2, padding=1)[0]


def clip(w: Weights, tokens: Tensor, *, heads: int) -> Tensor:
    """The tokens of a square map, rows one after the other, through CLIP's layers; its class token is dropped."""
    many, width = tokens.shape
    side, one = int(many**0.5), width // heads
    lead = w[f"{CLIP}embeddings.class_embedding"]
    table = w[f"{CLIP}embeddings.position_embedding.weight"]
    old = int((len(table) - 1) ** 0.5)
    spread = table[1:]
    if old != side:
        planes = spread.T.reshape(1, width, old, old)
        spread = F.interpolate(planes, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
        spread = spread.reshape(width, -1).T
    x = torch.cat([(lead + table[0])[None], tokens + spread])
    x = normed(w, f"{CLIP}pre_layrnorm.", x, 1e-5)
    depth = len({name.split(".")[4] for name in w if name.startswith(f"{CLIP}transformer.layers.")})
    for number in range(depth):
        at = f"{CLIP}transformer.layers.{number}."
        inner = normed(w, f"{at}layer_norm1.", x, 1e-5)
        mixed = F.linear(inner, w[f"{at}self_attn.qkv_proj.weight"], w[f"{at}self_attn.qkv_proj.bias"])
        q, k, v = mixed.split(width, dim=1)
        found = []
        for head in range(heads):
            part = slice(head * one, (head + 1) * one)
            found.append((q[:, part] @ k[:, part].T / one**0.5).softmax(dim=1) @ v[:, part])
        told = torch.cat(found, dim=1)
        x = x + F.linear(told, w[f"{at}self_attn.out_proj.weight"], w[f"{at}self_attn.out_proj.bias"])
        inner = F.linear(normed(w, f"{at}layer_norm2.", x, 1e-5), w[f"{at}mlp.fc1.weight"], w[f"{at}mlp.fc1.bias"])
        x = x + F.linear(inner * torch.sigmoid(1.702 * inner), w[f"{at}mlp.fc2.weight"], w[f"{at}mlp.fc2.bias"])
    return x[1:]


def encoded(w: Weights, view: Tensor, *, heads: int, window: int, full: Sequence[int], clip_heads: int) -> Tensor:
    """Of one view: CLIP's channels, then the convolutions', a row a token."""
    tokens = sam(w, view, heads=heads, window=window, full=full).flatten(1).T
    return torch.cat([clip(w, tokens, heads=clip_heads), tokens], dim=1)


def woven(w: Weights, views: Sequence[Tensor], rows: int, cols: int) -> Tensor:
    """Projected views, tiles first in ``rows`` of ``cols``, the whole last, as the language model reads them."""
    newline, separator = w["model.image_newline"][None], w["model.view_seperator"][None]
    made = []
    *tiles, whole = views
    side = int(len(tiles[0]) ** 0.5) if tiles else 0
    for down in range(rows if tiles else 0):
        for line in range(side):
            for across in range(cols):
                made.append(tiles[down * cols + across][line * side : (line + 1) * side])
            made.append(newline)
    side = int(len(whole) ** 0.5)
    for line in range(side):
        made += [whole[line * side : (line + 1) * side], newline]
    return torch.cat([*made, separator])
