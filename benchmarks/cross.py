"""Decoding through gated cross-attention: keys and values of the pictures kept, against made anew for every token.

One block of each published shape reads one more token after a prompt with 1, 5 and 33 pictures of 64 latents. The
peers project all pictures at every step, as their code does: OpenFlamingo's block is written out here by its formula,
IDEFICS's is transformers' own class. Equal weights, equal outputs (the largest difference is printed), float32, medians
of interleaved runs. One bfloat16 row a shape stands apart, with its error. The time to make the keys once is a column.

    python benchmarks/cross.py [--repeats 15] [--threads 2]
"""

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from transformers import IdeficsConfig
from transformers.models.idefics.modeling_idefics import IdeficsGatedCrossAttentionLayer

from saccade.fusion.cross import Cross, Crossing, GatedCross
from saccade.specs.language.cross import CrossSpec

LATENTS = 64
PICTURES = (1, 5, 33)


def open_flamingo(width: int) -> CrossSpec:
    """OpenFlamingo's block over a language model of ``width``."""
    return CrossSpec(width=width, source=1024, depth=1, heads=8, head=64, middle=4 * width)


SHAPES = {
    "OpenFlamingo, MPT-1B": open_flamingo(2048),
    "OpenFlamingo, MPT-7B": open_flamingo(4096),
    "IDEFICS-9b": CrossSpec(
        width=4096, source=1280, depth=1, heads=32, head=128, middle=11_008, act="silu", norm="rms", eps=1e-6,
        qk_norm=True, idle="fed",
    ),
}  # fmt: skip
Step = Callable[[Tensor], Tensor]


def literal(block: GatedCross, media: Tensor, pictures: int) -> Step:
    """OpenFlamingo's step by its formula: every picture's keys and values made, all but the last picture's masked."""
    spec = block.spec
    hidden = torch.ones(pictures * LATENTS, dtype=torch.bool)
    hidden[-LATENTS:] = False

    def step(x: Tensor) -> Tensor:
        query = block.to_q(block.norm(x)).unflatten(-1, (spec.heads, -1)).transpose(1, 2) * spec.head**-0.5
        keys, values = block.to_kv(media).chunk(2, dim=-1)
        keys, values = (half.unflatten(-1, (spec.heads, -1)).transpose(1, 2) for half in (keys, values))
        scores = (query @ keys.transpose(-1, -2)).masked_fill(hidden, torch.finfo(x.dtype).min)
        scores = scores - scores.amax(dim=-1, keepdim=True).detach()
        read = block.to_out((scores.softmax(dim=-1) @ values).transpose(1, 2).flatten(2))
        x = x + block.gate_attention.tanh() * read
        return x + block.gate_feed.tanh() * block.narrow(F.gelu(block.widen(block.norm_feed(x))))

    return step


def idefics(block: GatedCross, media: Tensor, pictures: int) -> Step:
    """The block of transformers with the same weights."""
    spec = block.spec
    config = IdeficsConfig(
        hidden_size=spec.width,
        intermediate_size=spec.middle,
        num_attention_heads=spec.heads,
        qk_layer_norms=True,
        vision_config={"embed_dim": spec.source},
    )
    config._attn_implementation = "sdpa"
    peer = IdeficsGatedCrossAttentionLayer(config, layer_idx=0).eval()
    keys, values = block.to_kv.weight.chunk(2)
    peer.load_state_dict(
        {
            "alpha_cross_attn": block.gate_attention,
            "alpha_dense": block.gate_feed,
            "cross_attn.q_proj.weight": block.to_q.weight,
            "cross_attn.k_proj.weight": keys,
            "cross_attn.v_proj.weight": values,
            "cross_attn.o_proj.weight": block.to_out.weight,
            "cross_attn.q_layer_norm.weight": block.norm_q.weight,
            "cross_attn.k_layer_norm.weight": block.norm_k.weight,
            "input_layernorm.weight": block.norm.weight,
            "post_attention_layernorm.weight": block.norm_feed.weight,
            "mlp.gate_proj.weight": block.widen.weight,
            "mlp.up_proj.weight": block.side.weight,
            "mlp.down_proj.weight": block.narrow.weight,
        }
    )
    mask = torch.full((1, 1, 1, pictures * LATENTS), torch.finfo(media.dtype).min)
    mask[..., -LATENTS:] = 0
    gate = torch.ones(1, 1)
    return lambda x: peer(x, None, media, image_attention_mask=mask, cross_attention_gate=gate)


def kept(cross: Cross, media: Tensor, pictures: int) -> Crossing:
    """Keys and values as they stay after the prompt."""
    looking = torch.full((1, 1), pictures - 1)
    crossing = cross([list(media[0].split(LATENTS))], looking)
    assert crossing is not None
    return crossing.after()


def timed(runs: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median milliseconds of each, run in turns."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats + 2):
        for run, times in zip(runs, taken, strict=True):
            start = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - start))
    return [median(times[2:]) for times in taken]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    columns = ("block", "pictures", "anew, ms", "kept, ms", "ratio", "attention alone", "difference", "keys once, ms")
    table = Table(*columns, title=f"one token, {options.threads} threads, medians of {options.repeats}")
    for name, spec in SHAPES.items():
        torch.manual_seed(0)
        cross = Cross(spec).eval()
        block = cross.each[0]
        torch.nn.init.normal_(block.gate_attention)
        torch.nn.init.normal_(block.gate_feed)
        x = torch.randn(1, 1, spec.width)
        for pictures in PICTURES:
            table.add_row(name, *_row(cross, x, pictures, options.repeats))
        table.add_row(*_half(name, cross, x, options.repeats), end_section=True)
    Console(width=140).print(table)


@torch.inference_mode()
def _row(cross: Cross, x: Tensor, pictures: int, repeats: int) -> tuple[str, ...]:
    """Both ways through a block; and the attention alone, which is what the pictures cost."""
    block, spec = cross.each[0], cross.spec
    media = torch.randn(1, pictures * LATENTS, spec.source)
    crossing = kept(cross, media, pictures)
    peer = (idefics if spec.act == "silu" else literal)(block, media, pictures)
    ours = crossing.before()[0]
    difference = float((ours(x) - peer(x)).abs().max())
    assert difference < 1e-3, difference
    anew, once, whole = timed([lambda: peer(x), lambda: kept(cross, media, pictures), lambda: ours(x)], repeats)
    keys, values = crossing.made[0]
    query = torch.randn(1, spec.heads, 1, spec.head)

    def projected() -> Tensor:
        made = block.project(media)
        return F.scaled_dot_product_attention(query, made[0][:, :, -LATENTS:], made[1][:, :, -LATENTS:])

    loose, tight = timed([projected, lambda: F.scaled_dot_product_attention(query, keys, values)], repeats)
    alone = f"{loose:.2f} → {tight:.2f} ms"
    return (
        str(pictures),
        f"{anew:.2f}",
        f"{whole:.2f}",
        f"{anew / whole:.1f} ×",
        alone,
        f"{difference:.0e}",
        f"{once:.2f}",
    )


@torch.inference_mode()
def _half(name: str, cross: Cross, x: Tensor, repeats: int) -> tuple[str, ...]:
    """The kept way in bfloat16 against itself in float32, 33 pictures."""
    media = torch.randn(1, PICTURES[-1] * LATENTS, cross.spec.source)
    full = kept(cross, media, PICTURES[-1])
    right = full.before()[0](x)
    (plain,) = timed([lambda: full.before()[0](x)], repeats)
    cross = cross.bfloat16()
    half = kept(cross, media.bfloat16(), PICTURES[-1])
    small = x.bfloat16()
    (ours,) = timed([lambda: half.before()[0](small)], repeats)
    error = float((half.before()[0](small).float() - right).abs().max() / right.abs().max())
    told = f"{plain:.2f} (float32)"
    return (
        f"{name}, bfloat16",
        str(PICTURES[-1]),
        told,
        f"{ours:.2f}",
        f"{plain / ours:.1f} ×",
        "–",
        f"{error:.1%}",
        "–",
    )


if __name__ == "__main__":
    main()
