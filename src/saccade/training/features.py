"""Features of a frozen tower, computed once: connectors and language models then train in minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from saccade.core.box import Box
from saccade.core.grid import Grid
from saccade.core.view import Layout
from saccade.runtime.encoded import pixels_of
from saccade.specs.reader import ReaderSpec
from saccade.tasks.exam import BenchmarkImage, Question
from saccade.training.compute import device_in
from saccade.training.loop import Report
from saccade.views.sample import normalise

CHUNK = 32
"""Pictures whose views go through the tower together."""


@dataclass(frozen=True, slots=True)
class TrainingQuestion:
    """One question as ids: what stands after the picture, and the answer with its end marker.

    ``height`` is that of the print to be read, in pixels of the view that shows it best; infinite where
    nothing is read, 0 where every view cuts it. ``evidence`` are the source boxes that hold the answer.
    """

    question: tuple[int, ...]
    answer: tuple[int, ...]
    kind: str
    height: float
    evidence: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureImage:
    """One picture: its layout, the place of each view's features in the bank, and what is asked."""

    layout: Layout
    rows: tuple[tuple[Grid, int], ...]
    asked: tuple[TrainingQuestion, ...]


@runtime_checkable
class DrawnImage(BenchmarkImage, Protocol):
    """A picture that is drawn when it is looked at."""

    def forget(self) -> None:
        """Give back the drawing's memory."""
        ...


@dataclass(frozen=True, eq=False)
class Bank:
    """Pictures and, per grid, their views' features: ``views patches width`` in half precision."""

    pictures: tuple[FeatureImage, ...]
    features: dict[Grid, Tensor]


def fill(
    tower: nn.Module,
    path: ReaderSpec,
    tokenizer: PreTrainedTokenizerBase,
    scenes: Sequence[DrawnImage],
    *,
    report: Report | None = None,
    stored: Path | None = None,
) -> Bank:
    """Run the tower over generated pictures, as ``path`` looks at them. Features are stored on the CPU.

    With ``stored``, features are kept in that file and read from it the next time.
    """
    pictures, filled = [], dict[Grid, int]()
    for scene in scenes:
        layout = path.views.layout(scene.size)
        rows = []
        for grid in path.grids(layout):
            rows.append((grid, filled.setdefault(grid, 0)))
            filled[grid] += 1
        pictures.append(FeatureImage(layout, tuple(rows), ask(scene, layout, tokenizer, path.template)))
        scene.forget()
    if stored is not None and stored.exists():
        kept = load_file(stored)
        return Bank(tuple(pictures), {grid: kept[str(grid)] for grid in filled})
    features = _look(tower, path, scenes, pictures, filled, report)
    if stored is not None:
        save_file({str(grid): made for grid, made in features.items()}, stored)
    return Bank(tuple(pictures), features)


@torch.inference_mode()
def _look(
    tower: nn.Module,
    path: ReaderSpec,
    scenes: Sequence[DrawnImage],
    pictures: Sequence[FeatureImage],
    sizes: Mapping[Grid, int],
    report: Report | None,
) -> dict[Grid, Tensor]:
    """Features of all views, in half precision, each at the place that its picture names."""
    width, device = path.tower.width, device_in(tower)
    features = {grid: torch.empty(count, grid.tokens, width, dtype=torch.float16) for grid, count in sizes.items()}
    for start in range(0, len(scenes), CHUNK):
        waiting: dict[Grid, list[tuple[int, np.ndarray]]] = {}
        for scene, picture in zip(scenes[start : start + CHUNK], pictures[start : start + CHUNK], strict=True):
            arrays = pixels_of(path, scene.image(), picture.layout)
            for (grid, row), array in zip(picture.rows, arrays, strict=True):
                waiting.setdefault(grid, []).append((row, array))
            scene.forget()
        for grid, members in waiting.items():
            rows, arrays = zip(*members, strict=True)
            features[grid][list(rows)] = tower(normalise(arrays, path.mean, path.std).to(device)).half().cpu()
        if report is not None:
            report(min(start + CHUNK, len(scenes)), {})
    return features


def ask(
    scene: DrawnImage, layout: Layout, tokenizer: PreTrainedTokenizerBase, template: str
) -> tuple[TrainingQuestion, ...]:
    """All questions of a picture as ids."""
    after = template.split("<image>")[1]
    end = tokenizer("</s>", add_special_tokens=False)["input_ids"]
    made = []
    for question in scene.questions:
        ids = tokenizer(after.replace("{question}", question.text), add_special_tokens=False)["input_ids"]
        reply = tokenizer(question.answers[0], add_special_tokens=False)["input_ids"]
        height = seen_height(question, layout) if question.glyph else inf
        made.append(TrainingQuestion(tuple(ids), (*reply, *end), question.kind, height, question.evidence))
    return tuple(made)


def seen_height(question: Question, layout: Layout) -> float:
    """Height of a question's print, in pixels, in the view that shows all of it largest; 0 where none does."""
    best = 0.0
    for view in layout.views:
        shown = [view.to_view(box) for box in question.evidence]
        x, y = view.scale
        if all(
            at is not None and at.area > 0.98 * box.area * x * y
            for at, box in zip(shown, question.evidence, strict=True)
        ):
            best = max(best, question.glyph * min(x, y))
    return best
