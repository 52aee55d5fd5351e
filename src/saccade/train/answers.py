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
from saccade.fusion.splice import splice
from saccade.language.hub import Decoder
from saccade.specs.reader import ReaderSpec
from saccade.specs.sequence import Tokens
from saccade.train.features import Asked, Bank, Seen

QUESTIONS = 8
"""Questions a picture and step, at most."""
LEARNABLE = 7.0
"""Print lower than this, in pixels of the best view, is not asked for: its answers would teach guessing."""


@dataclass(frozen=True, slots=True)
class Route:
    """One reader in training: its spec, its connector, and the features that it learns from."""

    spec: ReaderSpec
    connector: nn.Module
    bank: Bank


@dataclass(frozen=True, slots=True)
class Batch:
    """``ids``, ``positions``, ``marks`` (visual places): batch × length; ``mask`` says which place sees
    which; ``target`` holds the next token where an answer is learned, -100 elsewhere.
    """

    ids: Tensor
    positions: Tensor
    marks: Tensor
    mask: Tensor
    target: Tensor


@final
class AnswerJob:
    """Trains ``parts`` (by name) so that ``language`` answers through each route in turn.

    Route ``step % len(routes)`` makes the step; a route listed twice is trained twice as often.
    ``thin`` drops a random share of the visual tokens in half of the steps (the trained baseline).
    """

    def __init__(
        self,
        language: Decoder,
        routes: Sequence[Route],
        parts: Mapping[str, nn.Module],
        *,
        batch: int,
        seed: int = 0,
        thin: bool = False,
    ) -> None:
        self.language, self.routes, self.parts = language, routes, parts
        self.batch, self.seed, self.thin = batch, seed, thin

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """What learns; everything else is frozen."""
        return self.parts

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Cross-entropy of the answers' tokens, their end included."""
        rng = np.random.default_rng([self.seed, step])
        route = self.routes[step % len(self.routes)]
        size = min(self.batch, len(route.bank.pictures))
        chosen = rng.choice(len(route.bank.pictures), size=size, replace=False, p=_worth(route.bank))
        pictures = [route.bank.pictures[int(index)] for index in chosen]
        asked = [_some(picture.asked, rng) for picture in pictures]
        keep = None
        if self.thin and rng.random() < 0.5:
            keep = [_thinned(sum(route.spec.tokens(picture.layout)), rng) for picture in pictures]
        scores, target = self.scores(route, pictures, asked, keep)
        return {"answer": F.cross_entropy(scores, target)}

    def scores(
        self,
        route: Route,
        pictures: Sequence[Seen],
        asked: Sequence[Sequence[Asked]],
        keep: Sequence[np.ndarray] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Scores and right tokens at every place where an answer's token comes next."""
        tokens = connect(route, pictures)
        if keep is not None:
            tokens = [rows[torch.from_numpy(kept)] for rows, kept in zip(tokens, keep, strict=True)]
        batch = assemble(route.spec, pictures, asked, keep)
        vectors = splice(self.language.embed(batch.ids), torch.cat(tokens), batch.marks)
        logits = self.language(vectors, batch.mask, batch.positions)
        learned = batch.target >= 0
        return logits[learned], batch.target[learned]


@cache
def _worth(bank: Bank) -> np.ndarray:
    """Chance of each picture to be drawn: the more print it has to read, the likelier."""
    worth = np.asarray([1.0 + 2 * sum(LEARNABLE <= one.height < inf for one in seen.asked) for seen in bank.pictures])
    return worth / worth.sum()


def connect(route: Route, pictures: Sequence[Seen]) -> list[Tensor]:
    """Each picture's visual tokens; views of one grid go through the connector together."""
    by_grid: dict[Grid, list[tuple[int, int]]] = {}
    for number, picture in enumerate(pictures):
        for view, (grid, _) in enumerate(picture.rows):
            by_grid.setdefault(grid, []).append((number, view))
    made: dict[tuple[int, int], Tensor] = {}
    for grid, members in by_grid.items():
        rows = torch.as_tensor([pictures[number].rows[view][1] for number, view in members])
        tokens = route.connector(route.bank.features[grid][rows].float(), grid)
        made |= dict(zip(members, tokens, strict=True))
    return [torch.cat([made[number, view] for view in range(len(p.rows))]) for number, p in enumerate(pictures)]


def assemble(
    spec: ReaderSpec,
    pictures: Sequence[Seen],
    asked: Sequence[Sequence[Asked]],
    keep: Sequence[np.ndarray] | None = None,
) -> Batch:
    """Sequences ``<s> picture question answer question answer …``, padded on the right."""
    rows = [
        _row(spec, picture, some, None if keep is None else keep[number])
        for number, (picture, some) in enumerate(zip(pictures, asked, strict=True))
    ]
    length = max(len(row[0]) for row in rows)
    filled = np.zeros((5, len(rows), length), np.int64)
    filled[3], filled[4] = -1, -100
    for index, row in enumerate(rows):
        for layer, values in enumerate(row):
            filled[layer, index, : len(values)] = values
    ids, positions, marks, block, target = torch.from_numpy(filled)
    same = (block[:, None, :] == block[:, :, None]) | (block[:, None, :] == 0)
    mask = same.tril()[:, None]
    return Batch(ids, positions, marks.bool(), mask, target)


def _row(spec: ReaderSpec, picture: Seen, asked: Sequence[Asked], keep: np.ndarray | None) -> list[list[int]]:
    """Ids, positions, visual marks, block numbers (0: the picture) and targets of one sequence."""
    ids, marks = [1], [0]
    for span in spec.spans(picture.layout):
        piece = [spec.image_id] * span.count if isinstance(span, Tokens) else list(span.ids)
        ids += piece
        marks += [int(isinstance(span, Tokens))] * len(piece)
    start = len(ids)
    positions = list(range(start))
    if keep is not None:
        visual = np.flatnonzero(marks)
        drop = set(np.delete(visual, keep).tolist())
        positions = [place for place in positions if place not in drop]
        ids, marks = [ids[place] for place in positions], [marks[place] for place in positions]
    block, target = [0] * len(ids), [-100] * len(ids)
    for number, one in enumerate(asked, start=1):
        text = [*one.question, *one.answer[:-1]]
        ids += text
        marks += [0] * len(text)
        positions += range(start, start + len(text))
        block += [number] * len(text)
        target += [-100] * (len(one.question) - 1) + list(one.answer)
    return [ids, positions, marks, block, target]


def _some(asked: Sequence[Asked], rng: np.random.Generator) -> list[Asked]:
    """One question of gist and as many of detail as there is room for: gist is soon learned, detail is not."""
    gist = [one for one in asked if one.height == inf]
    detail = [one for one in asked if LEARNABLE <= one.height < inf]
    order = rng.permutation(len(detail))[: QUESTIONS - 1]
    return [*(detail[int(index)] for index in order), gist[int(rng.integers(len(gist)))]]


def _thinned(tokens: int, rng: np.random.Generator) -> np.ndarray:
    """A random part of the tokens, from one in 64 to all, even in the logarithm; order kept."""
    kept = max(1, round(tokens * 64 ** -float(rng.random())))
    return np.sort(rng.choice(tokens, size=kept, replace=False))


@torch.inference_mode()
def exact(job: AnswerJob, route: Route, count: int, least: float = 0.0, chunk: int = 64) -> dict[str, float]:
    """Share of held-out answers that are right token by token, per kind, over the bank's first pictures.

    Print lower than ``least`` pixels of its best view is left out.
    """
    right: dict[str, list[bool]] = {}
    pictures = route.bank.pictures[:count]
    for start in range(0, len(pictures), chunk):
        some = pictures[start : start + chunk]
        asked = [[one for one in picture.asked if one.height >= least] for picture in some]
        scores, target = job.scores(route, some, asked)
        hits = (scores.argmax(dim=-1) == target).tolist()
        for one in (one for row in asked for one in row):
            right.setdefault(one.kind, []).append(all(hits[: len(one.answer)]))
            del hits[: len(one.answer)]
    return {kind: sum(values) / len(values) for kind, values in sorted(right.items())}
