"""Perceiver IO as a classifier of handwritten digits: every pixel an input, ten classes an answer.

The digits are scikit-learn's 1,797 of 8 × 8 pixels, in their order: different people wrote the last ones, which are
tested on. In training a digit is moved by up to a pixel, so that a place is not all that is learned.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.architectures.perceiver.inputs_spec import FourierSpec, PixelInputSpec
from saccade.architectures.perceiver.io import PictureClassifier
from saccade.architectures.perceiver.io_spec import PerceiverIOSpec
from saccade.core.errors import SaccadeError
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec
from saccade.training.loop import Report, Schedule, run

SIDE, CLASSES = 8, 10
TESTED = 597
"""How many of the last digits are tested on."""


@dataclass(frozen=True, kw_only=True)
class DigitsRecipe:
    """One model for every one of ``seeds``: ``latents`` of ``width`` channels, ``layers`` that run ``rounds`` times."""

    seeds: tuple[int, ...] = (0, 1, 2)
    schedule: Schedule
    latents: int = 16
    width: int = 64
    heads: int = 4
    bands: int = 4
    rounds: int = 2
    layers: int = 2

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SaccadeError(f"a recipe of digits needs different seeds, got {list(self.seeds)}")

    @property
    def spec(self) -> PerceiverIOSpec:
        """Pixels with Fourier features, latents whose rounds share weights, one query."""
        inputs = PixelInputSpec(places=FourierSpec(bands=self.bands, resolution=(SIDE, SIDE)), channels=1)
        read = AttendSpec(width=self.width, source=inputs.width, heads=1, qk=self.width)
        layer = AttendSpec(width=self.width, heads=self.heads)
        block = AttendSpec(width=self.width, source=self.width)
        return PerceiverIOSpec(
            inputs=inputs,
            encoder=PerceiverSpec(latents=self.latents, read=read, layer=layer, blocks=self.rounds, layers=self.layers),
            decoder=DecodeSpec(latents=self.latents, block=block, out=CLASSES),
        )


@final
@dataclass(frozen=True, slots=True)
class Digits:
    """Pictures from -1 to 1, and what they show."""

    pixels: Float[Tensor, "digits 1 rows cols"]
    labels: Int[Tensor, " digits"]


def digits() -> tuple[Digits, Digits]:
    """Those to train on and those to test on. Raises SaccadeError where scikit-learn, which brings them, is not."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise SaccadeError("the digits come with scikit-learn: pip install scikit-learn") from error
    flat, target = load_digits(return_X_y=True)
    pixels = torch.from_numpy(np.asarray(flat, dtype=np.float32)).view(-1, 1, SIDE, SIDE) / 8 - 1
    labels = torch.from_numpy(np.asarray(target, dtype=np.int64))
    return Digits(pixels[:-TESTED], labels[:-TESTED]), Digits(pixels[-TESTED:], labels[-TESTED:])


@final
class DigitsJob:
    """Trains ``model`` to tell ``data``."""

    def __init__(self, model: PictureClassifier, data: Digits, *, batch: int, seed: int) -> None:
        self.model, self.data, self.batch, self.seed = model, data, batch, seed

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """The whole model."""
        return {"model": self.model}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy of ten classes."""
        pixels, labels = self.drawn(step)
        return {"digit": F.cross_entropy(self.model(pixels), labels)}

    def drawn(self, step: int) -> tuple[Float[Tensor, "batch 1 rows cols"], Int[Tensor, " batch"]]:
        """The digits of a step, all moved alike."""
        draw = torch.Generator().manual_seed(1_000_003 * self.seed + step)
        index = torch.randint(len(self.data.labels), (self.batch,), generator=draw)
        down, right = torch.randint(3, (2,), generator=draw).tolist()
        wide = F.pad(self.data.pixels[index], (1, 1, 1, 1), value=-1.0)
        return wide[..., down : down + SIDE, right : right + SIDE], self.data.labels[index]


def train_digits(
    recipe: DigitsRecipe, data: Digits, folder: Path, tell: Callable[[str, int], Report]
) -> dict[int, PictureClassifier]:
    """A model for every seed; resumes from what lies in ``folder``."""
    made = {}
    for seed in recipe.seeds:
        torch.manual_seed(seed)
        model = PictureClassifier(recipe.spec)
        job = DigitsJob(model, data, batch=recipe.schedule.batch, seed=seed)
        report = tell(f"digits-{seed}", recipe.schedule.steps)
        run(job, recipe.schedule, checkpoint=folder / f"digits-{seed}.pt", report=report)
        made[seed] = model.eval()
    return made
