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
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.hf_config.language import DEFAULTS, language
from saccade.specs.hf_config.language_plain import BLOOM_CONTEXT
from saccade.specs.language.language import LanguageSpec

_GPT = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "max_position_embeddings": "n_positions"}
NAMES: dict[str, dict[str, str]] = {
    "opt": {"embedding": "word_embed_proj_dim"},
    "mpt": {"hidden_size": "d_model", "num_hidden_layers": "n_layers", "max_position_embeddings": "max_seq_len"},
    "bloom": {"hidden_size": "n_embed", "num_hidden_layers": "n_layer", "max_position_embeddings": "seq_length"},
    "gptj": _GPT,
    "gpt2": _GPT,
    "gpt_neo": {"num_hidden_layers": "num_layers"},
}
"""What a type calls a number by a name of its own; the usual name is understood too."""

MPT: Json = {"expansion_ratio": 4, "no_bias": True, "logit_scale": None}
MPT_ATTENTION: Json = {
    "attn_type": "multihead_attention", "alibi": True, "alibi_bias_max": 8, "qk_ln": False, "prefix_lm": False,
}  # fmt: skip
"""MPT's config speaks of more than its class does; with other values than these a checkpoint would be misread."""


@dataclass(frozen=True, kw_only=True)
class DecoderSpec:
    """Any ``transformers`` causal language model by its ``config`` (JSON text); costs for the types in ``dialects``."""

    config: str

    def __post_init__(self) -> None:
        if self._known.data.get("alibi"):
            raise SaccadeError(
                f"{self.model_type!r} with slopes in place of positions (alibi) takes none; take another language model"
            )
        if self.model_type != "mpt":
            return
        for fields, known in (self._known, MPT), (self._known.sub("attn_config"), MPT_ATTENTION):
            for name, value in known.items():
                if fields.data.get(name, value) != value:
                    raise SaccadeError(
                        f"{fields.place}: transformers' mpt computes {name!r} of {value!r} and ignores "
                        f"{fields.data[name]!r}; take another language model"
                    )

    @cached_property
    def fields(self) -> dict[str, object]:
        """The parsed config."""
        parsed = json.loads(self.config)
        if not isinstance(parsed, dict):
            raise SaccadeError(f"a language model's config is a JSON object, got {type(parsed).__name__}")
        return parsed

    def _number(self, name: str, default: int | None = None) -> int:
        own = NAMES.get(self.model_type, {}).get(name)
        value = None if own is None else self.fields.get(own)
        value = self.fields.get(name, default) if value is None else value
        if not isinstance(value, int):
            raise SaccadeError(f"the language model's config needs a whole number {name!r}, got {value!r}")
        return value

    @property
    def model_type(self) -> str:
        """As in the config."""
        return str(self.fields.get("model_type"))

    @property
    def width(self) -> int:
        """Channels of the vectors that go in: those of the embeddings."""
        return self._number("embedding", default=self.inner)

    @property
    def inner(self) -> int:
        """Channels of a position between the layers: ``width``, except in OPT-350m."""
        return self._number("hidden_size")

    @property
    def layers(self) -> int:
        """Layers that blocks of cross-attention may stand between."""
        return self.depth

    @property
    def vocabulary(self) -> int:
        """Tokens known."""
        return self._number("vocab_size")

    @property
    def experts(self) -> int:
        """Routed experts of a layer that has some."""
        return self._number("n_routed_experts")

    @property
    def depth(self) -> int:
        """Layers."""
        return self._number("num_hidden_layers")

    @property
    def tied(self) -> bool:
        """Whether the embeddings are the output matrix too; where the config is silent, its class decides."""
        if self.model_type not in DEFAULTS and self.fields.get("tie_word_embeddings") is None:
            raise SaccadeError(
                f"the language model's config must say 'tie_word_embeddings': what {self.model_type!r} means by "
                "silence is not known here"
            )
        return self._known.flag("tie_word_embeddings")

    @property
    def self_placed(self) -> bool:
        """Whether the model numbers positions itself, by slopes over its keys (ALiBi), and takes none from outside."""
        return self.model_type in ("bloom", "mpt")

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
        """Positions that the model was made for; slopes go on for ever, so BLOOM's is what it was trained on."""
        return self._number("max_position_embeddings", default=BLOOM_CONTEXT if self.model_type == "bloom" else None)

    @cached_property
    def numbers(self) -> LanguageSpec:
        """What it costs and remembers. Raises SaccadeError for types without a cost law."""
        return language(self._known, self.model_type)

    @property
    def _known(self) -> Fields:
        return Fields(self.fields, "the language model's config", DEFAULTS.get(self.model_type))

    def cost(self, length: int) -> Cost:
        """Prefill of one sequence of ``length`` positions, the vocabulary scored at the last one only."""
        return self.numbers.cost(length)
