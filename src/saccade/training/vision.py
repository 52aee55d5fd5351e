"""The vision stage: the tower learns from dense labels to see print, markers and the gist.

Views are of several shapes, since slices, tiles and smaller pictures come later: the whole picture in
its frame, or a part of it. Source of the idea that dense labels start what answers alone do not:
trials recorded in ``docs/log.md``.
"""

import math
from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.core.box import Box
from saccade.core.size import Size
from saccade.core.view import View
from saccade.specs.layouts.resize import PadSpec
from saccade.tasks.scenes import Scene
from saccade.towers.stem import StemTower
from saccade.training.compute import device_in
from saccade.training.dense import HEADS, IGNORED, label
from saccade.training.loop import Schedule
from saccade.views.sample import normalise, sample

SQUARES, SLICES, SMALL = (
    ((16, 16),),
    ((20, 12), (12, 20), (18, 14), (14, 18), (13, 19), (19, 13)),
    ((11, 11), (8, 8), (6, 6), (4, 4)),
)
GRIDS = SQUARES * 12 + SLICES + SMALL
"""Columns × rows of the views of a batch, each as likely as it stands here."""
GREY = (127, 127, 127)
HALF = (0.5, 0.5, 0.5)


@final
class VisionJob:
    """Trains ``tower`` and its read-outs. Picture numbers never repeat within a run."""

    def __init__(self, tower: StemTower, schedule: Schedule, seed: int = 0) -> None:
        self.tower, self.batch, self.seed = tower, schedule.batch, seed
        self.heads = nn.ModuleDict({name: nn.Linear(tower.spec.width, head.classes) for name, head in HEADS.items()})

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """The tower, and read-outs that are thrown away afterwards."""
        return {"tower": self.tower, "heads": self.heads}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy per head over the patches that its label applies to, times the head's weight."""
        device = device_in(self.tower)
        pixels, drawn = self.draw(step)
        labels = {name: classes.to(device) for name, classes in drawn.items()}
        patches = self.tower(pixels.to(device))
        terms = {}
        for name, head in HEADS.items():
            there = labels[name] != IGNORED
            if bool(there.any()):
                terms[name] = head.weight * F.cross_entropy(
                    self.heads[name](patches[there]).float(), labels[name][there]
                )
        return terms

    def draw(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The batch of a step: pixels ``batch 3 height width`` and labels ``batch patches``."""
        rng = np.random.default_rng([self.seed, step])
        cols, rows = GRIDS[int(rng.integers(len(GRIDS)))]
        size = Size(cols * self.tower.spec.patch, rows * self.tower.spec.patch)
        arrays, labels = [], []
        for index in range(step * self.batch, (step + 1) * self.batch):
            scene = Scene("train", index)
            view = random_view(scene.size, size, rng)
            arrays.append(sample(scene.image(), view, colour=GREY))
            labels.append(label(scene, view, self.tower.spec.patch))
        stacked = {name: torch.from_numpy(np.stack([one[name] for one in labels])).flatten(1) for name in HEADS}
        return normalise(arrays, HALF, HALF), stacked


def random_view(picture: Size, size: Size, rng: np.random.Generator) -> View:
    """The whole picture in its frame (small views always, squares mostly, other shapes seldom), or a part of it."""
    square = size.width == size.height
    if (square and size.width < 128) or rng.random() < (0.7 if square else 0.2):
        return PadSpec(size=size).layout(picture).views[0]
    aspect = size.aspect * math.exp(rng.uniform(-0.25, 0.25))
    width = min(picture.width, max(8.0, rng.uniform(0.35, 1.0) * picture.width))
    height = width / aspect
    if height > picture.height:
        width, height = min(picture.width, picture.height * aspect), float(picture.height)
    left, top = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
    return View(Box(left, top, left + width, top + height), size, "slice")
