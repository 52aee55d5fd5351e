"""BERT's layer in parts: attention, attention to something else, and feed-forward, each normalised behind its sum.

Source: BERT, arXiv:1810.04805; the folded form is plain algebra, see ``specs/connectors/qformer.py``.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.specs.connectors.qformer import AT_ONCE

Pair = tuple[Float[Tensor, "_ heads _ head"], Float[Tensor, "_ heads _ head"]]
"""Keys and values of views or texts: one row of them where all are the same."""


class SelfAttention(nn.Module):
    """Queries, keys and values by one matrix; x ← norm(x + out(attention(x)))."""

    def __init__(self, width: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(
        self,
        x: Float[Tensor, "views length width"],
        allow: Bool[Tensor, "#views 1 #length seen"] | None = None,
        *,
        before: Pair | None = None,
        rows: int | None = None,
    ) -> tuple[Float[Tensor, "views rows width"], Pair]:
        """The first ``rows`` positions, all of them unless told, and this layer's keys and values of every position.

        ``before`` are keys and values of positions in front of these. ``allow`` says who sees whom, everyone everyone
        where it is None.
        """
        if rows is None or rows == x.shape[1]:
            asked, key, value = self.qkv(x).chunk(3, dim=-1)
        else:
            weight, bias, width = self.qkv.weight, self.qkv.bias, x.shape[2]
            key, value = F.linear(x, weight[width:], bias[width:]).chunk(2, dim=-1)
            x, allow = x[:, :rows], None if allow is None else allow[:, :, :rows]
            asked = F.linear(x, weight[:width], bias[:width])
        key, value = own = split(key, self.heads), split(value, self.heads)
        if before is not None:
            key, value = (
                torch.cat([one.expand(len(x), -1, -1, -1), other], dim=2)
                for one, other in zip(before, own, strict=True)
            )
        mixed = F.scaled_dot_product_attention(split(asked, self.heads), key, value, attn_mask=allow)
        return self.norm(x + self.out(join(mixed))), own


class CrossAttention(nn.Module):
    """x ← norm(x + out(attention(x → something else))), whose keys and values come from outside."""

    def __init__(self, width: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Float[Tensor, "#views queries width"], pair: Pair) -> Float[Tensor, "views queries width"]:
        """Over keys and values that are ready; one row of queries may serve all views."""
        asked = split(self.query(x), self.heads).expand(len(pair[0]), -1, -1, -1)
        return self.norm(x + self.out(join(F.scaled_dot_product_attention(asked, *pair))))

    def folded(
        self,
        x: Float[Tensor, "#views queries width"],
        patches: Float[Tensor, "views patches source"],
        weight: Float[Tensor, "stacked source"],
        bias: Float[Tensor, " stacked"],
    ) -> Float[Tensor, "views queries width"]:
        """The same over ``patches`` whose keys and values would be ``weight`` and ``bias``, without making them."""
        key, value = weight.unflatten(0, (2, self.heads, -1))  # each: heads head source
        _, shift = bias.unflatten(0, (2, -1))
        scale = key.shape[1] ** -0.5
        asked = split(self.query(x) * scale, self.heads).expand(len(patches), -1, -1, -1)
        size = AT_ONCE if patches.device.type == "cpu" else len(patches)
        read = [
            self._folded(ours, theirs, key, value)
            for ours, theirs in zip(asked.split(size), patches.split(size), strict=True)
        ]
        return self.norm(x + self.out(join(torch.cat(read)) + shift))

    def _folded(
        self,
        asked: Float[Tensor, "views heads queries head"],
        patches: Float[Tensor, "views patches source"],
        key: Float[Tensor, "heads head source"],
        value: Float[Tensor, "heads head source"],
    ) -> Float[Tensor, "views heads queries head"]:
        """A few views: q W to every patch, and what was seen of the patches through the values' matrix."""
        scores = torch.matmul(per_head(asked, key).flatten(1, 2), patches.mT).softmax(dim=-1)
        seen = torch.matmul(scores, patches).unflatten(1, (self.heads, -1))
        return per_head(seen, value.mT)

    def weights(
        self, x: Float[Tensor, "#views queries width"], keys: Float[Tensor, "views heads patches head"]
    ) -> Float[Tensor, "views queries patches"]:
        """How much each query looks at each key, the mean over heads."""
        asked = split(self.query(x), self.heads)
        scores = torch.matmul(asked, keys.mT) * asked.shape[-1] ** -0.5
        return scores.softmax(dim=-1).mean(dim=1)


class BertFeedForward(nn.Module):
    """x ← norm(x + narrow(gelu(widen(x))))."""

    def __init__(self, width: int, middle: int, eps: float) -> None:
        super().__init__()
        self.widen = nn.Linear(width, middle)
        self.narrow = nn.Linear(middle, width)
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Float[Tensor, "views length width"]) -> Float[Tensor, "views length width"]:
        """Position by position."""
        return self.norm(x + self.narrow(F.gelu(self.widen(x))))


class BertLayer(nn.Module):
    """Self-attention, attention to patches where it ``reads``, and a feed-forward each for queries and ``words``."""

    def __init__(self, width: int, heads: int, middle: int, eps: float, *, reads: bool, words: bool) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, eps)
        self.cross = CrossAttention(width, heads, eps) if reads else None
        self.feed = BertFeedForward(width, middle, eps)
        self.feed_text = BertFeedForward(width, middle, eps) if words else None


@final
@dataclass(frozen=True, slots=True)
class Keys:
    """Keys and values of views' patches for all layers that read them: made once, read as often as wanted."""

    pairs: Float[Tensor, "views patches stacked"]
    heads: int
    layers: int

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, index: Int[Tensor, " rows"]) -> "Keys":
        """The views of these numbers, in this order, as often as they are named."""
        return Keys(self.pairs.index_select(0, index), self.heads, self.layers)

    def pair(self, layer: int) -> Pair:
        """Of one reading layer."""
        key, value = self.pairs.chunk(2 * self.layers, dim=-1)[2 * layer : 2 * layer + 2]
        return split(key, self.heads), split(value, self.heads)


def per_head(
    x: Float[Tensor, "views heads length inside"], weight: Float[Tensor, "heads inside outside"]
) -> Float[Tensor, "views heads length outside"]:
    """A matrix for each head, one product a head: left to broadcast, torch makes one a view and head."""
    views = len(x)
    made = torch.bmm(x.transpose(0, 1).flatten(1, 2), weight)
    return made.unflatten(1, (views, -1)).transpose(0, 1)


def split(x: Float[Tensor, "views length width"], heads: int) -> Float[Tensor, "views {heads} length head"]:
    """Channels to heads."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def join(x: Float[Tensor, "views heads length head"]) -> Float[Tensor, "views length width"]:
    """Heads to channels."""
    return x.transpose(1, 2).flatten(2)
