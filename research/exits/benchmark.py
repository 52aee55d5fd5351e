"""How much of the operations that exiting saves is saved as time.

A tower of 64 × 64 px pictures with five exits, by chance: thresholds are set so that equally many of the pictures leave
at each, which makes every batch shrink at every exit. Against it the same tower all the way (``whole``), and the same
exits taken without letting anyone leave the batch (``kept``): every layer runs for all, as behind a mask. In turns, on
one thread, whose processor time is taken; medians. Answers of all three are held to each other.

    python -m research.exits.benchmark [--repeats 9] [--batch 64]
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from research.exits.model import ExitClassifier, Exited
from research.exits.spec import NEVER, ExitsSpec
from saccade.core.grid import Grid
from saccade.specs.towers.vit import StemTowerSpec

SIDE, BATCHES = 64, 4
SPEC = ExitsSpec(tower=StemTowerSpec(depth=6, side=SIDE), places=(1, 2, 3, 4, 6))


def even(told: Tensor) -> tuple[float, ...]:
    """Thresholds at which as many leave at each exit as at the next."""
    limits, inside = [], torch.ones(len(told), dtype=torch.bool)
    for number in range(SPEC.exits - 1):
        sure = told[:, number].amax(dim=1)
        limits.append(float(sure[inside].quantile(1 - 1 / (SPEC.exits - number))))
        inside &= sure < limits[-1]
    return tuple(limits)


def kept(model: ExitClassifier, pixels: Tensor, limits: tuple[float, ...]) -> Tensor:
    """Nobody leaves the batch; the shares of the exit that would have been taken."""
    told = model(pixels).softmax(dim=2)
    enough = told[:, :-1].amax(dim=2) >= torch.tensor(limits)
    at = torch.cat([enough, torch.ones(len(told), 1, dtype=torch.bool)], dim=1).int().argmax(dim=1)
    return told[torch.arange(len(told)), at]


def seconds(run: Callable[[Tensor], object], batches: tuple[Tensor, ...]) -> float:
    """Of the processor, for all batches."""
    start = time.process_time()
    for part in batches:
        run(part)
    return time.process_time() - start


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--batch", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = ExitClassifier(SPEC).eval()
    pixels = torch.randn(BATCHES * given.batch, 3, SIDE, SIDE)
    batches = pixels.split(given.batch)
    limits = even(torch.cat([model(part) for part in batches]).softmax(dim=2))
    ways: dict[str, Callable[[Tensor], Exited | Tensor]] = {
        "exits": lambda part: model.infer(part, limits),
        "kept": lambda part: kept(model, part, limits),
        "whole": lambda part: model.infer(part, NEVER),
    }
    left = [model.infer(part, limits) for part in batches]
    off = max(
        float((one.shares - kept(model, part, limits)).abs().max()) for one, part in zip(left, batches, strict=True)
    )
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(given.repeats + 1):
        for way, run in ways.items():
            taken[way].append(seconds(run, batches) / len(pixels))
    times = {way: median(one[1:]) for way, one in taken.items()}
    full = SPEC.cost(Grid(SIDE // 8, SIDE // 8)).flops
    flops = {"exits": float(torch.cat([one.flops for one in left]).double().mean()), "kept": full, "whole": full}
    show(times, flops, f"{SPEC.places}, batches of {given.batch}; largest difference {off:.1e}")


def show(times: dict[str, float], flops: dict[str, float], title: str) -> None:
    """One row a way, against the whole."""
    table = Table(title=title)
    for name in ("", "MFLOPs", "ms", "FLOPs saved", "time saved", "of what it could"):
        table.add_column(name, justify="right" if name else "left")
    for way, taken in times.items():
        less, faster = 1 - flops[way] / flops["whole"], 1 - taken / times["whole"]
        share = f"{100 * faster / less:.0f} %" if less else ""
        table.add_row(
            way, f"{flops[way] / 1e6:.0f}", f"{1e3 * taken:.2f}", f"{100 * less:.1f} %", f"{100 * faster:.1f} %", share
        )
    Console().print(table)


if __name__ == "__main__":
    main()
