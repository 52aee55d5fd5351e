"""Perceiver IO at ImageNet's size against transformers' class: the look at all pixels, and the whole model.

The look: 512 latents of 1,024 channels over 50,176 inputs of 261, batch 1, equal weights. The peer is transformers'
``PerceiverLayer``, which the encoder begins with. The whole: ``PerceiverForImageClassificationFourier`` on a picture of
224 px, transformers' semantics here too, so that both are the same function. Outputs are held to each other. Float32
against float32, medians of runs in turns, wall clock and the process's own CPU time.

    python benchmarks/perceiver.py [--repeats 9] [--threads 2]
"""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from transformers import PerceiverConfig, PerceiverForImageClassificationFourier

from saccade.architectures.perceiver.checkpoint import MODELS, Published
from saccade.architectures.perceiver.io import PictureClassifier

CONFIG: dict[str, Any] = {
    "num_latents": 512, "d_latents": 1024, "num_blocks": 8, "num_self_attends_per_block": 6, "d_model": 261,
    "num_self_attention_heads": 8, "num_cross_attention_heads": 1, "num_labels": 1000,
}  # fmt: skip
"""That of deepmind/vision-perceiver-fourier."""


def timed(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Median milliseconds of each, by the clock and of the processor, in turns after one run that is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            start, busy = time.perf_counter(), time.process_time()
            run()
            taken[name].append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - busy)))
    return {
        name: (median(one for one, _ in rows[1:]), median(one for _, one in rows[1:])) for name, rows in taken.items()
    }


def pair() -> tuple[nn.Module, PictureClassifier]:
    """Theirs and ours, weights drawn once and off their first values."""
    torch.manual_seed(0)
    config: Any = PerceiverConfig(**CONFIG)
    theirs = cast(nn.Module, PerceiverForImageClassificationFourier(config)).eval()
    ours, names = MODELS["PerceiverForImageClassificationFourier"](Published(config, "hf", Path()))
    assert isinstance(ours, PictureClassifier)
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    states = theirs.state_dict()
    ours.load_state_dict({
        name: states[other] if isinstance(other, str) else torch.cat([states[one] for one in other])
        for name, other in names.items()
    })  # fmt: skip
    return theirs, ours.eval()


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    theirs, ours = pair()
    pixels = torch.randn(1, 3, 224, 224)
    tokens = ours.io.inputs(pixels)
    latents, read = ours.io.encoder.latents[None], ours.io.encoder.reads[0]
    layer = theirs.get_submodule("perceiver.encoder.cross_attention")
    works: dict[str, dict[str, Callable[[], torch.Tensor]]] = {
        "the look, 512 × 50,176 × 261": {
            "theirs": lambda: layer(latents, inputs=tokens)[0],
            "ours": lambda: read(latents, tokens),
        },
        "the whole Fourier model, 224 px": {
            "theirs": lambda: theirs(inputs=pixels).logits,
            "ours": lambda: ours(pixels),
        },
    }
    title = f"{options.threads} threads, float32, batch 1, medians of {options.repeats}"
    table = Table("what", "peer, ms", "ours, ms", "ratio", "peer, CPU", "ours, CPU", "ratio", "difference", title=title)
    for name, runs in works.items():
        right, found = (runs[side]() for side in ("theirs", "ours"))
        apart = float((right - found).abs().max())
        assert apart <= 1e-4 * (1 + float(right.abs().max())), apart
        (wall, busy), (own, mine) = timed(runs, options.repeats).values()
        table.add_row(
            name, f"{wall:.0f}", f"{own:.0f}", f"{wall / own:.2f} ×",
            f"{busy:.0f}", f"{mine:.0f}", f"{busy / mine:.2f} ×", f"{apart:.0e} of {float(right.abs().max()):.1f}",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
