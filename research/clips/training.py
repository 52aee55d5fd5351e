"""Training the shared latents on generated clips, whole and in parts, and one part alone for comparison.

source  which of twelve it is: cross-entropy, over clips all of whose parts are of one source
match   whether they are: cross-entropy of two classes, over clips of which two parts or more are there

One model learns from everything: a third of its clips are whole, the others have one or two of the three parts, so
that it can be asked with any of them. The others learn from one part alone on the same number of steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.nn import functional as F

from research.clips.model import Clips, Unified
from research.clips.spec import UnifiedSpec
from research.clips.tasks import PARTS, Part, clip
from saccade.core.errors import SaccadeError
from saccade.training.loop import Report, Schedule, run

SUBSETS: tuple[tuple[int, ...], ...] = ((0, 1, 2),) * 3 + ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""What is there of a clip that the model for everything learns from, drawn evenly."""


@dataclass(frozen=True, kw_only=True)
class ClipsRecipe:
    """``clips`` are drawn for training; every one of ``seeds`` trains its own models."""

    seeds: tuple[int, ...] = (0, 1, 2)
    clips: int
    schedule: Schedule
    spec: UnifiedSpec = field(default_factory=UnifiedSpec)

    def __post_init__(self) -> None:
        if self.clips < 1 or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SaccadeError(
                f"a recipe of clips needs 1 clip or more and different seeds, got {self.clips} and {list(self.seeds)}"
            )


@final
@dataclass(frozen=True, slots=True)
class ClipBank:
    """Clips as tensors, each with its source and whether all its parts are of it."""

    clips: Clips
    source: Int[Tensor, " batch"]
    whole: Bool[Tensor, " batch"]

    def take(self, index: Int[Tensor, " rows"], there: Bool[Tensor, "rows 3"]) -> "ClipBank":
        """These of them, of which these parts are there."""
        clips = self.clips
        taken = Clips(clips.pictures[index], clips.sounds[index], clips.texts[index], there)
        return ClipBank(taken, self.source[index], self.whole[index])


def bank(split: str, count: int, letters: int) -> ClipBank:
    """The first ``count`` clips of a split, everything there."""
    made = [clip(split, number) for number in range(count)]
    texts = [list(one.text.encode().ljust(letters, b"\0")) for one in made]
    return ClipBank(
        Clips(
            torch.from_numpy(np.stack([one.picture for one in made])),
            torch.from_numpy(np.stack([one.sound for one in made])),
            torch.tensor(texts),
            torch.ones(count, len(PARTS), dtype=torch.bool),
        ),
        torch.tensor([one.source for one in made]),
        torch.tensor([one.odd is None for one in made]),
    )


@final
class ClipsJob:
    """Trains ``model`` on ``part`` alone, or on everything."""

    def __init__(self, model: Unified, data: ClipBank, *, batch: int, seed: int, part: Part | None = None) -> None:
        self.model, self.data, self.batch, self.seed, self.part = model, data, batch, seed, part

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """The whole model."""
        return {"model": self.model}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """The two terms; the second is left out where one part alone is learned from, which cannot tell."""
        taken = self.drawn(step)
        sources, matches = self.model(taken.clips)
        several = taken.clips.there.sum(dim=1) > 1
        terms = {"source": F.cross_entropy(sources[taken.whole], taken.source[taken.whole])}
        if self.part is None:
            terms["match"] = F.cross_entropy(matches[several], taken.whole[several].long())
        return terms

    def drawn(self, step: int) -> ClipBank:
        """The clips of a step. The first is whole and of one source, so that both terms have something to learn."""
        draw = torch.Generator().manual_seed(1_000_003 * self.seed + step)
        index = torch.randint(len(self.data.source), (self.batch,), generator=draw)
        index[0] = self.data.whole.nonzero()[step % int(self.data.whole.sum()), 0]
        chosen = torch.randint(len(SUBSETS), (self.batch,), generator=draw)
        chosen[0] = 0
        subsets = (
            [SUBSETS[int(one)] for one in chosen] if self.part is None else [(PARTS.index(self.part),)] * self.batch
        )
        return self.data.take(index, torch.tensor([[part in one for part in range(len(PARTS))] for one in subsets]))


def train_clips(
    recipe: ClipsRecipe, folder: Path, tell: Callable[[str, int], Report], parts: Sequence[Part | None] = (None, *PARTS)
) -> dict[tuple[Part | None, int], Unified]:
    """One model for everything (None) and one a part, for every seed; resumes from what lies in ``folder``."""
    data = bank("train", recipe.clips, recipe.spec.letters)
    made = {}
    for seed in recipe.seeds:
        for part in parts:
            torch.manual_seed(seed)
            model, name = Unified(recipe.spec), f"{part or 'all'}-{seed}"
            job = ClipsJob(model, data, batch=recipe.schedule.batch, seed=seed, part=part)
            steps = recipe.schedule.steps
            run(job, recipe.schedule, checkpoint=folder / f"clips-{name}.pt", report=tell(name, steps))
            made[part, seed] = model.eval()
    return made
