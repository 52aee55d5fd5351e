"""Perceiver: latents read all inputs, think among themselves, and are read by output queries.

Law     latents, whatever the input: N; FLOPs = reading (grows with inputs) + thinking (does not) + answering
        (grows with outputs).
Used by Perceiver (inputs read again before every block) and Perceiver IO (once, and queries answer).
Loses   what the latents did not keep of the inputs.
Source  Perceiver, arXiv:2103.03206; Perceiver IO, arXiv:2107.14795 and its released code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count

Share = Literal["all", "all_but_first", "none"]
"""Which repetitions of a thing are the same weights."""
SHARES: tuple[Share, ...] = ("all", "all_but_first", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class AttendSpec:
    """One block: positions of ``width`` channels look at ``source`` ones (None: at each other), then two matrices.

    x ← x + attention(norm(x), norm(source)), the first x left out without ``residual``; x ← x + feed-forward(norm(x)),
    ``widen`` times as wide inside. Scores have ``qk`` channels (None: as many as what is looked at), values ``v``
    (None: as scores), over all ``heads``. A position that may look at nothing gets nothing ("zero") as in the authors'
    code, or the mean of all it may not look at ("mean") as in transformers. ``lean`` does less for the same
    numbers: see ``folds``.
    """

    width: int
    source: int | None = None
    heads: int = 1
    qk: int | None = None
    v: int | None = None
    widen: int = 1
    residual: bool = True
    act: Literal["gelu_tanh", "gelu"] = "gelu_tanh"
    empty: Literal["zero", "mean"] = "zero"
    lean: bool = True

    def __post_init__(self) -> None:
        for name in ("width", "seen", "heads", "scored", "valued", "widen"):
            if getattr(self, name) < 1:
                raise SaccadeError(f"perceiver: {name} is 1 or more, got {getattr(self, name)}")
        for name, channels in (("qk", self.scored), ("v", self.valued)):
            if channels % self.heads:
                raise SaccadeError(
                    f"perceiver: {self.heads} heads cannot share {channels} channels of {name} evenly; take a divisor, "
                    f"or set {name} to {-(-channels // self.heads) * self.heads}"
                )

    @property
    def seen(self) -> int:
        """Channels of what is looked at."""
        return self.width if self.source is None else self.source

    @property
    def scored(self) -> int:
        """Channels of queries and keys, over all heads."""
        return self.seen if self.qk is None else self.qk

    @property
    def valued(self) -> int:
        """Channels of values, over all heads."""
        return self.scored if self.v is None else self.v

    def folds(self, queries: int, keys: int) -> bool:
        """Whether the matrices of keys and values are cheaper on the queries' side.

        Scores are q (W x) = (q W) x, and a sum of values is W (softmax · x) + b, so both may be applied to queries ×
        heads vectors instead of to every input; a key's bias adds the same to all scores of a query, which softmax
        takes out again. With many inputs: where heads × queries × source is less than (source + queries) × inner.
        """
        if not self.lean or self.source is None:
            return False
        seen, inner = self.seen, self.scored + self.valued
        return queries * seen * inner + 2 * self.heads * queries * keys * seen < keys * (seen + queries) * inner

    def cost(self, queries: int, keys: int | None = None) -> Cost:
        """``queries`` positions over ``keys``, over each other where None."""
        width, seen, inner = self.width, self.seen, self.scored + self.valued
        keys = queries if keys is None else keys
        if self.folds(queries, keys):
            moved = 2 * queries * seen * inner + 4 * self.heads * queries * keys * seen
        else:
            moved = 2 * keys * seen * inner + 2 * queries * keys * inner
        return count.total(
            count.linear(queries, width, self.scored),
            Cost(moved, (seen + 1) * inner),
            count.linear(queries, self.valued, width),
            count.linear(queries, width, self.widen * width),
            count.linear(queries, self.widen * width, width),
            *(count.norm(width) for _ in range(2)),
            count.norm(seen) if self.source is not None else Cost(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverSpec:
    """``latents`` that ``read`` inputs before block 0, ``every``, 2 ``every`` … (None: block 0 alone), and think in
    ``blocks`` of ``layers`` each.

    Blocks, and reads, are the same weights as ``share`` and ``share_reads`` say: Perceiver IO repeats one block and
    reads once; Perceiver reads before every block, the first time with weights of its own.
    """

    latents: int
    read: AttendSpec
    layer: AttendSpec
    blocks: int = 1
    layers: int = 6
    every: int | None = None
    share: Share = "all"
    share_reads: Share = "all"

    def __post_init__(self) -> None:
        if min(self.latents, self.blocks, self.layers, 1 if self.every is None else self.every) < 1:
            raise SaccadeError(
                f"perceiver: latents, blocks, layers and every are 1 or more, got {self.latents}, {self.blocks}, "
                f"{self.layers} and {self.every}"
            )
        if self.read.source is None or self.layer.source is not None:
            raise SaccadeError(
                f"perceiver: latents read a source and think without one, got source {self.read.source} in read and "
                f"{self.layer.source} in layer; give the first the inputs' channels, the second None"
            )
        if self.read.width != self.layer.width:
            raise SaccadeError(
                f"perceiver: latents of {self.read.width} channels read, of {self.layer.width} think; make them equal"
            )
        for name in ("share", "share_reads"):
            if getattr(self, name) not in SHARES:
                raise SaccadeError(f"perceiver: {name} is one of {', '.join(SHARES)}, got {getattr(self, name)!r}")

    @property
    def width(self) -> int:
        """Channels of a latent."""
        return self.read.width

    @property
    def source(self) -> int:
        """Channels of an input."""
        return self.read.seen

    @property
    def reads(self) -> int:
        """How often the inputs are read."""
        return 1 if self.every is None else -(-self.blocks // self.every)

    def cost(self, inputs: int) -> Cost:
        """``inputs`` once."""
        read, block = self.read.cost(self.latents, inputs), count.stack(self.layer.cost(self.latents), self.layers)
        return count.total(
            count.weights(self.latents * self.width),
            Cost(read.flops * self.reads, read.params * distinct(self.share_reads, self.reads)),
            Cost(block.flops * self.blocks, block.params * distinct(self.share, self.blocks)),
        )

    def peak(self, inputs: Sequence[int], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: inputs and the same normed, with what else is made of them.

        That is keys and values where reading does not fold, and with ``eager`` the scores of all heads.
        """
        keys = sum(inputs)
        folded = all(self.read.folds(self.latents, one) for one in inputs)
        made = 0 if folded else self.read.scored + self.read.valued
        scores = self.read.heads * keys * self.latents * (number + 8) if eager else 0
        return keys * (2 * self.source + made) * number + scores


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeSpec:
    """Queries look at ``latents`` through ``block``, and are mapped to ``out`` channels (0: they stay as they are).

    ``queries`` are learned; 0 where they come from outside.
    """

    latents: int
    block: AttendSpec
    queries: int = 1
    out: int = 0

    def __post_init__(self) -> None:
        if self.latents < 1 or min(self.queries, self.out) < 0:
            raise SaccadeError(
                f"perceiver: a decoder has latents, 1 or more, and 0 or more queries and out, got {self.latents}, "
                f"{self.queries} and {self.out}"
            )
        if self.block.source is None:
            raise SaccadeError("perceiver: queries look at latents; give the decoder's block their channels as source")

    @property
    def width(self) -> int:
        """Channels of an answer."""
        return self.out or self.block.width

    def cost(self, queries: int | None = None) -> Cost:
        """One answer to every one of ``queries``, the learned ones unless told."""
        asked = self.queries if queries is None else queries
        last = count.linear(asked, self.block.width, self.out) if self.out else Cost()
        return count.total(
            count.weights(self.queries * self.block.width), self.block.cost(asked, self.latents), last
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryHeadSpec:
    """A decoder behind a tower of latents: it answers, and the latents stay the tokens."""

    decoder: DecodeSpec

    def tokens(self, grid: Grid) -> int:
        """Latents, whatever the input."""
        del grid
        return self.decoder.latents

    def grid_out(self, grid: Grid) -> None:
        """A learned query has no place."""
        del grid

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        del grid
        return self.decoder.cost()

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment."""
        del eager
        return len(grids) * self.decoder.latents * 4 * self.decoder.block.seen * number


def distinct(share: Share, times: int) -> int:
    """How many sets of weights ``times`` repetitions have."""
    return {"all": 1, "all_but_first": min(times, 2), "none": times}[share]
