"""The language and alignment stages: answers, learned through features of a frozen tower.

One sequence holds a picture once and several questions after it; each question sees the picture and
itself, so vision is paid once for all answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.core.grid import Grid
from saccade.fusion.cross import Cross
from saccade.fusion.splice import splice
from saccade.language.hub import Decoder
from saccade.specs.reader import ReaderSpec
from saccade.training.compute import device_in
from saccade.training.features import Bank, FeatureImage, TrainingQuestion
from saccade.training.sequences import LEARNABLE, TrainingBatch, assemble, draw, episodes

QUESTIONS = 8
"""Questions a picture and step, at most."""


@dataclass(frozen=True, slots=True)
class ReaderInTraining:
    """One reader in training: its spec, its connector, the features that it learns from, and the gated blocks through
    which the language model reads it, where it does.
    """

    spec: ReaderSpec
    connector: nn.Module
    bank: Bank
    cross: Cross | None = None


@final
class AnswerJob:
    """Trains ``parts`` (by name) so that ``language`` answers through each route in turn.

    Route ``step % len(routes)`` makes the step; a route listed twice is trained twice as often. ``thin`` drops a random
    share of the visual tokens in half of the steps (the trained baseline). With ``episodes`` every second step is one
    of several pictures a sequence, in which earlier answers are examples for later ones; ``silent`` are the ids that
    stand for a question there that is not spelt out.
    """

    def __init__(
        self,
        language: Decoder,
        routes: Sequence[ReaderInTraining],
        parts: Mapping[str, nn.Module],
        *,
        batch: int,
        seed: int = 0,
        thin: bool = False,
        episodes: bool = False,
        silent: Sequence[int] = (),
    ) -> None:
        self.language, self.routes, self.parts = language, routes, parts
        self.batch, self.seed, self.thin = batch, seed, thin
        self.episodes, self.silent = episodes, silent

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """What learns; everything else is frozen."""
        return self.parts

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy of the answers' tokens, their end included."""
        rng = np.random.default_rng([self.seed, step])
        if self.episodes and step % 2:
            return {"episode": F.cross_entropy(*self._episodes(self.routes[step // 2 % len(self.routes)], rng))}
        route = self.routes[step % len(self.routes)]
        size = min(self.batch, len(route.bank.pictures))
        chosen = rng.choice(len(route.bank.pictures), size=size, replace=False, p=worth(route.bank))
        pictures = [route.bank.pictures[int(index)] for index in chosen]
        asked = [some(picture.asked, rng) for picture in pictures]
        keep = None
        if self.thin and rng.random() < 0.5:
            keep = [_thinned(sum(route.spec.tokens(picture.layout)), rng) for picture in pictures]
        scores, target = self.scores(route, pictures, asked, keep)
        return {"answer": F.cross_entropy(scores, target)}

    def scores(
        self,
        route: ReaderInTraining,
        pictures: Sequence[FeatureImage],
        asked: Sequence[Sequence[TrainingQuestion]],
        keep: Sequence[np.ndarray] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Scores and right tokens at every place where an answer's token comes next."""
        tokens = connect(route, pictures, device_in(self.language))
        if keep is not None:
            tokens = [rows[torch.from_numpy(kept).to(rows.device)] for rows, kept in zip(tokens, keep, strict=True)]
        return scored(
            self.language, assemble(route.spec, pictures, asked, keep), [[one] for one in tokens], route.cross
        )

    def _episodes(self, route: ReaderInTraining, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """As ``scores``, over episodes of about as many pictures as a step without."""
        known, drawn, pictures = route.bank.pictures, [], 0
        while pictures < self.batch:
            drawn.append(draw(known, rng))
            pictures += len(drawn[-1][0])
        told = [[(known[number], one) for number, one in turns] for turns, _ in drawn]
        shown = [picture for turns in told for picture, _ in turns]
        tokens = iter(connect(route, shown, device_in(self.language)))
        batch = episodes(route.spec, told, [spelt for _, spelt in drawn], self.silent)
        return scored(self.language, batch, [[next(tokens) for _ in turns] for turns in told], route.cross)


def scored(
    language: Decoder, batch: TrainingBatch, tokens: Sequence[Sequence[Tensor]], cross: Cross | None = None
) -> tuple[Tensor, Tensor]:
    """Scores and right tokens wherever an answer's token comes next; ``tokens`` are those of each row's pictures.

    Scores are float32, whatever the language model computes in.
    """
    batch = batch.to(device_in(language))
    vectors, before = language.embed(batch.ids), None
    if cross is None:
        vectors = splice(vectors, torch.cat([picture for row in tokens for picture in row]), batch.marks)
    else:
        crossing = cross(tokens, batch.looking)
        before = None if crossing is None else crossing.before()
    logits = language(vectors, batch.mask, batch.positions, before=before)
    learned = batch.target >= 0
    return logits[learned].float(), batch.target[learned]


@cache
def worth(bank: Bank) -> np.ndarray:
    """Chance of each picture to be drawn: the more print it has to read, the likelier."""
    worth = np.asarray([1.0 + 2 * sum(LEARNABLE <= one.height < inf for one in seen.asked) for seen in bank.pictures])
    return worth / worth.sum()


def connect(route: ReaderInTraining, pictures: Sequence[FeatureImage], device: torch.device) -> list[Tensor]:
    """Each picture's visual tokens, made on ``device``; views of one grid go through the connector together."""
    by_grid: dict[Grid, list[tuple[int, int]]] = {}
    for number, picture in enumerate(pictures):
        for view, (grid, _) in enumerate(picture.rows):
            by_grid.setdefault(grid, []).append((number, view))
    made: dict[tuple[int, int], Tensor] = {}
    for grid, members in by_grid.items():
        rows = torch.as_tensor([pictures[number].rows[view][1] for number, view in members])
        tokens = route.connector(route.bank.features[grid][rows].to(device).float(), grid)
        made |= dict(zip(members, tokens, strict=True))
    return [torch.cat([made[number, view] for view in range(len(p.rows))]) for number, p in enumerate(pictures)]


def some(asked: Sequence[TrainingQuestion], rng: np.random.Generator, most: int = QUESTIONS) -> list[TrainingQuestion]:
    """A question of gist, where there is one, and as many of detail as there is room for: they take longer to learn."""
    gist = [one for one in asked if one.height == inf]
    detail = [one for one in asked if LEARNABLE <= one.height < inf]
    order = rng.permutation(len(detail))[: most - 1]
    return [*(detail[int(index)] for index in order), *([gist[int(rng.integers(len(gist)))]] if gist else [])]


def _thinned(tokens: int, rng: np.random.Generator) -> np.ndarray:
    """A random part of the tokens, from one in 64 to all, even in the logarithm; order kept."""
    kept = max(1, round(tokens * 64 ** -float(rng.random())))
    return np.sort(rng.choice(tokens, size=kept, replace=False))


@torch.inference_mode()
def exact(job: AnswerJob, route: ReaderInTraining, count: int, least: float = 0.0, chunk: int = 64) -> dict[str, float]:
    """Share of held-out answers that are right token by token, per kind, over the bank's first pictures.

    Print lower than ``least`` pixels of its best view is left out.
    """
    right: dict[str, list[bool]] = {}
    pictures = route.bank.pictures[:count]
    for start in range(0, len(pictures), chunk):
        part = pictures[start : start + chunk]
        asked = [[one for one in picture.asked if one.height >= least] for picture in part]
        scores, target = job.scores(route, part, asked)
        hits = (scores.argmax(dim=-1) == target).tolist()
        for one in (one for row in asked for one in row):
            right.setdefault(one.kind, []).append(all(hits[: len(one.answer)]))
            del hits[: len(one.answer)]
    return {kind: sum(values) / len(values) for kind, values in sorted(right.items())}
