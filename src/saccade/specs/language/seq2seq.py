"""Encoder-decoder language models: a sequence that is read both ways, and an answer that crosses to it.

Law     the prompt costs the encoder's matrices at every position and its full square of attention, once; a token of
        the answer costs the decoder's, and attention over the answer so far and over the prompt.
Used by BLIP-2 and InstructBLIP with FLAN-T5.
Source  T5, arXiv:1910.10683; gated feed-forward and a head of its own: T5 v1.1, arXiv:2002.05202; field names as in the
        ``config.json`` that transformers writes.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn, cast

from saccade.core.errors import SaccadeError, unknown
from saccade.core.plan import Cost
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.laws import count
from saccade.specs.laws.layer import AttentionSpec, FeedForwardSpec

T5: Json = {
    "vocab_size": 32_128, "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8,
    "relative_attention_num_buckets": 32, "feed_forward_proj": "relu", "pad_token_id": 0, "eos_token_id": 1,
    "n_positions": 512,
}  # fmt: skip
"""What T5's class means by silence; ``n_positions`` is none of its fields: what every T5 was trained on."""


@dataclass(frozen=True, kw_only=True)
class Seq2SeqSpec:
    """A T5 of ``transformers`` by its ``config`` (JSON text)."""

    config: str

    def __post_init__(self) -> None:
        kind = str(self.fields.data.get("model_type"))
        if kind != "t5":
            raise unknown("encoder-decoder", kind, ("t5",))

    @cached_property
    def fields(self) -> Fields:
        """The parsed config, with T5's defaults behind it."""
        parsed = json.loads(self.config)
        if not isinstance(parsed, dict):
            raise SaccadeError(f"a language model's config is a JSON object, got {type(parsed).__name__}")
        return Fields(cast(Json, parsed), "the language model's config", T5)

    @property
    def width(self) -> int:
        """Channels of a position."""
        return self.fields.positive("d_model")

    @property
    def layers(self) -> None:
        """None: cross-attention stands between the layers of a causal model alone."""
        return None

    @property
    def vocabulary(self) -> int:
        """Tokens known."""
        return self.fields.positive("vocab_size")

    @property
    def depths(self) -> tuple[int, int]:
        """Layers of the encoder and of the decoder."""
        layers = self.fields.positive("num_layers")
        return layers, self.fields.positive("num_decoder_layers", default=layers)

    @property
    def tied(self) -> bool:
        """Whether the embeddings are the output matrix too, as before T5 v1.1 (FLAN-T5 has a head of its own).

        A published config says it outright. One that transformers wrote always says yes, and keeps what was
        published under ``scale_decoder_outputs``: only tied heads want their input scaled.
        """
        return self.fields.flag("tie_word_embeddings", True) and self.fields.flag("scale_decoder_outputs", True)

    @property
    def start(self) -> int:
        """The id that stands before every answer."""
        return self.fields.number("decoder_start_token_id", "pad_token_id")

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids that end an answer, the usual one first."""
        several = isinstance(self.fields.get("eos_token_id"), list)
        ends = self.fields.numbers("eos_token_id") if several else (self.fields.number("eos_token_id"),)
        if not ends:
            raise SaccadeError("the language model's config needs at least one 'eos_token_id', got an empty list")
        return ends

    @property
    def context(self) -> int:
        """Positions that it was trained on; relative positions go on for ever, so more are read, but worse."""
        return self.fields.positive("n_positions")

    @property
    def numbers(self) -> NoReturn:
        """No ``LanguageSpec``: that one reads and writes in the same layers."""
        raise SaccadeError(
            "encoder-decoder language models are not planned yet; take their cost() and token(), or plan a causal one"
        )

    def cost(self, length: int, written: int = 1) -> Cost:
        """A prompt of ``length`` positions through the encoder, and ``written`` of an answer through the decoder."""
        read, write = self.depths
        attention, feed = self._attention, self._feed
        reading = count.total(self._attend(length, length, length), feed.cost(length), count.weights(2 * self.width))
        writing = count.total(
            self._attend(written, written, written),
            self._attend(written, length, length),
            feed.cost(written),
            count.weights(3 * self.width),
        )
        biases = 2 * self.fields.positive("relative_attention_num_buckets") * attention.heads
        table = 0 if self.tied else self.vocabulary * self.width
        return count.total(
            count.stack(reading, read),
            count.stack(writing, write),
            count.weights(2 * self.width + biases + table),
            count.linear(written, self.width, self.vocabulary, bias=False),
        )

    def token(self, length: int, before: int) -> Cost:
        """One more token after ``before`` cached ones; the prompt's keys and values are cached too."""
        one = count.total(self._attend(1, 1, before + 1), self._attend(1, 0, length), self._feed.cost(1))
        head = count.linear(1, self.width, self.vocabulary, bias=False)
        return Cost(count.stack(one, self.depths[1]).flops + head.flops, self.cost(0).params)

    def kv_bytes(self, length: int, written: int, number: int) -> int:
        """Keys and values of one prompt of ``length`` and of its answer so far, ``number`` bytes each."""
        return self.depths[1] * (length + written) * self._attention.cached * number

    def _attend(self, queries: int, fresh: int, keys: int) -> Cost:
        """Attention from ``queries`` over ``keys``, of which ``fresh`` are projected."""
        return self._attention.project(queries, fresh) + self._attention.mix(queries * keys)

    @property
    def _attention(self) -> AttentionSpec:
        heads = self.fields.positive("num_heads")
        return AttentionSpec(width=self.width, heads=heads, head=self.fields.positive("d_kv"), kv_heads=heads)

    @property
    def _feed(self) -> FeedForwardSpec:
        gated = self.fields.text("feed_forward_proj").startswith("gated-")
        return FeedForwardSpec(width=self.width, middle=self.fields.positive("d_ff"), gated=gated)
