"""Foveal: patches around a fixation as they are, others as means of ever larger cells.

See ``specs/connectors/foveal.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors.mlp import Projector
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.nn.transformer import sincos_2d
from saccade.specs.connectors.foveal import DEPTH, WIDEN, FovealSpec
from saccade.specs.layouts.cells import Cells, Fixations


@final
@dataclass(frozen=True, slots=True)
class Pooling:
    """Cells of several views: of each patch the number of its cell, how many patches each cell has, and the patches in
    the order of their cells.

    Views with fewer cells than others have some of size 0 at their end.
    """

    owner: Int[Tensor, "views patches"]
    sizes: Int[Tensor, "views tokens"]
    order: Int[Tensor, "views patches"]

    @classmethod
    def of(cls, cells: Sequence[Cells], device: torch.device | None = None) -> "Pooling":
        """One view for each of ``cells``."""
        sizes = np.zeros((len(cells), max(map(len, cells))), dtype=np.int64)
        for view, one in enumerate(cells):
            sizes[view, : len(one)] = one.sizes
        owner, order = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*map(_both, cells), strict=True))
        return cls(owner, torch.from_numpy(sizes).to(device), order)

    def mean(
        self, patches: Float[Tensor, "maps patches width"], rows: Int[Tensor, " views"] | None = None
    ) -> Float[Tensor, "views tokens width"]:
        """Of the patches of each cell; 0 where there is none. The views are the maps, or ``rows`` of them: no map is
        copied for it.
        """
        rows = torch.arange(len(patches), device=patches.device) if rows is None else rows
        index = self.order + patches.shape[1] * rows[:, None]
        sizes = self.sizes.flatten()
        means = F.embedding_bag(index.flatten(), patches.flatten(0, 1), sizes.cumsum(0) - sizes, mode="mean")
        return means.unflatten(0, self.sizes.shape)

    def spread(self, values: Float[Tensor, "views tokens"]) -> Float[Tensor, "views patches"]:
        """What a cell has, at each of its patches."""
        return values.gather(1, self.owner)

    @property
    def groups(self) -> list[Groups]:
        """Per view, the patches of each cell."""
        return [Cells(owner).groups for owner in self.owner.cpu().numpy()]


def _both(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    return cells.owner, cells.order


@final
class Foveal(nn.Module):
    """``spec`` fixes every size. ``area`` tells the reader how coarse a token is, by the logarithm of its patches."""

    def __init__(self, spec: FovealSpec) -> None:
        super().__init__()
        self.spec = spec
        self.area = nn.Parameter(torch.zeros(spec.width_in))
        self.project = Projector(spec.width_in, spec.width_out)
        self.choice = Choice(spec) if spec.asked else None

    def forward(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        fixations: Int[Tensor, "views fixations"] | None = None,
    ) -> Float[Tensor, "views tokens {self.spec.width_out}"]:
        """Patches in row order over ``grid`` to one token a cell, looking at these patches, or at the middle."""
        return self.pool(patches, self.cells(patches, grid, fixations))

    def cells(
        self, patches: Float[Tensor, "views patches _"], grid: Grid, fixations: Int[Tensor, "views fixations"] | None
    ) -> Pooling:
        """Each view's cells around its fixations, or around the middle."""
        where: list[Fixations | None] = (
            [None] * len(patches) if fixations is None else [tuple(view) for view in fixations.tolist()]
        )
        return Pooling.of([self.spec.cells(grid, view) for view in where], patches.device)

    def pool(
        self, patches: Float[Tensor, "views patches {self.spec.width_in}"], cells: Pooling
    ) -> Float[Tensor, "views tokens {self.spec.width_out}"]:
        """The mean of each cell and its area, through the MLP."""
        area = cells.sizes.clamp_min(1).to(patches.dtype).log()
        return self.project(torch.addcmul(cells.mean(patches), area[..., None], self.area))

    def aim(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        words: Int[Tensor, "questions length"],
        mask: Bool[Tensor, "questions length"] | None = None,
        of: Int[Tensor, " questions"] | None = None,
    ) -> Float[Tensor, "questions {grid.tokens}"]:
        """How much each patch is worth looking at for a question of ``words``, which are real where ``mask`` is.

        ``of`` is the number of each question's view, which are prepared once; without it the first question is about
        the first view, and so on.
        """
        if self.choice is None:
            raise SaccadeError(
                "this Foveal looks where it is told; give its spec asked, words and text to let it choose"
            )
        if mask is not None and not bool(mask.any(dim=1).all()):
            raise SaccadeError("a question without a word chooses nothing; leave its view out, or give its fixation")
        return self.choice(patches, grid, words, mask, of)

    def instructed(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        words: Int[Tensor, "questions length"],
        mask: Bool[Tensor, "questions length"] | None = None,
        of: Int[Tensor, " questions"] | None = None,
    ) -> tuple[Float[Tensor, "questions tokens {self.spec.width_out}"], Pooling, Int[Tensor, "questions fixations"]]:
        """Tokens around the patches that a question chooses, their cells, and those patches, the best first."""
        scores = self.aim(patches, grid, words, mask, of)
        patches = _each(patches, of)
        fixations = choose(scores, grid, self.spec.fixations, self.spec.sigma)
        cells = self.cells(patches, grid, fixations)
        return self.pool(patches, cells), cells, fixations

    def prompted(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        words: Int[Tensor, "questions length"],
        real: Bool[Tensor, "questions length"],
        of: Int[Tensor, " questions"],
    ) -> Float[Tensor, "questions tokens {self.spec.width_out}"]:
        """Tokens around the patches that each question chooses in its view, whose number is in ``of``."""
        return self.instructed(patches, grid, words, real, of)[0]

    def chosen(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        words: Int[Tensor, "views length"],
    ) -> tuple[list[Groups], Int[Tensor, "views fixations"]]:
        """Per view the patches of each token, and the patches that its question chooses, the best first."""
        _, cells, fixations = self.instructed(patches, grid, words)
        return cells.groups, fixations

    def counted(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        words: Int[Tensor, "views length"],
    ) -> Float[Tensor, "views tokens {self.spec.width_out}"]:
        """The choice, and the tokens around the middle: where is looked changes no product's size."""
        self.aim(patches, grid, words)
        return self(patches, grid)


def choose(
    scores: Float[Tensor, "views {grid.tokens}"], grid: Grid, fixations: int, sigma: float
) -> Int[Tensor, "views {fixations}"]:
    """The best patch, then the best that is not near an earlier one: shares of softmax times ``away`` from each."""
    found = [scores.argmax(dim=1)]
    for _ in range(fixations - 1):
        scores = scores + away(found[-1], grid, sigma).log()
        found.append(scores.argmax(dim=1))
    return torch.stack(found, dim=1)


def away(fixations: Int[Tensor, " views"], grid: Grid, sigma: float) -> Float[Tensor, "views {grid.tokens}"]:
    """Inhibition of return: 1 − exp(−d² / 2 sigma²) for a patch at distance d, so 0 at the fixation itself."""
    places = torch.arange(grid.tokens, device=fixations.device)
    down = places // grid.cols - (fixations // grid.cols)[:, None]
    right = places % grid.cols - (fixations % grid.cols)[:, None]
    return -torch.expm1((down.square() + right.square()) / (-2 * sigma**2))


class Choice(nn.Module):
    """Words that have seen each other and the patches become a query; patches, with their neighbours, keys."""

    def __init__(self, spec: FovealSpec) -> None:
        super().__init__()
        width = spec.asked
        self.words = nn.Embedding(spec.words, width)
        self.layers = nn.ModuleList(Asking(width, spec.width_in, spec.heads) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.query = nn.Linear(width, width)
        self.enter = nn.Linear(spec.width_in, width)
        self.near = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.key = nn.Linear(width, width)

    def forward(
        self,
        patches: Float[Tensor, "views patches width_in"],
        grid: Grid,
        words: Int[Tensor, "questions length"],
        mask: Bool[Tensor, "questions length"] | None,
        of: Int[Tensor, " questions"] | None,
    ) -> Float[Tensor, "questions patches"]:
        """A score for each patch; everything about views is computed once a view."""
        x = self.words(words)
        x = x + sincos_2d(1, x.shape[1], x.shape[2])[0].to(x)
        for layer in self.layers:
            x = layer(x, patches, mask, of)
        real = x.new_ones(words.shape) if mask is None else mask.to(x.dtype)
        asked = self.query((self.norm(x) * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True))
        planes = self.enter(patches).transpose(1, 2).unflatten(2, (grid.rows, grid.cols))
        keys = self.key(F.gelu(self.near(planes)).flatten(2).transpose(1, 2))
        return (_each(keys, of) @ asked[..., None])[..., 0] / asked.shape[1] ** 0.5


def _each(views: Tensor, of: Tensor | None) -> Tensor:
    """Each question's view."""
    return views if of is None else views.index_select(0, of)


class Asking(nn.Module):
    """Words see each other, then the patches, then a feed-forward, each behind a norm and added to its input."""

    def __init__(self, width: int, source: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_self, self.norm_cross, self.norm_mlp = (nn.LayerNorm(width, eps=1e-6) for _ in range(3))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ask, self.look, self.take = nn.Linear(width, width), nn.Linear(source, 2 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, WIDEN * width), nn.Linear(WIDEN * width, width)

    def forward(
        self,
        x: Float[Tensor, "questions length width"],
        patches: Float[Tensor, "views patches source"],
        mask: Bool[Tensor, "questions length"] | None,
        of: Int[Tensor, " questions"] | None,
    ) -> Float[Tensor, "questions length width"]:
        """Words that are not real are seen by none."""
        allow = None if mask is None else mask[:, None, None]
        query, seen = self.qkv(self.norm_self(x)).split([x.shape[2], 2 * x.shape[2]], dim=-1)
        x = x + self.out(self._mixed(query, seen, allow))
        x = x + self.take(self._mixed(self.ask(self.norm_cross(x)), _each(self.look(patches), of), None))
        return x + self.narrow(F.gelu(self.widen(self.norm_mlp(x))))

    def _mixed(self, query: Tensor, seen: Tensor, allow: Tensor | None) -> Tensor:
        """Attention; ``seen`` are keys and values side by side."""
        parts = (query, *seen.chunk(2, dim=-1))
        query, key, value = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in parts)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=allow).transpose(1, 2).flatten(2)
