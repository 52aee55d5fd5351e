"""Gated cross-attention between the layers of a language model. See ``specs/language/cross.py``.

The language model is not edited: ``Crossing.before`` gives functions that run on what enters its layers. Keys and
values of the pictures are made once, when the prompt is read, and kept for all tokens of the answer; those of the last
picture alone, since no other is looked at from there on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.nn.activations import ACTIVATIONS, norm
from saccade.specs.language.cross import CrossSpec

Insert = dict[int, Callable[[Tensor], Tensor]]
"""What runs before a layer, by its number."""


@dataclass(frozen=True, eq=False)
class VisibleKeys:
    """What each position sees: ``pairs`` of position and key, None where every key is seen; ``blind`` positions see
    nothing, and rows that are ``bare`` have no picture at all.
    """

    pairs: Bool[Tensor, "batch 1 length keys"] | None
    blind: Bool[Tensor, "batch length 1"] | None
    bare: Bool[Tensor, "batch 1 1"] | None


@final
class GatedCross(nn.Module):
    """One block. ``to_kv`` makes keys and values in one product, keys first."""

    def __init__(self, spec: CrossSpec) -> None:
        super().__init__()
        self.spec = spec
        self.norm = norm(spec.norm, spec.width, spec.eps)
        self.to_q = nn.Linear(spec.width, spec.inner, bias=False)
        self.to_kv = nn.Linear(spec.source, 2 * spec.inner, bias=False)
        self.to_out = nn.Linear(spec.inner, spec.width, bias=False)
        if spec.qk_norm:
            self.norm_q, self.norm_k = nn.RMSNorm(spec.head, eps=spec.eps), nn.RMSNorm(spec.head, eps=spec.eps)
        shape = (spec.width,) if spec.gates == "vector" else (1,)
        self.gate_attention = nn.Parameter(torch.zeros(shape))
        if spec.form == "survey":
            self.scale = nn.Parameter(torch.ones(shape))
            return
        self.gate_feed = nn.Parameter(torch.zeros(shape))
        self.norm_feed = norm(spec.norm, spec.width, spec.eps)
        self.widen = nn.Linear(spec.width, spec.middle, bias=False)
        if spec.act == "silu":
            self.side = nn.Linear(spec.width, spec.middle, bias=False)
        self.narrow = nn.Linear(spec.middle, spec.width, bias=False)

    def project(
        self, tokens: Float[Tensor, "batch keys source"]
    ) -> tuple[Float[Tensor, "batch heads keys head"], Float[Tensor, "batch heads keys head"]]:
        """Keys and values of visual tokens."""
        both = self.to_kv(tokens).unflatten(-1, (2, self.spec.heads, -1))
        keys, values = both.permute(2, 0, 3, 1, 4)
        return (self.norm_k(keys) if self.spec.qk_norm else keys), values

    def forward(
        self,
        x: Float[Tensor, "batch length width"],
        keys: Float[Tensor, "batch heads keys head"],
        values: Float[Tensor, "batch heads keys head"],
        sight: VisibleKeys,
    ) -> Float[Tensor, "batch length width"]:
        """Same shape in and out."""
        query = self.to_q(self.norm(x)).unflatten(-1, (self.spec.heads, -1)).transpose(1, 2)
        if self.spec.qk_norm:
            query = self.norm_q(query)
        mixed = F.scaled_dot_product_attention(query, keys, values, sight.pairs)
        read = self.to_out(mixed.transpose(1, 2).flatten(2))
        if sight.blind is not None:
            read = read.masked_fill(sight.blind, 0.0)
        made = self._gated(x, read)
        return made if sight.bare is None else torch.where(sight.bare, x, made)

    def _gated(self, x: Tensor, read: Tensor) -> Tensor:
        if self.spec.form == "survey":
            return self.scale * x + self.gate_attention.tanh() * read
        x = x + self.gate_attention.tanh() * read
        normed = self.norm_feed(x)
        wide = ACTIVATIONS[self.spec.act](self.widen(normed))
        if self.spec.act == "silu":
            wide = wide * self.side(normed)
        return x + self.gate_feed.tanh() * self.narrow(wide)


@final
class Cross(nn.Module):
    """All blocks of a language model."""

    def __init__(self, spec: CrossSpec) -> None:
        super().__init__()
        self.spec = spec
        self.blocks = nn.ModuleList(GatedCross(spec) for _ in spec.places)

    def forward(
        self, pictures: Sequence[Sequence[Float[Tensor, "_ source"]]], looking: Int[Tensor, "batch length"]
    ) -> "Crossing | None":
        """Keys and values of every row's pictures, and who sees which; None where no row has any and none is fed.

        ``looking`` is the number of the last picture before each position, from 0, and -1 where there is none.
        """
        counts = [sum(len(tokens) for tokens in row) for row in pictures]
        if not any(counts) and self.spec.idle == "passed":
            return None
        width = max(1, *counts)  # blocks that are fed without pictures need a key that nobody sees
        tokens = looking.new_zeros(len(pictures), width, self.spec.source, dtype=self._dtype)
        owner = looking.new_full((len(pictures), width), -1)
        for number, row in enumerate(pictures):
            if row:
                tokens[number, : counts[number]] = torch.cat(list(row))
                owner[number, : counts[number]] = torch.cat(
                    [owner.new_full((len(picture),), place) for place, picture in enumerate(row)]
                )
        made = tuple(block.project(tokens) for block in self.each)
        last = torch.as_tensor([len(row) - 1 for row in pictures], device=looking.device)
        return Crossing(self, made, owner, looking, last)

    @property
    def _dtype(self) -> torch.dtype:
        return self.each[0].to_kv.weight.dtype

    @property
    def each(self) -> list[GatedCross]:
        """The blocks in the order of their layers."""
        return [block for block in self.blocks if isinstance(block, GatedCross)]

    def before(self, made: Sequence[tuple[Tensor, Tensor]], sight: VisibleKeys) -> Insert:
        """The functions that run before the language model's layers."""
        return {
            place: partial(block, keys=keys, values=values, sight=sight)
            for place, block, (keys, values) in zip(self.spec.places, self.each, made, strict=True)
        }


@dataclass(frozen=True, eq=False)
class Crossing:
    """Pictures beside a sequence: ``made`` keys and values by block, the picture that each key is of (-1: padding),
    what the positions being read are ``looking`` at, and each row's ``last`` picture (-1 where it has none).
    """

    cross: Cross
    made: tuple[tuple[Tensor, Tensor], ...]
    owner: Int[Tensor, "batch keys"]
    looking: Int[Tensor, "batch length"]
    last: Int[Tensor, " batch"]

    def before(self) -> Insert:
        """What runs before the layers while these positions are read."""
        return self.cross.before(self.made, self._sight())

    def _sight(self) -> VisibleKeys:
        owner, looking = self.owner[:, None, :], self.looking[:, :, None]
        there = owner == looking if self.cross.spec.sees == "last" else owner <= looking
        pairs = there & (owner >= 0) & (looking >= 0)
        blind = ~pairs.any(dim=-1, keepdim=True)
        bare = (self.last < 0)[:, None, None] if self.cross.spec.idle == "passed" else None
        if bare is not None and not bool(bare.any()):
            bare = None
        if bool(pairs.all()):
            return VisibleKeys(None, None, bare)
        # A row of scores that sees nothing has no softmax: it sees everything, and what it read is thrown away.
        return VisibleKeys((pairs | blind)[:, None], blind if bool(blind.any()) else None, bare)

    def after(self) -> "Crossing":
        """For the positions that follow: they look where each row's last one does, and only those keys are kept."""
        now = self.looking[:, -1:]
        if self.cross.spec.sees == "all":
            return replace(self, looking=now)
        hits = (self.owner == now) & (self.owner >= 0)
        width = max(1, int(hits.sum(dim=1).max()))
        # Kept keys of unequal number are padded with others, which stay marked as not theirs.
        index = (~hits).int().argsort(dim=1, stable=True)[:, :width]
        owner = self.owner.gather(1, index).where(hits.gather(1, index), -1)
        wide = index[:, None, :, None]
        made = tuple(
            (
                keys.gather(2, wide.expand(-1, keys.shape[1], -1, keys.shape[3])),
                values.gather(2, wide.expand(-1, values.shape[1], -1, values.shape[3])),
            )
            for keys, values in self.made
        )
        return replace(self, made=made, owner=owner, looking=now)

    def take(self, rows: Tensor) -> "Crossing":
        """These rows, in this order, as often as named."""
        made = tuple((keys[rows], values[rows]) for keys, values in self.made)
        return Crossing(self.cross, made, self.owner[rows], self.looking[rows], self.last[rows])
