"""Language models: a sequence → the next token.

Law     every position costs the same matrices; attention grows with the square of the length.
Source  field names as in the ``config.json`` that transformers writes.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.specs.dialects import language
from saccade.specs.fields import Fields
from saccade.specs.language import LanguageSpec


@dataclass(frozen=True, kw_only=True)
class DecoderSpec:
    """Any ``transformers`` causal language model by its ``config`` (JSON text); costs for the types in ``dialects``."""

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
    def context(self) -> int:
        """Positions that the model was made for."""
        return self._number("max_position_embeddings")

    @cached_property
    def numbers(self) -> LanguageSpec:
        """What it costs and remembers. Raises SaccadeError for types without a cost law."""
        return language(Fields(self.fields, "the language model's config"), self.model_type)

    def cost(self, length: int) -> Cost:
        """Prefill of one sequence of ``length`` positions, the vocabulary scored at the last one only."""
        return self.numbers.cost(length)
