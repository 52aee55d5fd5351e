"""Results and looks that no model made, in the shapes that real ones have."""

import numpy as np

from saccade.core.box import Box
from saccade.core.grid import Grid, Groups
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.evaluation.results import (
    Change,
    Changes,
    Environment,
    ExamFacts,
    Fidelity,
    Flops,
    Milliseconds,
    Results,
    Row,
    Score,
)
from saccade.evaluation.shown import ShownImage, ShownLook
from saccade.specs.groups import blocks, everything, identity
from saccade.specs.layouts.slices import ArxivSliceSpec
from saccade.specs.layouts.tiles import TileSpec
from saccade.tasks.scenes import Scenes

READERS = [
    ("llava", 256.0, 0.955, 0.985, "exact"),
    ("shuffle-64", 64.0, 0.93, 0.98, "exact"),
    ("pool-16", 16.0, 0.48, 0.965, "faithful"),
    ("pool-4", 4.0, 0.21, 0.93, "faithful"),
    ("resampler-16", 16.0, 0.55, 0.95, "faithful"),
    ("resampler-4", 4.0, 0.24, 0.90, "faithful"),
    ("llava-uhd", 112.4, 0.965, 0.975, "faithful"),
    ("idefics", 320.0, 0.97, 0.98, "survey"),
]
BASELINES = [
    ("resize", {64: (0.71, 0.97), 16: (0.34, 0.93), 4: (0.14, 0.80)}),
    ("random", {64: (0.42, 0.96), 16: (0.22, 0.91), 4: (0.12, 0.77)}),
    ("uniform", {64: (0.46, 0.965), 16: (0.24, 0.92), 4: (0.13, 0.79)}),
]


def score(accuracy: float, n: int = 400, half: float | None = 0.02) -> Score:
    correct = round(accuracy * n)
    exact = correct / n
    ends = None if half is None else (max(0.0, exact - half), min(1.0, exact + half))
    return Score(n, correct, exact, ends)


def row(
    reader: str = "llava",
    tokens: float = 256.0,
    detail: float | None = 0.9,
    gist: float | None = 0.98,
    *,
    policy: str = "once",
    budget: int | None = None,
    own: float | None = None,
    fidelity: Fidelity = "exact",
    half: float | None = 0.02,
) -> Row:
    scores = [None if value is None else score(value, half=half) for value in (detail, gist, own)]
    ends = None if half is None else (-0.03, 0.01)
    kinds = {"digit": score(0.9), "code (resolvable)": score(0.8), "background": score(0.99)}
    return Row(
        reader=reader,
        policy=policy,
        budget=budget,
        seed=0,
        visual_tokens=tokens,
        tokens=tokens + 20,
        slots=tokens + 2,
        detail=scores[0],
        gist=scores[1],
        own=scores[2],
        kinds=kinds,
        flops=Flops(2.1e8 + 2.4e6 * tokens, 2.1e8 + 2.4e6 * tokens),
        ms=Milliseconds(3.1 + 0.03 * tokens, 4.2 + 0.05 * tokens),
        bytes=8_000_000 + round(9000 * tokens),
        params=1_873_408,
        fidelity=fidelity,
        trained=f"{reader} was aligned on the frozen tower for 4,000 steps.",
        difference=Changes(*(None if found is None else Change(found.accuracy - 0.95, ends) for found in scores)),
        device="cpu",
        dtype="float32",
    )


def results(*rows: Row, reference: str = "llava") -> Results:
    return Results(
        exam=ExamFacts("scenes/1 test 0:200", 200, 1304, 6.0),
        reference=reference,
        recipe="9f2c1d7a3e5b" + "0" * 52,
        environment=Environment("3.11.7", "2.13.0", "5.14.1", "13.0.0", "0.1.0", 2, "x86_64"),
        rows=rows or full(),
        seconds=87.3,
    )


def full() -> tuple[Row, ...]:
    """Eight readers, and three baselines at three budgets for two readers."""
    made = [row(name, tokens, detail, gist, fidelity=mark) for name, tokens, detail, gist, mark in READERS]
    for policy, budgets in BASELINES:
        for budget, (detail, gist) in budgets.items():
            made.append(row("llava", float(budget), detail, gist, policy=policy, budget=budget))
            better = (min(0.99, detail + 0.12), min(0.99, gist + 0.03))
            made.append(row("llava-elastic", float(budget), *better, policy=policy, budget=budget))
    return tuple(made)


def seen(
    name: str, layout: Layout, groups: list[Groups], exact: bool = True, answer: str = "7", right: bool = True
) -> ShownLook:
    """A look with 16 px patches."""
    grids = [view.grid(16) for view in layout.views]
    firsts = np.cumsum([0, *(grid.tokens for grid in grids)])
    joined = [first + part for first, parts in zip(firsts[:-1], groups, strict=True) for part in parts]
    ledger = Ledger.of(layout.size, layout.views, grids).merge(joined, exact=exact)
    return ShownLook(name, answer, right, layout, ledger, len(ledger), len(ledger) + 2)


def whole(size: Size, side: int = 256) -> Layout:
    return Layout(size, (View(Box.of(size), Size(side, side)),))


def looks(size: Size, answer: str, wrong: str) -> tuple[ShownLook, ...]:
    """What eight readers might have seen of one picture."""
    rng, one, grid = np.random.default_rng(3), whole(size), Grid(16, 16)
    cut, tiles = ArxivSliceSpec(side=128, patch=16).layout(size), TileSpec(tile=128, longest_edge=256).layout(size)
    everywhere = [everything(view.grid(16).tokens, 16) for view in cut.views]
    folded = [blocks(view.grid(16), 4, 4) for view in tiles.views]
    kept: Groups = [np.asarray([place]) for place in sorted(rng.choice(256, 64, replace=False).tolist())]
    labels = np.arange(256).reshape(16, 16) // 3 % 40
    ragged: Groups = [np.flatnonzero(labels.ravel() == label) for label in range(40)]
    return (
        seen("llava", one, [identity(256)], answer=answer),
        seen("idefics", tiles, folded, answer=answer),
        seen("llava-uhd", cut, everywhere, exact=False, answer=answer),
        seen("shuffle-64", one, [blocks(grid, 8, 8)], answer=answer),
        seen("pool-16", one, [blocks(grid, 4, 4)], answer=wrong, right=False),
        seen("resampler-16", one, [everything(256, 16)], exact=False, answer=wrong, right=False),
        seen("llava random 64", one, [kept], answer=wrong, right=False),
        seen("llava resize 64", whole(size, 128), [identity(64)], answer=wrong, right=False),
        seen("merge-40", one, [ragged], answer=answer),
    )


def shown(count: int = 3) -> list[ShownImage]:
    """Generated pictures with a question each, detail and gist in turn."""
    found = []
    for place, scene in enumerate(Scenes("test", count, first=4)):
        question = scene.questions[0 if place % 3 != 2 else -1]
        found.append(ShownImage(scene.name, scene.image(), question, looks(scene.size, question.answers[0], "K4")))
    return found
