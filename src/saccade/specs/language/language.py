"""Language models by their numbers: a sequence → the next token, what it costs, and what it must remember.

Law     every position costs the same matrices; attention grows with the square of the length; the cache grows with
        the length, in layers with a window only up to the window.
Used by every family in ``specs/families``; ``specs/hf_config/language.py`` reads the numbers from a ``config.json``.
Source  prefill and decoding as in arXiv:2211.05102 §2; gated cross-attention: Flamingo, arXiv:2204.14198 §2.2.

Uncounted, as in torch's counter: norms, rotary positions, softmax, sampling. Attention counts its full square although
a causal mask hides half of it; the causal figure is at most half of the attention's share lower.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.layer import LayerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageSpec:
    """``layers`` as runs of equal ones, a table of ``rows`` embeddings, and a head over ``vocabulary`` tokens.

    ``tied`` heads share the table's weights; a ``vocabulary`` of 0 means no head. ``every`` position instead of the
    last is scored by models that keep a vector of each (retrieval). ``held`` counts the weights outside: the final
    norm, position tables, heads that never run. ``cross`` are layers of gated cross-attention between the others.
    ``pooler`` is a matrix over the first position that runs and is not used (BERT's). ``cached`` is False for what
    generates nothing.
    """

    width: int
    layers: tuple[tuple[int, LayerSpec], ...]
    rows: int
    vocabulary: int
    context: int
    tied: bool = False
    head_bias: bool = False
    held: int = 0
    cross: tuple[int, LayerSpec] | None = None
    every: bool = False
    pooler: bool = False
    cached: bool = True

    @property
    def depth(self) -> int:
        """Layers, cross-attention apart."""
        return sum(runs for runs, _ in self.layers)

    def cost(self, length: int, cross_keys: int = 0) -> Cost:
        """Prefill of ``length`` positions, the vocabulary scored at the last one; pictures as ``cross_keys``."""
        stacks = [count.stack(layer.cost(length), runs) for runs, layer in self.layers]
        return count.total(*stacks, self._crossed(length, cross_keys), self._ends(length if self.every else 1))

    def causal(self, length: int, cross_keys: int = 0) -> int:
        """FLOPs of prefill where nothing behind a position is computed, as flash attention does it."""
        saved = 0
        for runs, layer in self.layers:
            near = layer.attention.seen(length)
            pairs = near * (near + 1) // 2 + (length - near) * near
            saved += runs * layer.attention.mix(length * length - pairs).flops
        return self.cost(length, cross_keys).flops - saved

    def token(self, before: int, cross_keys: int = 0) -> Cost:
        """One more position after ``before`` cached ones; keys and values of the pictures are cached too."""
        if not self.cached:
            return Cost()
        stacks = [
            count.stack(layer.cost(1, layer.attention.seen(before + 1)) + layer.attention.unfold(before), runs)
            for runs, layer in self.layers
        ]
        return count.total(*stacks, self._crossed(1, cross_keys, fresh=0), self._ends(1))

    def idle(self, tokens: int) -> int:
        """Weights that a step of ``tokens`` positions does not read: unreached experts, most of the table."""
        table = 0 if self.tied else max(0, self.rows - tokens) * self.width
        return table + sum(runs * layer.feed.idle(tokens) for runs, layer in self.layers)

    def _crossed(self, length: int, keys: int, fresh: int | None = None) -> Cost:
        """The gated layers; ``fresh`` of the keys are projected, all unless given.

        With one picture in view of each position, scores are taken over its keys alone; over several pictures the
        published code takes them over all and masks, which is what is counted.
        """
        if self.cross is None:
            return Cost()
        runs, layer = self.cross
        one = count.total(
            layer.attention.project(length, keys if fresh is None else fresh),
            layer.attention.mix(length * keys),
            layer.feed.cost(length),
            count.weights(layer.norms),
        )
        return count.stack(one, runs)

    def _ends(self, scored: int) -> Cost:
        head = count.linear(scored, self.width, self.vocabulary, bias=self.head_bias)
        table = 0 if self.tied else self.rows * self.width
        pooled = count.linear(1, self.width, self.width) if self.pooler else Cost()
        return count.total(head, pooled, count.weights(table + self.held))

    def kv_bytes(self, length: int, number: int, cross_keys: int = 0) -> int:
        """Keys and values of one sequence of ``length``, and of the pictures where layers cross to them."""
        if not self.cached:
            return 0
        kept = sum(runs * layer.attention.seen(length) * layer.attention.cached for runs, layer in self.layers)
        if self.cross is not None:
            runs, layer = self.cross
            kept += runs * cross_keys * layer.attention.cached
        return kept * number

    def peak(self, lengths: Sequence[int], number: int, *, eager: bool) -> int:
        """Bytes alive at prefill's worst moment, caches apart, for a batch padded to the longest of ``lengths``.

        ``eager`` attention holds its scores, and a mask of numbers that all heads share; without padding ``sdpa`` needs
        no mask, and one that hides padding is not counted. The last position's scores over the vocabulary are alive at
        another moment, with their copy in 4 bytes.
        """
        batch, longest = len(lengths), max(lengths)
        pairs = batch * longest**2 if eager else 0
        worst = 0
        for _, layer in self.layers:
            held = layer.peak(batch * longest, layer.attention.heads * pairs, number)
            worst = max(worst, held + pairs * number)
        scored = batch * longest if self.every else batch
        return max(worst, batch * longest * self.width * number * 2 + scored * self.vocabulary * (number + 4))
