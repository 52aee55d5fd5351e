"""LLaVA-UHD's two windowed connectors by their formulas, number by number, on weights under their published names.

Written from what the released code computes (arXiv:2403.11703, arXiv:2412.13871), with nothing of saccade in it: loops
where saccade multiplies matrices. Slow on purpose.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]
CANDIDATES = [(4, 2), (3, 2), (4, 3), (3, 3), (2, 4), (2, 3), (3, 4)]


def boxes(rows: int, cols: int, side: int) -> list[list[tuple[float, float, float, float]]]:
    """Left, top, right and bottom of every window: the map's area over the windows, in the map's own shape."""
    tall = math.sqrt(rows * cols / side**2 / (cols / rows))
    wide = tall * (cols / rows)
    return [[(j * wide, i * tall, j * wide + wide, i * tall + tall) for j in range(side)] for i in range(side)]


def pooled(rows: int, cols: int) -> tuple[int, int]:
    """Places of a window, down and across: the first candidate that is nearest in log-aspect."""
    best, error = (3, 3), math.inf
    for wide, tall in CANDIDATES:
        off = abs(math.log(cols / rows) - math.log(wide / tall))
        if off < error:
            best, error = (tall, wide), off
    return best


def bilinear_at(values: Tensor, y: np.float32, x: np.float32) -> Tensor:
    """One sample of a map (width rows cols): nothing more than a cell outside, clamped between."""
    _, rows, cols = values.shape
    if y < -1 or y > rows or x < -1 or x > cols:
        return torch.zeros(len(values))
    y, x = max(y, np.float32(0)), max(x, np.float32(0))
    top, left = int(y), int(x)
    if top >= rows - 1:
        top = bottom = rows - 1
        y = np.float32(top)
    else:
        bottom = top + 1
    if left >= cols - 1:
        left = right = cols - 1
        x = np.float32(left)
    else:
        right = left + 1
    dy, dx = float(y - np.float32(top)), float(x - np.float32(left))
    upper = (1 - dx) * values[:, top, left] + dx * values[:, top, right]
    lower = (1 - dx) * values[:, bottom, left] + dx * values[:, bottom, right]
    return (1 - dy) * upper + dy * lower


def roi_align(values: Tensor, box: tuple[float, float, float, float], shape: tuple[int, int]) -> Tensor:
    """torchvision's RoIAlign of one box, its defaults: width × places down × places across."""
    left, top, right, bottom = (np.float32(edge) for edge in box)
    tall, wide = max(bottom - top, np.float32(1)), max(right - left, np.float32(1))
    bin_y, bin_x = tall / np.float32(shape[0]), wide / np.float32(shape[1])
    many_y, many_x = math.ceil(tall / np.float32(shape[0])), math.ceil(wide / np.float32(shape[1]))
    half = np.float32(0.5)
    made = []
    for p in range(shape[0]):
        for q in range(shape[1]):
            samples = []
            for i in range(many_y):
                y = top + np.float32(p) * bin_y + (np.float32(i) + half) * bin_y / np.float32(many_y)
                for j in range(many_x):
                    x = left + np.float32(q) * bin_x + (np.float32(j) + half) * bin_x / np.float32(many_x)
                    samples.append(bilinear_at(values, y, x))
            made.append(torch.stack(samples).sum(dim=0) / (many_y * many_x))
    return torch.stack(made, dim=1).unflatten(1, shape)


def cut(values: Tensor, side: int) -> Tensor:
    """Every window of a map (rows cols width): windows × places × width."""
    rows, cols, _ = values.shape
    shape = pooled(rows, cols)
    planes = values.permute(2, 0, 1)
    return torch.stack([roi_align(planes, box, shape).flatten(1).T for line in boxes(rows, cols, side) for box in line])


def position(row: float, col: float, width: int) -> list[float]:
    """First half of the channels from the column, second from the row; each [sin | cos], base 10000."""
    rates = [10000 ** (-index / (width // 4)) for index in range(width // 4)]
    return [wave(place * rate) for place in (col, row) for wave in (math.sin, math.cos) for rate in rates]


def table(side: int, width: int) -> Tensor:
    """The stored positions of the queries."""
    return torch.tensor([position(row, col, width) for row in range(side) for col in range(side)])


def resized(stored: Tensor, rows: int, cols: int) -> Tensor:
    side = math.isqrt(len(stored))
    planes = stored.reshape(side, side, -1).permute(2, 0, 1)[None]
    return F.interpolate(planes, (rows, cols), mode="bicubic", align_corners=False)[0].permute(1, 2, 0)


def norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attend(
    query: Tensor, key: Tensor, value: Tensor, weights: Weights, heads: int, real: Tensor | None = None
) -> Tensor:
    """One query over a few keys; those that are not ``real`` are seen by nobody."""
    width = query.shape[-1]
    matrices = weights["attn.in_proj_weight"].split(width)
    shifts = weights["attn.in_proj_bias"].split(width)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), matrices, shifts, strict=True))
    read = []
    for head in range(heads):
        at = slice(head * width // heads, (head + 1) * width // heads)
        scores = k[:, at] @ q[at] / math.sqrt(width // heads)
        if real is not None:
            scores = scores.masked_fill(~real, -math.inf)
        read.append(scores.softmax(dim=0) @ v[:, at])
    return torch.cat(read) @ weights["attn.out_proj.weight"].T + weights["attn.out_proj.bias"]


def uhd_144(weights: Weights, patches: Tensor, rows: int, cols: int, heads: int) -> Tensor:
    """One view (patches × channels) to one token a query."""
    stored, width = weights["pos_embed"], weights["proj"].shape[0]
    side = math.isqrt(len(stored))
    values = norm(patches @ weights["kv_proj.weight"].T, weights, "ln_kv").reshape(rows, cols, width)
    keys, values = cut(values + resized(stored, rows, cols), side), cut(values, side)
    queries = norm(weights["query"], weights, "ln_q") + stored
    read = [attend(*one, weights, heads) for one in zip(queries, keys, values, strict=True)]
    return norm(torch.stack(read), weights, "ln_post") @ weights["proj"]


def mirrored(place: int, cells: int) -> int:
    while not 0 <= place < cells:
        place = -place if place < 0 else 2 * (cells - 1) - place
    return place


def two(x: Tensor, weights: Weights, name: str) -> Tensor:
    """A 1 × 1 convolution, GELU, another one, at one place."""
    inner = x @ weights[f"{name}.0.weight"][:, :, 0, 0].T + weights[f"{name}.0.bias"]
    return F.gelu(inner) @ weights[f"{name}.3.weight"][:, :, 0, 0].T + weights[f"{name}.3.bias"]


def doubled(values: Tensor, pixels: Tensor, weights: Weights, name: str) -> Tensor:
    """One step of the bilateral pyramid: a map (rows cols width) and pixels (3 height width), place by place."""
    rows, cols = 2 * values.shape[0], 2 * values.shape[1]
    guide = F.adaptive_avg_pool2d(pixels, (rows, cols)).permute(1, 2, 0)
    told = two(guide, weights, f"{name}.range_proj")
    fine = F.interpolate(values.permute(2, 0, 1)[None], (rows, cols), mode="bicubic", align_corners=False)[0]
    warm = float(weights[f"{name}.range_temp"].exp().clamp(1e-4, 1e4))
    sigma = float(weights[f"{name}.sigma_spatial"])
    near = [math.exp(-((i / 3 - 1) ** 2 + (j / 3 - 1) ** 2) / (2 * sigma**2)) for i in range(7) for j in range(7)]
    made = torch.zeros(rows, cols, values.shape[2])
    for y in range(rows):
        for x in range(cols):
            around = [(mirrored(y + i - 3, rows), mirrored(x + j - 3, cols)) for i in range(7) for j in range(7)]
            alike = torch.stack([warm * (told[at] * told[y, x]).sum() for at in around]).softmax(dim=0)
            kernel = alike * torch.tensor(near)
            kernel = kernel / max(float(kernel.sum()), 1e-7)
            kernel = kernel + 0.1 * two(torch.cat([kernel, guide[y, x]]), weights, f"{name}.fixup_proj")
            made[y, x] = sum(share * fine[:, at[0], at[1]] for share, at in zip(kernel, around, strict=True))
    return made


def pyramid(weights: Weights, values: Tensor, pixels: Tensor, levels: tuple[int, ...]) -> dict[int, Tensor]:
    """The levels asked for, the finest with its last correction."""
    found, level = {1: values}, 1
    while level < max(levels):
        name = f"upsampler.upsampler.up{level.bit_length()}"
        found[2 * level] = doubled(found[level], pixels, weights, name)
        level *= 2
    if level > 1:
        last = "upsampler.upsampler.fixup_proj.1"
        fixed = found[level] @ weights[f"{last}.weight"][:, :, 0, 0].T + weights[f"{last}.bias"]
        found[level] = found[level] + 0.1 * fixed
    return {one: found[one] for one in levels}


def keys_and_values(weights: Weights, levels: Mapping[int, Tensor]) -> tuple[Tensor, Tensor]:
    """Windows × places of all levels × width."""
    stored = weights["pos_embed"]
    side, keys, values = math.isqrt(len(stored)), [], []
    for level, one in levels.items():
        name = f"features_{level}x_projector"
        value = norm(one @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], weights, "ln_kv")
        key = value + resized(stored, *one.shape[:2]) + weights[f"feature_{level}x_embedding"][0, 0]
        keys.append(cut(key, side))
        values.append(cut(value, side))
    return torch.cat(keys, dim=1), torch.cat(values, dim=1)


def condensed(weights: Weights, keys: Tensor, values: Tensor, heads: int, real: Tensor | None = None) -> Tensor:
    """Four query sets by one attention, joined, to one token a query."""
    stored, sets = weights["pos_embed"], []
    for number in (1, 2, 3, 4):
        queries = norm(weights[f"query_{number}"], weights, "ln_q") + stored
        read = [attend(*one, weights, heads, real) for one in zip(queries, keys, values, strict=True)]
        sets.append(norm(torch.stack(read), weights, "ln_proj"))
    joined = torch.cat(sets, dim=-1) @ weights["cat_proj.weight"].T + weights["cat_proj.bias"]
    return norm(joined, weights, "ln_post") @ weights["proj"]


def uhd_v2(
    weights: Weights, patches: Tensor, rows: int, cols: int, pixels: Tensor, heads: int, levels: tuple[int, ...]
) -> Tensor:
    """One view (patches × channels) and its pixels to one token a query."""
    made = pyramid(weights, patches.reshape(rows, cols, -1), pixels, levels)
    return condensed(weights, *keys_and_values(weights, made), heads)


def published(part: torch.nn.Module) -> dict[str, Tensor]:
    """Our state under the published names."""
    return {
        f"upsampler.{name}" if name.startswith("upsampler.") else name: weight.detach()
        for name, weight in part.state_dict().items()
    }
