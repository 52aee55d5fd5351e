"""Language models: a sequence → the next token.

Law     every position costs the same matrices; attention grows with the square of the length.
Source  field names as in the ``config.json`` that transformers writes.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from saccade.core.errors import SaccadeError, unknown
from saccade.core.plan import Cost
from saccade.specs import count

GATED = ("llama", "mistral", "qwen2", "qwen3")
"""Model types with a cost law here: rotary positions, RMSNorm, a gated feed-forward of three matrices."""


@dataclass(frozen=True, kw_only=True)
class DecoderSpec:
    """Any ``transformers`` causal language model by its ``config`` (JSON text); costs for ``GATED`` types."""

    config: str

    @cached_property
    def fields(self) -> dict[str, object]:
        """The parsed config."""
        parsed = json.loads(self.config)
        if not isinstance(parsed, dict):
            raise SaccadeError(f"a language model's config is a JSON object, got {type(parsed).__name__}")
        return parsed

    def _number(self, name: str, default: int | None = None) -> int:
        value = self.fields.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int):
            raise SaccadeError(f"the language model's config needs a whole number {name!r}, got {value!r}")
        return value

    @property
    def model_type(self) -> str:
        """As in the config."""
        return str(self.fields.get("model_type"))

    @property
    def width(self) -> int:
        """Channels of a position."""
        return self._number("hidden_size")

    @property
    def vocabulary(self) -> int:
        """Tokens known."""
        return self._number("vocab_size")

    @property
    def depth(self) -> int:
        """Layers."""
        return self._number("num_hidden_layers")

    @property
    def _widths(self) -> tuple[int, int]:
        """Widths of all query heads and of all key-value heads."""
        heads = self._number("num_attention_heads")
        return heads * self._head, self._number("num_key_value_heads", heads) * self._head

    @property
    def _head(self) -> int:
        """Width of a head; where the config is silent, Qwen3 means 128 and the others a share of the width."""
        share = self.width // self._number("num_attention_heads")
        return self._number("head_dim", 128 if self.model_type == "qwen3" else share)

    @property
    def tied(self) -> bool:
        """Whether the embeddings are the output matrix too."""
        return bool(self.fields.get("tie_word_embeddings"))

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids that end an answer, the usual one first."""
        ids = self.fields.get("eos_token_id")
        found = cast(list[object], ids) if isinstance(ids, list) else [ids]
        ends = tuple(number for number in found if isinstance(number, int))
        if not ends:
            raise SaccadeError(f"the language model's config needs a whole number 'eos_token_id', got {ids!r}")
        return ends

    @property
    def _biases(self) -> tuple[bool, bool, bool]:
        """Whether queries, keys and values have a bias, the attention's output, and the feed-forward."""
        if self.model_type in ("mistral", "qwen2"):
            return self.model_type == "qwen2", False, False
        attention = bool(self.fields.get("attention_bias"))
        return attention, attention, self.model_type == "llama" and bool(self.fields.get("mlp_bias"))

    @property
    def context(self) -> int:
        """Positions that the model was made for."""
        return self._number("max_position_embeddings")

    def cost(self, length: int) -> Cost:
        """Prefill of one sequence of ``length`` positions, the vocabulary scored at the last one only."""
        if self.model_type not in GATED:
            raise unknown("language model with a cost law", self.model_type, GATED)
        queries, keys = self._widths
        middle = self._number("intermediate_size")
        inward, outward, mlp = self._biases
        block = count.total(
            count.linear(length, self.width, queries, bias=inward),
            count.linear(length, self.width, keys, bias=inward),
            count.linear(length, self.width, keys, bias=inward),
            count.linear(length, queries, self.width, bias=outward),
            count.attention(length, length, queries),
            count.linear(length, self.width, middle, bias=mlp),
            count.linear(length, self.width, middle, bias=mlp),
            count.linear(length, middle, self.width, bias=mlp),
            count.norm(self.width, bias=False),
            count.norm(self.width, bias=False),
            count.norm(2 * self._head if self.model_type == "qwen3" else 0, bias=False),
        )
        head = count.linear(1, self.width, self.vocabulary, bias=False)
        table = count.weights(0 if self.tied else self.width * self.vocabulary)
        final = count.norm(self.width, bias=False)
        return count.total(count.stack(block, self.depth), head, table, final)

    def cache_bytes(self, length: int, number: int = 4) -> int:
        """Keys and values of one sequence, ``number`` bytes each."""
        return 2 * self.depth * length * self._widths[1] * number
