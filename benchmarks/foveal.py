"""How fast a map is pooled around a fixation: by index, against a matrix with a row for each cell.

A 24 × 24 map of 384 channels, square cells of 8 to 1 with radii 6, 10, 16, one view at a time, every fixation in turn,
on one thread, whose processor time is taken. ``matrix`` is the literal form: tokens = W(fixation) · map, with the
matrices made beforehand and kept.
``cells`` is what it takes to lay the cells out, once a fixation; both forms need them. Outputs are held to each other.

    python benchmarks/foveal.py [--repeats 5]
"""

import argparse
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from saccade.connectors.foveal import Pooling
from saccade.core.grid import Grid
from saccade.specs.layouts import cells as geometry
from saccade.specs.layouts.cells import SquareRule

GRID, WIDTH = Grid(24, 24), 384
RULE = SquareRule(radii=(6, 10, 16), root=8)


def matrix(fixation: int) -> Tensor:
    """W: of a row, one over the cell's patches at each of them."""
    cells = RULE.cells(GRID, (fixation,))
    made = torch.zeros(len(cells), GRID.tokens)
    for row, group in enumerate(cells.groups):
        made[row, torch.from_numpy(group)] = 1 / len(group)
    return made


def best(run: Callable[[int], object], repeats: int) -> float:
    """Seconds of the processor a fixation, in the fastest of some rounds over all of them."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        for fixation in range(GRID.tokens):
            run(fixation)
        taken.append((time.process_time() - start) / GRID.tokens)
    return min(taken)


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    torch.manual_seed(0)
    patches = torch.randn(1, GRID.tokens, WIDTH)
    matrices = [matrix(fixation) for fixation in range(GRID.tokens)]
    off = max(float((pooled(patches, at) - matrices[at] @ patches).abs().max()) for at in range(GRID.tokens))
    times = {
        "by index": best(lambda fixation: pooled(patches, fixation), repeats),
        "matrix": best(lambda fixation: matrices[fixation] @ patches, repeats),
        "cells": best(laid_out, 1),
    }
    table = Table(title=f"{GRID} × {WIDTH}, {RULE}; largest difference {off:.1e}")
    for name in ("", "µs a fixation", "fixations a second"):
        table.add_column(name, justify="right" if name else "left")
    for name, taken in times.items():
        table.add_row(name, f"{1e6 * taken:.0f}", f"{1 / taken:,.0f}")
    Console().print(table)


def pooled(patches: Tensor, fixation: int) -> Tensor:
    """Through the kept cells."""
    return Pooling.of([RULE.cells(GRID, (fixation,))]).mean(patches)


def laid_out(fixation: int) -> object:
    """The cells anew, not from what is kept."""
    return geometry._square.__wrapped__(GRID, (fixation,), RULE.radii, RULE.root)


if __name__ == "__main__":
    main()
