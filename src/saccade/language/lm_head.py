"""Text models that ``transformers`` has inside a larger model only: here with a head behind them."""

from typing import final

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import Cache, PreTrainedConfig

from saccade.compat.hf import CausalLMOutputWithPast, built_from, cache_argument

HEADLESS = {"deepseek_ocr2_text": "DeepseekOcr2TextModel"}
"""Types and their classes. By name, so that nothing of them is imported where none is built."""


@final
class WithLMHead(nn.Module):
    """``model`` is the untouched ``transformers`` model; names and ``forward`` are those of its causal classes."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        self.model = built_from(HEADLESS[config.model_type], config)
        self.config = self.model.config
        table = self.get_input_embeddings().weight
        self.lm_head = nn.Linear(table.shape[1], table.shape[0], bias=False)
        if self.config.tie_word_embeddings:
            self.tie_weights()

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of tokens."""
        table = self.model.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        return table

    def tie_weights(self) -> None:
        """Make the table the head's matrix too."""
        self.lm_head.weight = self.get_input_embeddings().weight

    def forward(
        self,
        inputs_embeds: Float[Tensor, "batch length width"],
        attention_mask: Int[Tensor, "batch total"] | Bool[Tensor, "batch 1 length total"] | Float[Tensor, "..."],
        position_ids: Int[Tensor, "batch length"],
        cache: Cache | None = None,
        use_cache: bool = False,
        logits_to_keep: int = 0,
    ) -> CausalLMOutputWithPast:
        """Scores of the next token at the last ``logits_to_keep`` positions (0: at all)."""
        states = self.model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=use_cache,
            **cache_argument(self.model, cache),
        ).last_hidden_state
        return CausalLMOutputWithPast(logits=self.lm_head(states[:, -logits_to_keep:]))
