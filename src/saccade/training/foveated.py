"""The foveated reader's stage: where to look for a question, and to answer from what is seen there.

aim     the patches in the middle of a question's evidence are worth looking at: their share of all worth, as a loss
answer  cross-entropy of the answers' tokens, behind a picture that is seen sharply around one patch

Every question has a picture of its own, since it is seen for that question. Half of the looks are where the evidence
is, the others where the choice itself would look, so that answers are learned from looks that miss as well. A question
of gist has no place: it is answered from anywhere.
"""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors.foveal import Foveal
from saccade.core.grid import Grid
from saccade.core.view import View
from saccade.language.hub import Decoder
from saccade.training.answers import ReaderInTraining, scored, some, worth
from saccade.training.compute import device_in
from saccade.training.features import FeatureImage, TrainingQuestion
from saccade.training.sequences import assemble

QUESTIONS = 5
"""Questions a picture and step, at most."""
FIRST = 1
"""What the tokenizer puts in front of a question when it is asked."""


@final
class FovealJob:
    """Trains a route's foveal connector before the frozen ``language``."""

    def __init__(self, language: Decoder, route: ReaderInTraining, *, batch: int, seed: int = 0) -> None:
        assert isinstance(route.connector, Foveal)
        self.language, self.route, self.connector = language, route, route.connector
        self.batch, self.seed = batch, seed

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """The connector, the choice of where to look with it."""
        return {"connector": self.connector}

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Both terms."""
        device = device_in(self.connector)
        rng, bank = np.random.default_rng([self.seed, step]), self.route.bank
        size = min(self.batch, len(bank.pictures))
        chosen = rng.choice(len(bank.pictures), size=size, replace=False, p=worth(bank))
        drawn = [bank.pictures[int(index)] for index in chosen]
        asked = [(place, one) for place, seen in enumerate(drawn) for one in some(seen.asked, rng, QUESTIONS)]
        of, questions = torch.tensor([place for place, _ in asked], device=device), [one for _, one in asked]
        pictures = [drawn[place] for place, _ in asked]
        (grid,) = bank.features
        patches = bank.features[grid][[picture.rows[0][1] for picture in drawn]].to(device).float()
        words, real = (part.to(device) for part in padded([one.question for one in questions]))
        scores = self.connector.aim(patches, grid, words, real, of).float()
        there = evidence(pictures, questions, grid).to(device)
        has = there.any(dim=1)
        worthy = scores[has].masked_fill(~there[has], -torch.inf)
        missed = torch.logsumexp(scores[has], dim=1) - torch.logsumexp(worthy, dim=1)
        told = torch.from_numpy(rng.random(len(asked)) < 0.5).to(device) & has
        looked = torch.where(told, there.int().argmax(dim=1), scores.detach().argmax(dim=1))
        tokens = self.connector(patches[of], grid, looked[:, None])
        batch = assemble(self.route.spec, pictures, [[one] for one in questions])
        answers = F.cross_entropy(*scored(self.language, batch, [[one] for one in tokens]))
        return {"answer": answers, "aim": missed.sum() / max(1, len(missed))}


def padded(
    questions: Sequence[Sequence[int]],
) -> tuple[Int[Tensor, "questions length"], Bool[Tensor, "questions length"]]:
    """Ids as the choice reads them, padded on the right, and which of them are real."""
    rows = [torch.tensor([FIRST, *ids]) for ids in questions]
    real = [torch.ones(len(row), dtype=torch.bool) for row in rows]
    pad = nn.utils.rnn.pad_sequence
    return pad(rows, batch_first=True), pad(real, batch_first=True)


def evidence(
    pictures: Sequence[FeatureImage], questions: Sequence[TrainingQuestion], grid: Grid
) -> Bool[Tensor, "questions patches"]:
    """The patches around the middle of what each question of detail asks for; none for one of gist."""
    found = torch.zeros(len(questions), grid.rows, grid.cols, dtype=torch.bool)
    for row, (picture, one) in enumerate(zip(pictures, questions, strict=True)):
        if np.isfinite(one.height):
            for place in _middles(picture.layout.views[0], one, grid):
                found[(row, *place)] = True
    return found.flatten(1)


def _middles(view: View, one: TrainingQuestion, grid: Grid) -> list[tuple[slice, slice]]:
    """Two patches a side in the middle of every box of evidence, fewer of a small one."""
    places = []
    for box in one.evidence:
        at = view.to_view(box)
        if at is None:
            continue
        x, y = (middle / side for middle, side in zip(at.center, (view.size.width, view.size.height), strict=True))

        def around(share: float, count: int) -> slice:
            first = min(max(round(share * count) - 1, 0), count - 2)
            return slice(first, first + 2)

        places.append((around(y, grid.rows), around(x, grid.cols)))
    return places
