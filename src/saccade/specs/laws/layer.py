"""One transformer layer, counted: attention, feed-forward, norms.

Every tower and language model here is a stack of these, so each formula stands once.

Law     a layer costs the same matrices at every position; attention grows with queries × keys.
Source  Attention: arXiv:1706.03762; grouped keys and values: GQA, arXiv:2305.13245; latent attention and routed
        experts: DeepSeek-V2, arXiv:2405.04434; names as in the ``config.json`` that transformers writes.
"""

from dataclasses import dataclass
from functools import cached_property

from saccade.core.plan import Cost
from saccade.specs.laws import count

QUICK = "quick_gelu"
"""The activation of CLIP and Qwen2-VL unless their JSON says otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttentionSpec:
    """``heads`` query heads of ``head`` channels over ``kv_heads`` shared ones, on positions of ``width`` channels.

    ``bias`` stands on queries, keys and values, ``bias_out`` on the output. ``source`` is the width of what keys and
    values are made from, where that is not the sequence itself. ``window`` bounds how far back a position looks.
    """

    width: int
    heads: int
    head: int
    kv_heads: int
    bias: bool = False
    bias_out: bool = False
    source: int | None = None
    window: int | None = None

    @property
    def inner(self) -> int:
        """Channels of all query heads."""
        return self.heads * self.head

    @property
    def cached(self) -> int:
        """Numbers that a position leaves in the cache."""
        return 2 * self.kv_heads * self.head

    @property
    def live(self) -> int:
        """Numbers a position that attention makes: queries, keys, values and the output."""
        return 2 * self.inner + self.cached

    def seen(self, length: int) -> int:
        """How many of ``length`` positions the cache must keep."""
        return length if self.window is None else min(length, self.window)

    def unfold(self, keys: int) -> Cost:
        """Cached keys and values are ready to use."""
        del keys
        return Cost()

    def project(self, queries: int, keys: int) -> Cost:
        """The four matrices."""
        source = self.width if self.source is None else self.source
        inward = count.linear(keys, source, self.kv_heads * self.head, bias=self.bias)
        return count.total(
            count.linear(queries, self.width, self.inner, bias=self.bias),
            inward,
            inward,
            count.linear(queries, self.inner, self.width, bias=self.bias_out),
        )

    def mix(self, pairs: int) -> Cost:
        """Scores and weighted sums for ``pairs`` of query and key."""
        return count.attention(pairs, 1, self.inner)


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentAttentionSpec:
    """DeepSeek's latent attention: keys and values unfold from ``latent`` channels, ``rotary`` channels are shared.

    ``query`` is the rank of the queries, None for a plain matrix; ``head`` the channels of keys without position and
    ``value`` those of values. The latent is cached, and unfolded again for all positions at every token, as
    transformers does; servers that fold the unfolding into the queries save that.
    """

    width: int
    heads: int
    head: int
    rotary: int
    value: int
    latent: int
    query: int | None = None
    bias: bool = False

    @property
    def window(self) -> None:
        """Everything before is seen."""
        return None

    @property
    def cached(self) -> int:
        """Numbers that a position leaves in the cache: the latent and the shared rotary part."""
        return self.latent + self.rotary

    @property
    def live(self) -> int:
        """Numbers a position that attention makes: queries, keys, values and the output."""
        return self.heads * 2 * (self.head + self.rotary + self.value)

    def unfold(self, keys: int) -> Cost:
        """What a further token pays for ``keys`` cached positions beside attention itself."""
        return Cost(count.linear(keys, self.latent, self.heads * (self.head + self.value), bias=False).flops)

    def seen(self, length: int) -> int:
        """How many of ``length`` positions the cache must keep."""
        return length

    def project(self, queries: int, keys: int) -> Cost:
        """Down, norm and up for queries and for keys with values, and the output."""
        wide = self.heads * (self.head + self.rotary)
        if self.query is None:
            asked = count.linear(queries, self.width, wide, bias=False)
        else:
            asked = count.total(
                count.linear(queries, self.width, self.query, bias=self.bias),
                count.norm(self.query, bias=False),
                count.linear(queries, self.query, wide, bias=False),
            )
        return count.total(
            asked,
            count.linear(keys, self.width, self.latent + self.rotary, bias=self.bias),
            count.norm(self.latent, bias=False),
            count.linear(keys, self.latent, self.heads * (self.head + self.value), bias=False),
            count.linear(queries, self.heads * self.value, self.width, bias=self.bias),
        )

    def mix(self, pairs: int) -> Cost:
        """Scores over keys with their rotary part, sums over values."""
        return Cost(2 * pairs * self.heads * (self.head + self.rotary + self.value))


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedForwardSpec:
    """Two matrices around an activation, three where it is ``gated``.

    CLIP's ``quick`` GELU, x · σ(1.702 x), is computed in steps, which hold one ``middle`` more than GELU itself.
    """

    width: int
    middle: int
    gated: bool = False
    bias: bool = False
    quick: bool = False

    @property
    def live(self) -> int:
        """Numbers a position at the worst moment: before and after the activation; its inner step, or the product."""
        return self.middle * (3 if self.gated or self.quick else 2)

    def idle(self, tokens: int) -> int:
        """Every position reads every weight."""
        del tokens
        return 0

    def cost(self, tokens: int) -> Cost:
        """All positions."""
        up = count.linear(tokens, self.width, self.middle, bias=self.bias)
        down = count.linear(tokens, self.middle, self.width, bias=self.bias)
        return count.total(up, up, down) if self.gated else up + down


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertsSpec:
    """Routed experts: each position goes through ``active`` of ``experts``, and through one shared expert.

    ``shared`` is the shared expert's middle width, 0 for none. Only experts that run count FLOPs; all are held.
    """

    width: int
    middle: int
    experts: int
    active: int
    shared: int = 0

    @property
    def live(self) -> int:
        """Numbers a position at the worst moment."""
        return 3 * max(self.middle * self.active, self.shared)

    def idle(self, tokens: int) -> int:
        """Weights of experts that ``tokens`` positions cannot reach, however they are routed."""
        one = FeedForwardSpec(width=self.width, middle=self.middle, gated=True).cost(0).params
        return one * max(0, self.experts - self.active * tokens)

    def cost(self, tokens: int) -> Cost:
        """All positions: router, chosen experts, shared expert."""
        one = FeedForwardSpec(width=self.width, middle=self.middle, gated=True).cost(tokens)
        return count.total(
            count.linear(tokens, self.width, self.experts, bias=False),
            Cost(one.flops * self.active, one.params * self.experts),
            FeedForwardSpec(width=self.width, middle=self.shared, gated=True).cost(tokens) if self.shared else Cost(),
        )


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """Attention, then feed-forward; ``norms`` are the weights of the layer's norms and scales."""

    attention: AttentionSpec | LatentAttentionSpec
    feed: FeedForwardSpec | ExpertsSpec
    norms: int

    @property
    def width(self) -> int:
        """Channels of a position."""
        return self.attention.width

    @property
    def live(self) -> int:
        """Numbers a position at the layer's worst moment, scores apart: what ``peak`` names."""
        return 3 * self.width + max(self.attention.live, self.width + self.feed.live)

    @cached_property
    def _position(self) -> Cost:
        """One position, attention's pairs apart: everything else is the same at each."""
        return count.total(self.attention.project(1, 1), self.feed.cost(1), count.weights(self.norms))

    def cost(self, length: int, pairs: int | None = None) -> Cost:
        """``length`` positions; ``pairs`` of query and key, the full square unless given."""
        one, seen = self._position, length * length if pairs is None else pairs
        return Cost(one.flops * length + self.attention.mix(seen).flops, one.params)

    def peak(self, length: int, scores: int, number: int) -> int:
        """Bytes alive at the worst moment of ``length`` positions: in attention, or in the feed-forward behind it.

        All along there are the input of the first layer (held by who called the stack), that of this one, and its norm;
        in the feed-forward also the sum between the halves. ``scores`` is the number of attention scores that are held
        (0 where none are): by attention as ``softmax_bytes`` says, and once by the feed-forward, since the layers of
        transformers hand them out. Rotary tables are not counted.
        """
        mixed = length * self.attention.live * number + softmax_bytes(scores, number)
        fed = length * (self.width + self.feed.live) * number + scores * number
        return length * 3 * self.width * number + max(mixed, fed)


def softmax_bytes(scores: int, number: int) -> int:
    """Bytes of attention ``scores`` while softmax runs: before and after it, in single precision.

    Shorter numbers are held as they were beside both.
    """
    return scores * (number + (8 if number < 4 else 4))


def plain(
    width: int,
    heads: int,
    middle: int,
    *,
    bias: bool = True,
    gated: bool = False,
    quick: bool = False,
    norms: int | None = None,
) -> LayerSpec:
    """The ordinary vision layer: all heads alike, biases everywhere or nowhere, two norms with shift."""
    attention = AttentionSpec(width=width, heads=heads, head=width // heads, kv_heads=heads, bias=bias, bias_out=bias)
    feed = FeedForwardSpec(width=width, middle=middle, gated=gated, bias=bias, quick=quick)
    return LayerSpec(attention=attention, feed=feed, norms=4 * width if norms is None else norms)
