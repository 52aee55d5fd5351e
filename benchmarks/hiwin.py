"""How fast LLaVA-UHD v2's projector condenses a picture of seven views, against the published way of doing it.

Run ``python benchmarks/hiwin.py``. The released code does not run here (a compiled kernel, torchvision, bfloat16), so
its way is written out below by what it computes (arXiv:2412.13871), step by step: neighbourhoods unfolded, boxes
sampled one by one, keys and values of every set of queries made anew, slices of unequal size padded and masked. Both
sides have the same random weights, in float32, on the same number of threads; outputs are held to each other, and the
largest difference stands beside the ratio. They take turns, so that what else the machine does meets both.

Rows: the projector with its bilateral pyramid; that pyramid alone; the projector over the free, bilinear one.
"""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors.hiwin import Hiwin
from saccade.core.grid import Grid
from saccade.specs.connectors.hiwin import HiwinSpec, levels_of
from saccade.specs.connectors.windows import places

SLICE, OVERVIEW = Grid(29, 19), Grid(24, 24)
"""Of a square picture: six slices in two rows, then the overview."""
EQUAL = 1e-4
"""Largest difference that is still rounding, as a share of the largest output."""

Maps = Sequence[Tensor]


def doubled(part: nn.Module, maps: Tensor, pixels: Tensor, kernel: int = 7) -> Tensor:
    """One step of the pyramid, maps as channels rows cols; a kernel's taps are unfolded and added up one by one."""
    weights, radius = dict(part.named_parameters()), kernel // 2
    views, _, rows, cols = maps.shape
    guide = F.adaptive_avg_pool2d(pixels, (2 * rows, 2 * cols))

    def two(x: Tensor, name: str) -> Tensor:
        inner = F.gelu(F.conv2d(x, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"]))
        return F.conv2d(inner, weights[f"{name}.3.weight"], weights[f"{name}.3.bias"])

    told = two(guide, "range_proj")
    around = F.unfold(F.pad(told, [radius] * 4, mode="reflect"), kernel)
    around = around.view(views, told.shape[1], kernel**2, 2 * rows, 2 * cols)
    warm = weights["range_temp"].exp().clamp(1e-4, 1e4)
    kernels = (warm * torch.einsum("bcphw,bchw->bphw", around, told)).softmax(dim=1)
    line = torch.linspace(-1, 1, kernel)
    apart = line[:, None] ** 2 + line**2
    kernels = kernels * torch.exp(-apart / (2 * weights["sigma_spatial"] ** 2)).view(1, -1, 1, 1)
    kernels = kernels / kernels.sum(dim=1, keepdim=True).clamp_min(1e-7)
    kernels = kernels + 0.1 * two(torch.cat([kernels, guide], dim=1), "fixup_proj")
    fine = F.interpolate(maps, size=(2 * rows, 2 * cols), mode="bicubic", align_corners=False)
    fine = F.pad(fine, [radius] * 4, mode="reflect")
    made = torch.zeros(views, maps.shape[1], 2 * rows, 2 * cols)
    for i in range(kernel):
        for j in range(kernel):
            made += kernels[:, i * kernel + j, None] * fine[:, :, i : i + 2 * rows, j : j + 2 * cols]
    return made


def pyramid(part: Hiwin, maps: Tensor, pixels: Tensor) -> list[Tensor]:
    """The levels that are read, of views of one size."""
    assert part.upsampler is not None
    levels = {1: maps}
    for step in range(1, part.spec.steps + 1):
        levels[2**step] = doubled(part.upsampler.get_submodule(f"up{step}"), levels[2 ** (step - 1)], pixels)
    weights, finest = dict(part.upsampler.fixup_proj.named_parameters()), max(levels)
    fixed = F.conv2d(levels[finest], weights["1.weight"], weights["1.bias"])
    levels[finest] = levels[finest] + 0.1 * fixed
    return [levels[level] for level in part.spec.levels]


def samples(start: float, extent: float, count: int, cells: int) -> tuple[Tensor, Tensor, Tensor, int]:
    """Along an axis of one box: cells below and above each sample, the share of the one above, samples a place."""
    step = max(extent, 1.0) / count
    many = math.ceil(step - 1e-6)
    at = start + (torch.arange(count * many) + 0.5) * step / many
    inside = (at <= cells).float()
    low = at.clamp(0).int().clamp(max=cells - 1)
    above = torch.where(low < cells - 1, at - low, torch.zeros(()))
    return torch.stack([low, (low + 1).clamp(max=cells - 1)]), above, inside, many


def windows(maps: Tensor, side: int) -> Tensor:
    """RoIAlign box by box: (views · windows) × places × width."""
    views, width, rows, cols = maps.shape
    shape, made = places(Grid(rows, cols)), []
    for i in range(side):
        (top, bottom), dy, real_y, many_y = samples(i * rows / side, rows / side, shape.rows, rows)
        for j in range(side):
            (left, right), dx, real_x, many_x = samples(j * cols / side, cols / side, shape.cols, cols)
            upper = maps[:, :, top][..., left] * (1 - dx) + maps[:, :, top][..., right] * dx
            lower = maps[:, :, bottom][..., left] * (1 - dx) + maps[:, :, bottom][..., right] * dx
            found = (upper * (1 - dy)[:, None] + lower * dy[:, None]) * real_y[:, None] * real_x
            cut = found.view(views, width, shape.rows, many_y, shape.cols, many_x).mean(dim=(3, 5))
            made.append(cut.flatten(2).transpose(1, 2))
    return torch.stack(made, dim=1).flatten(0, 1)


def read(part: Hiwin, maps: Maps) -> tuple[Tensor, Tensor]:
    """Keys and values of views of one size."""
    side, keys, values = part.spec.side, [], []
    for level, one in zip(part.spec.levels, maps, strict=True):
        value = part.ln_kv(part.get_submodule(f"features_{level}x_projector")(one.permute(0, 2, 3, 1)))
        table = part.pos_embed.T.reshape(1, -1, side, side)
        placed = F.interpolate(table, size=value.shape[1:3], mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
        key = value + placed + part.get_parameter(f"feature_{level}x_embedding")[:, None]
        keys.append(windows(key.permute(0, 3, 1, 2), side))
        values.append(windows(value.permute(0, 3, 1, 2), side))
    return torch.cat(keys, dim=1), torch.cat(values, dim=1)


def condense(part: Hiwin, groups: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Groups of unequal numbers of keys padded and masked, four sets of queries in turn by the same attention."""
    longest = max(keys.shape[1] for keys, _ in groups)
    hidden = torch.cat([(torch.arange(longest) >= keys.shape[1]).expand(len(keys), -1) for keys, _ in groups])
    keys, values = (
        torch.cat([F.pad(pair[place], (0, 0, 0, longest - pair[place].shape[1])) for pair in groups])
        for place in (0, 1)
    )
    queries, sets = part.spec.queries, []
    views = len(keys) // queries
    for number in range(1, part.spec.sets + 1):
        asked = part.ln_q(part.get_parameter(f"query_{number}")) + part.pos_embed
        found, _ = part.attn(asked.repeat(views, 1)[:, None], keys, values, key_padding_mask=hidden)
        sets.append(part.ln_proj(found[:, 0].view(views, queries, -1)))
    return part.ln_post(part.cat_proj(torch.cat(sets, dim=2))) @ part.proj


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


def rows(spec: HiwinSpec, slices: int, repeats: int) -> None:
    """With the bilateral pyramid, that pyramid alone, and with the free one."""
    label, views = f"levels {', '.join(map(str, spec.levels))}", [(SLICE, slices), (OVERVIEW, 1)]
    grids = [grid for grid, _ in views]
    patches = [torch.randn(many, grid.tokens, spec.width_in) for grid, many in views]
    pixels = [torch.randn(many, 3, 14 * grid.rows, 14 * grid.cols) for grid, many in views]
    planes = [
        one.transpose(1, 2).unflatten(2, (grid.rows, grid.cols)) for one, grid in zip(patches, grids, strict=True)
    ]
    laid = [one.unflatten(1, (grid.rows, grid.cols)) for one, grid in zip(patches, grids, strict=True)]
    part = shaken(spec)

    def literal() -> Tensor:
        return condense(part, [read(part, pyramid(part, *pair)) for pair in zip(planes, pixels, strict=True)])

    def ours() -> Tensor:
        return torch.cat([part(*three) for three in zip(patches, grids, pixels, strict=True)])

    race(f"{label}: projector with its pyramid", literal, ours, repeats)

    def their_pyramid() -> Tensor:
        made = [pyramid(part, *pair)[-1] for pair in zip(planes, pixels, strict=True)]
        return torch.cat([one.permute(0, 2, 3, 1).flatten() for one in made])

    def our_pyramid() -> Tensor:
        assert part.upsampler is not None
        made = [part.upsampler(*pair)[spec.levels[-1]] for pair in zip(laid, pixels, strict=True)]
        return torch.cat([one.flatten() for one in made])

    race(f"{label}: the pyramid alone", their_pyramid, our_pyramid, repeats)
    free = shaken(replace(spec, pyramid="bilinear"))

    def enlarged(maps: Tensor) -> list[Tensor]:
        return [
            maps if level == 1 else F.interpolate(maps, scale_factor=level, mode="bilinear") for level in spec.levels
        ]

    def literal_free() -> Tensor:
        return condense(free, [read(free, enlarged(maps)) for maps in planes])

    def ours_free() -> Tensor:
        return torch.cat([free(*pair) for pair in zip(patches, grids, strict=True)])

    race(f"{label}: projector without it", literal_free, ours_free, repeats)


def shaken(spec: HiwinSpec) -> Hiwin:
    """Random weights, also where an initialisation has zeros."""
    part = Hiwin(spec).eval()
    for weight in part.parameters():
        weight.add_(0.02 * torch.randn_like(weight))
    return part


@torch.inference_mode()
def main(
    repeats: int = 3, threads: int = 2, width: int = 4096, slices: int = 6, seed: int = 0, mask: int | None = None
) -> None:
    """Print the table.

    Args:
        repeats: Turns of each row, one more that is not counted.
        threads: Threads of torch.
        width: Of the language model; 4096 as Vicuna-7B's takes 6 GB.
        slices: Beside the overview.
        seed: Of weights and patches.
        mask: ``feature_scale_mask`` of one set of levels, both 5 and 7 unless given.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    spec = HiwinSpec(width_in=1024, width_out=width, heads=width // 128)
    print(f"{threads} threads, float32 on both sides, {slices} slices of {SLICE} patches and an overview of {OVERVIEW}")
    print(f"  seconds, medians of {repeats}; theirs / ours by the clock and by CPU time; largest difference")
    print(f"  {'':<44}{'theirs':>9}{'ours':>9}{'ratio':>8}{'CPU':>8}{'difference':>11}")
    for levels in ((1, 4), (1, 2, 4)) if mask is None else (levels_of(mask),):
        rows(replace(spec, levels=levels), slices, repeats)


if __name__ == "__main__":
    tyro.cli(main)
