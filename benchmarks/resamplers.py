"""How fast latents read patches: saccade against transformers' IDEFICS and Idefics2, and OpenFlamingo's algorithm.

Run ``python benchmarks/resamplers.py``. Random weights, the same on both sides, in float32 on the same number of
threads. A ratio is printed only where outputs are equal to rounding; the largest difference stands beside it. The two
sides take turns, so that what else the machine does meets both. OpenFlamingo's package is not needed: its algorithm is
written out below from its formulas, one product for keys and values, as its code has it. Bfloat16 is another number
format and so a row of its own, with its error against float32.
"""

import gc
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median

import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Idefics2Config, IdeficsConfig
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler
from transformers.models.idefics2.modeling_idefics2 import Idefics2PerceiverResampler

from saccade.connectors.latents import Latents
from saccade.specs.connectors.latents import LatentsSpec
from saccade.weights.latents import idefics, idefics2, open_flamingo

OPEN = LatentsSpec(width_in=1024, width_out=1024, middle=4096)
FIRST = LatentsSpec(width_in=1280, width_out=1280, heads=16, head=96, middle=5120, act="relu", qk_norm=True, extra=1)
SECOND = LatentsSpec(
    width_in=4096, width_out=4096, depth=3, heads=16, head=96, kv_heads=4, middle=16_384, act="silu", gated=True,
    norm="rms", eps=1e-6,
)  # fmt: skip
EQUAL = 1e-4
"""Largest difference that is still rounding, as a share of the largest output."""

Run = Callable[[], Tensor]


def literal(weights: Mapping[str, Tensor], spec: LatentsSpec, x: Tensor) -> Tensor:
    """OpenFlamingo's resampler on single stills (views, patches, width), step by step as published."""
    width = (spec.width_in,)

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, width, weights[f"{name}.weight"], weights[f"{name}.bias"])

    z = weights["latents"].repeat(len(x), 1, 1)
    for number in range(spec.depth):
        read, feed = f"layers.{number}.0", f"layers.{number}.1"
        media, own = norm(x, f"{read}.norm_media"), norm(z, f"{read}.norm_latents")
        query = F.linear(own, weights[f"{read}.to_q.weight"])
        key, value = F.linear(torch.cat([media, own], dim=-2), weights[f"{read}.to_kv.weight"]).chunk(2, dim=-1)
        query, key, value = (one.unflatten(-1, (spec.heads, -1)).transpose(1, 2) for one in (query, key, value))
        scores = query * spec.head**-0.5 @ key.transpose(-1, -2)
        scores = scores - scores.amax(dim=-1, keepdim=True).detach()
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        z = F.linear(mixed, weights[f"{read}.to_out.weight"]) + z
        wide = F.gelu(F.linear(norm(z, f"{feed}.0"), weights[f"{feed}.1.weight"]))
        z = F.linear(wide, weights[f"{feed}.3.weight"]) + z
    return norm(z, "norm")


def flamingo_weights(spec: LatentsSpec) -> dict[str, Tensor]:
    """Random weights under OpenFlamingo's names."""
    width, inner, middle = spec.width_in, spec.heads * spec.head, spec.middle
    shapes: dict[str, tuple[int, ...]] = {"latents": (spec.latents, width), "norm.weight": (width,)}
    for number in range(spec.depth):
        read, feed = f"layers.{number}.0", f"layers.{number}.1"
        shapes |= {f"{norm}.weight": (width,) for norm in (f"{read}.norm_media", f"{read}.norm_latents", f"{feed}.0")}
        shapes |= {f"{read}.to_q.weight": (inner, width), f"{read}.to_kv.weight": (2 * inner, width)}
        shapes |= {f"{read}.to_out.weight": (width, inner)}
        shapes |= {f"{feed}.1.weight": (middle, width), f"{feed}.3.weight": (width, middle)}
    made = {name: torch.randn(shape) / math.sqrt(shape[-1]) for name, shape in shapes.items() if len(shape) > 1}
    norms = [name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 1]
    made |= {f"{name}.weight": 1 + 0.1 * torch.randn(width) for name in norms}
    return made | {f"{name}.bias": 0.1 * torch.randn(width) for name in norms}


def ours_of(published: Mapping[str, Tensor], spec: LatentsSpec, names: Mapping[str, str | tuple[str, ...]]) -> Latents:
    """Our module on the other side's own tensors; only joined ones take memory of their own."""
    with torch.device("meta"):
        part = Latents(spec)
    part.load_state_dict(
        {
            ours: published[theirs] if isinstance(theirs, str) else torch.cat([published[name] for name in theirs])
            for ours, theirs in names.items()
        },
        assign=True,
    )
    return part.eval()


def shaken(module: nn.Module) -> nn.Module:
    """Random latents and norms, so that no output equals another."""
    for weight in module.parameters():
        if weight.dim() == 1 or weight.shape[0] == 64:
            weight.add_(0.1 * torch.randn_like(weight))
    return module.eval()


def race(title: str, theirs: Run, ours: Run, seconds: float, *, equal: bool = True) -> None:
    """Both in turn for about ``seconds``; one row of the table."""
    expected, found = theirs().float(), ours().float()
    worst, scale = float((found - expected).abs().max()), float(expected.abs().max())
    if equal and worst > EQUAL * scale:
        sys.exit(f"{title}: outputs differ by {worst:.1e} of {scale:.1f}, so there is no ratio to tell")
    spent: tuple[list[float], list[float]] = ([], [])
    worked: tuple[list[float], list[float]] = ([], [])
    started, turn = time.perf_counter(), 0
    while time.perf_counter() - started < seconds or turn < 8:
        for side in (0, 1) if turn % 2 else (1, 0):
            begun, busy = time.perf_counter(), time.process_time()
            (theirs, ours)[side]()
            spent[side].append(time.perf_counter() - begun)
            worked[side].append(time.process_time() - busy)
        turn += 1
    them, us = (1000 * median(times) for times in spent)
    pairs = median(one / other for one, other in zip(*spent, strict=True))
    work = median(worked[0]) / median(worked[1])
    print(f"  {title:<46}{them:9.1f}{us:9.1f}{them / us:8.2f}{pairs:8.2f}{work:8.2f}{worst / scale:11.1e}{turn:6}")


def flamingo(patches: int, views: int, seconds: float) -> None:
    """OpenFlamingo's algorithm, and ours in bfloat16 against it in float32 and against itself."""
    weights = flamingo_weights(OPEN)
    part = ours_of(weights, OPEN, open_flamingo(weights, OPEN, ""))
    x = torch.randn(views, patches, OPEN.width_in)
    stills = x[:, None]
    race(f"OpenFlamingo, {patches} × 1024, {views} views", lambda: literal(weights, OPEN, x),
         lambda: part.resample(stills), seconds)  # fmt: skip
    exact = part.resample(stills)
    halves = {name: weight.bfloat16() for name, weight in weights.items()}
    small, stills16, x16 = part.bfloat16(), stills.bfloat16(), x.bfloat16()
    race("  … both in bfloat16", lambda: literal(halves, OPEN, x16), lambda: small.resample(stills16), seconds,
         equal=False)  # fmt: skip
    for name, made in (("theirs", literal(halves, OPEN, x16)), ("ours", small.resample(stills16))):
        off = (made.float() - exact).abs()
        print(f"    error of {name} in bfloat16 against float32: {off.max() / exact.abs().max():.1e} at most, "
              f"{off.mean() / exact.abs().mean():.1e} on average")  # fmt: skip


def first(views: int, qk_norm: bool, seconds: float) -> None:
    """IDEFICS' class."""
    spec = replace(FIRST, qk_norm=qk_norm)
    config = IdeficsConfig(
        perceiver_config={"qk_layer_norms_perceiver": qk_norm}, vision_config={"embed_dim": spec.width_in}
    )
    theirs = shaken(IdeficsPerceiverResampler(config, spec.width_in, spec.depth, spec.heads, spec.head, spec.latents))
    state = theirs.state_dict()
    part = ours_of(state, spec, idefics(state, spec, ""))
    x = torch.randn(views, 257, spec.width_in)
    stills, kind = x[:, None], "with" if qk_norm else "without"
    race(f"IDEFICS, 257 × 1280, {views} views, {kind} head norms", lambda: theirs(x), lambda: part.resample(stills),
         seconds)  # fmt: skip


def second(width: int, seconds: float) -> None:
    """Idefics2's class behind its projection, one view padded to 729 features; both sides share their weights."""
    spec = replace(SECOND, width_in=width, width_out=width, middle=4 * width)
    config = Idefics2Config(perceiver_config={"hidden_size": width}, text_config={"hidden_size": width})
    theirs = shaken(Idefics2PerceiverResampler._from_config(config.perceiver_config))
    state = {f"perceiver_resampler.{name}": weight for name, weight in theirs.state_dict().items()}
    part = ours_of(state, spec, idefics2(state, spec, ""))
    x, real = torch.randn(1, 729, width), torch.arange(729)[None] < 600
    stills, seen = x[:, None], real[:, None]
    race(f"Idefics2, 729 × {width}, 1 view, padded", lambda: theirs(x, real), lambda: part.resample(stills, seen),
         seconds)  # fmt: skip


@torch.inference_mode()
def main(seconds: float = 20, threads: int = 2, width: int = 4096, seed: int = 0) -> None:
    """Print the table.

    Args:
        seconds: Time for each row, at least 8 turns.
        threads: Threads of torch.
        width: Of Idefics2's language model; 4096 takes 3 GB.
        seed: Of weights and features.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    print(
        f"{threads} threads; medians in ms; theirs / ours as ratio of medians, as median of the turns' ratios, and "
        "of CPU time"
    )
    print(f"  {'':<46}{'theirs':>9}{'ours':>9}{'ratio':>8}{'turn':>8}{'CPU':>8}{'difference':>11}{'turns':>6}")
    for views in (1, 8):
        for qk_norm in (True, False):
            first(views, qk_norm, seconds)
    for patches in (256, 576):
        for views in (1, 8):
            flamingo(patches, views, seconds)
    gc.collect()
    second(width, seconds)


if __name__ == "__main__":
    tyro.cli(main)
