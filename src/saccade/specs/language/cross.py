"""Gated cross-attention: blocks between the layers of a frozen language model, through which it reads pictures.

    y = x + tanh(a) · attention(norm(x), tokens)
    z = y + tanh(b) · feed_forward(norm(y))         then the layer itself

Law     no visual token enters the sequence; a block costs its matrices at every position, and attention over the
        tokens of the one picture that a position looks at. Gates start at zero, so that the language model starts as
        it was.
Used by Flamingo, OpenFlamingo, IDEFICS.
Loses   nothing of the language model; of the pictures, all but the last one before a position, unless ``sees`` is
        ``all``: what earlier pictures said reaches later text through the language model alone.
Source  Flamingo, arXiv:2204.14198 §2.2 and appendix A.1; OpenFlamingo, arXiv:2308.01390, and its code; IDEFICS as in
        its transformers class. ``survey`` is the gate as the survey writes it, α·x + tanh(β)·attention(x): no published
        system has it, and a frozen language model does not survive an α far from 1 (``docs/log.md``).
"""

from dataclasses import dataclass
from typing import Literal

from saccade.core.errors import SaccadeError
from saccade.specs.laws.layer import AttentionSpec, FeedForwardSpec, LayerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossSpec:
    """Blocks before layers ``offset``, ``offset + every`` … of a language model of ``depth`` layers and ``width``.

    They read tokens of ``source`` channels with ``heads`` heads of ``head``. ``middle`` and ``act`` are the
    feed-forward's (``silu`` is gated by a third matrix, ``relu2`` is the square of ReLU). ``gates`` are one number a
    half or one a channel. ``sees`` says which pictures a position reads: the ``last`` one before it, or ``all`` of
    those. A position after the token ``reset`` (packed documents) sees none until the next picture. ``idle`` says what
    blocks do to a prompt without pictures: nothing, or, as in IDEFICS, their feed-forward all the same.
    """

    width: int
    source: int
    depth: int
    heads: int
    head: int
    middle: int
    every: int = 1
    offset: int = 0
    act: Literal["gelu", "relu2", "silu"] = "gelu"
    norm: Literal["layer", "rms"] = "layer"
    eps: float = 1e-5
    qk_norm: bool = False
    gates: Literal["scalar", "vector"] = "scalar"
    form: Literal["published", "survey"] = "published"
    sees: Literal["last", "all"] = "last"
    reset: int | None = None
    idle: Literal["passed", "fed"] = "passed"

    def __post_init__(self) -> None:
        if self.every < 1 or not 0 <= self.offset < self.every:
            raise SaccadeError(
                f"gated blocks stand before every {self.every}-th layer from layer {self.offset} on; take every >= 1 "
                "and an offset from 0 to every - 1"
            )
        if not self.places:
            raise SaccadeError(
                f"a language model of {self.depth} layers has no layer {self.offset} to put a block before; "
                "lower every or offset"
            )

    @property
    def places(self) -> tuple[int, ...]:
        """The layers with a block before them, from 0."""
        return tuple(range(self.offset, self.depth, self.every))

    @property
    def inner(self) -> int:
        """Channels of all heads."""
        return self.heads * self.head

    @property
    def block(self) -> LayerSpec:
        """One block, as language models count it. The survey's has no feed-forward."""
        survey = self.form == "survey"
        gate = self.width if self.gates == "vector" else 1
        norm = self.width * (2 if self.norm == "layer" else 1)
        return LayerSpec(
            attention=AttentionSpec(
                width=self.width, heads=self.heads, head=self.head, kv_heads=self.heads, source=self.source
            ),
            feed=FeedForwardSpec(width=self.width, middle=0 if survey else self.middle, gated=self.act == "silu"),
            norms=norm * (1 if survey else 2) + 2 * gate + (2 * self.head if self.qk_norm else 0),
        )
