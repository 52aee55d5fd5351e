"""Perceiver's parts: a block that looks, latents that read and think, queries that read them.

See ``specs/laws/perceiver.py``; the folded form is plain algebra, told there too.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.core.errors import SaccadeError
from saccade.nn.activations import ACTIVATIONS
from saccade.nn.bert import join, per_head, split
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec, distinct


@final
@dataclass(frozen=True, slots=True)
class ReadyInputs:
    """What is looked at, ready: keys and values a head, or ``folded`` the normed inputs as one head of both."""

    key: Float[Tensor, "_ heads keys _"]
    value: Float[Tensor, "_ heads keys _"]
    folded: bool


@final
class Attend(nn.Module):
    """``spec`` fixes every size. Weights are drawn as LeCun's, biases are zero.

    ``pair`` holds the keys' matrix on top of the values'.
    """

    def __init__(self, spec: AttendSpec) -> None:
        super().__init__()
        self.spec = spec
        self.norm = nn.LayerNorm(spec.width)
        self.norm_source = None if spec.source is None else nn.LayerNorm(spec.source)
        self.query = nn.Linear(spec.width, spec.scored)
        self.pair = nn.Linear(spec.seen, spec.scored + spec.valued)
        self.out = nn.Linear(spec.valued, spec.width)
        self.norm_feed = nn.LayerNorm(spec.width)
        self.widen = nn.Linear(spec.width, spec.widen * spec.width)
        self.narrow = nn.Linear(spec.widen * spec.width, spec.width)
        for module in (self.query, self.pair, self.out, self.widen, self.narrow):
            draw(module)

    def forward(
        self,
        x: Float[Tensor, "#views queries {self.spec.width}"],
        source: Float[Tensor, "#views keys {self.spec.seen}"] | ReadyInputs | None = None,
        allow: Bool[Tensor, "#views #queries #keys"] | None = None,
    ) -> Float[Tensor, "views queries {self.spec.width}"]:
        """``x`` looks at ``source``, or at itself where the spec has none; at what ``allow`` says, all where None."""
        asked = self.norm(x)
        seen = source if isinstance(source, ReadyInputs) else self.look(asked if source is None else source, x.shape[1])
        looked = self.out(self._mixed(self.query(asked), seen, allow))
        x = x + looked if self.spec.residual else looked
        return x + self.narrow(ACTIVATIONS[self.spec.act](self.widen(self.norm_feed(x))))

    def look(self, source: Float[Tensor, "views keys {self.spec.seen}"], queries: int) -> ReadyInputs:
        """Make ready what that many ``queries`` will look at; without a source of its own, what is normed already."""
        normed = source if self.norm_source is None else self.norm_source(source)
        if self.spec.folds(queries, source.shape[1]):
            return ReadyInputs(normed[:, None], normed[:, None], folded=True)
        key, value = self.pair(normed).split((self.spec.scored, self.spec.valued), dim=-1)
        return ReadyInputs(split(key, self.spec.heads), split(value, self.spec.heads), folded=False)

    def weights(
        self, x: Float[Tensor, "#views queries width"], source: Float[Tensor, "#views keys seen"]
    ) -> Float[Tensor, "views queries keys"]:
        """How much each query looks at each of ``source``, the mean over heads."""
        normed = source if self.norm_source is None else self.norm_source(source)
        keys = F.linear(normed, self.pair.weight[: self.spec.scored], self.pair.bias[: self.spec.scored])
        asked, key = (split(part, self.spec.heads) for part in (self.query(self.norm(x)), keys))
        return (torch.matmul(asked, key.mT) * asked.shape[-1] ** -0.5).softmax(dim=-1).mean(dim=1)

    def _mixed(self, query: Tensor, seen: ReadyInputs, allow: Tensor | None) -> Float[Tensor, "views queries valued"]:
        """Attention over all heads, before the matrix behind it."""
        views, mask, some = max(len(query), len(seen.key)), None, None
        if allow is not None:
            some = allow.any(dim=-1, keepdim=True)
            # A row without a key would have no softmax, and its gradient no number: it looks at all, and is put out
            # behind. A query of zeros would find all alike: their mean.
            mask = allow | ~some if allow.shape[-1] == seen.key.shape[2] else None
            query = torch.where(some, query, 0.0) if self.spec.empty == "mean" else query
        asked = split(query, self.spec.heads)
        key, value = (one.expand(views, -1, -1, -1) for one in (seen.key, seen.value))
        if seen.folded:
            mixed = self._folded(asked, key, value, mask)
        else:
            mask = None if mask is None else mask[:, None]
            mixed = join(F.scaled_dot_product_attention(asked.expand(views, -1, -1, -1), key, value, attn_mask=mask))
        return mixed if some is None or self.spec.empty == "mean" else torch.where(some, mixed, 0.0)

    def _folded(self, asked: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Queries of all heads as queries of one, through the keys' matrix; what was seen through the values'."""
        heads, views, sizes = self.spec.heads, len(key), (self.spec.scored, self.spec.valued)
        inward, outward = (weight.unflatten(0, (heads, -1)) for weight in self.pair.weight.split(sizes))
        rows = per_head(asked * asked.shape[-1] ** -0.5, inward).flatten(1, 2)[:, None].expand(views, -1, -1, -1)
        if mask is not None:
            mask = (
                mask[:, None] if mask.shape[1] == 1 else mask[:, None].expand(-1, heads, -1, -1).flatten(1, 2)[:, None]
            )
        found = F.scaled_dot_product_attention(rows, key, value, attn_mask=mask, scale=1.0)
        return join(per_head(found[:, 0].unflatten(1, (heads, -1)), outward.mT)) + self.pair.bias[self.spec.scored :]


@final
class Perceiver(nn.Module):
    """Latents that read and think. ``reads`` and ``blocks`` hold each set of weights once, however often it runs."""

    def __init__(self, spec: PerceiverSpec) -> None:
        super().__init__()
        self.spec = spec
        self.latents = nn.Parameter(torch.empty(spec.latents, spec.width))
        self.reads = nn.ModuleList(Attend(spec.read) for _ in range(distinct(spec.share_reads, spec.reads)))
        self.blocks = nn.ModuleList(
            nn.ModuleList(Attend(spec.layer) for _ in range(spec.layers))
            for _ in range(distinct(spec.share, spec.blocks))
        )
        nn.init.trunc_normal_(self.latents, std=0.02, a=-0.04, b=0.04)

    def forward(
        self,
        inputs: Float[Tensor, "views inputs {self.spec.source}"],
        mask: Bool[Tensor, "views inputs"] | None = None,
        *,
        watch: list[Tensor] | None = None,
    ) -> Float[Tensor, "views {self.spec.latents} {self.spec.width}"]:
        """Latents that have read the inputs which ``mask`` lets them, all where None.

        ``watch`` is given what each read looked at.
        """
        spec, z = self.spec, self.latents[None]
        allow = None if mask is None else mask[:, None]
        for number in range(spec.blocks):
            if number % (spec.every or spec.blocks) == 0:
                turn = number // (spec.every or spec.blocks)
                read = self.reads[min(turn, len(self.reads) - 1)]
                if watch is not None:
                    assert isinstance(read, Attend)
                    watch.append(read.weights(z, inputs))
                z = read(z, inputs, allow)
            block = self.blocks[min(number, len(self.blocks) - 1)]
            assert isinstance(block, nn.ModuleList)
            for layer in block:
                z = layer(z)
        return z


@final
class PerceiverDecoder(nn.Module):
    """Queries that read latents, each by itself: any number of them, in any order, in pieces or at once."""

    def __init__(self, spec: DecodeSpec) -> None:
        super().__init__()
        self.spec = spec
        self.queries = nn.Parameter(torch.empty(spec.queries, spec.block.width)) if spec.queries else None
        self.block = Attend(spec.block)
        self.out = nn.Linear(spec.block.width, spec.out) if spec.out else nn.Identity()
        if self.queries is not None:
            nn.init.trunc_normal_(self.queries, std=0.02, a=-0.04, b=0.04)
        if isinstance(self.out, nn.Linear):
            draw(self.out)

    def forward(
        self,
        z: Float[Tensor, "views {self.spec.latents} {self.spec.block.seen}"],
        queries: Float[Tensor, "#views queries {self.spec.block.width}"] | None = None,
        mask: Bool[Tensor, "#views queries"] | None = None,
        *,
        chunk: int | None = None,
    ) -> Float[Tensor, "views queries {self.spec.width}"]:
        """One answer a query, the learned ones unless given; those that ``mask`` leaves out see nothing of ``z``.

        With ``chunk`` so many are answered at a time, which changes what memory it takes and nothing else.
        """
        if chunk is not None and chunk < 1:
            raise SaccadeError(f"perceiver: 1 or more queries are answered at a time, got chunk {chunk}")
        asked = self._learned() if queries is None else queries
        size = asked.shape[1] if chunk is None else min(chunk, asked.shape[1])
        seen, allow = self.block.look(z, size), None if mask is None else mask[:, :, None]
        if size == asked.shape[1]:
            return self.out(self.block(asked, seen, allow))
        masks = [None] * math.ceil(asked.shape[1] / size) if allow is None else allow.split(size, dim=1)
        pieces = zip(asked.split(size, dim=1), masks, strict=True)
        return torch.cat([self.out(self.block(piece, seen, allowed)) for piece, allowed in pieces], dim=1)

    def weights(self, z: Tensor) -> Float[Tensor, "views queries latents"]:
        """How much each learned query looks at each latent, the mean over heads."""
        return self.block.weights(self._learned(), z)

    def _learned(self) -> Float[Tensor, "1 queries width"]:
        if self.queries is None:
            raise SaccadeError("perceiver: this decoder has no queries of its own; hand them in")
        return self.queries[None]


def draw(linear: nn.Linear) -> None:
    """LeCun's variance, 1 over the channels that go in, from a normal cut at twice its width; no bias."""
    std = linear.in_features**-0.5 / 0.8796  # what the cut takes away
    nn.init.trunc_normal_(linear.weight, std=std, a=-2 * std, b=2 * std)
    nn.init.zeros_(linear.bias)
