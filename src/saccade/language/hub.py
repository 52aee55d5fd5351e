"""Any causal language model of ``transformers``, fed with vectors."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from saccade.core.errors import SaccadeError
from saccade.language.insert import Insert, inserted, layers_of
from saccade.nn.hub import parse_config
from saccade.specs.decoder import DecoderSpec


@final
class Decoder(nn.Module):
    """See ``DecoderSpec``. ``model`` is the untouched ``transformers`` model."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.model: PreTrainedModel = AutoModelForCausalLM.from_config(parse_config(spec.config), dtype=torch.float32)

    def embed(self, ids: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length width"]:
        """Token ids to vectors."""
        return self.model.get_input_embeddings()(ids)

    def forward(
        self,
        vectors: Float[Tensor, "batch length width"],
        seen: Bool[Tensor, "batch total"] | Bool[Tensor, "batch 1 length total"],
        positions: Int[Tensor, "batch length"],
        cache: DynamicCache | None = None,
        keep: int = 0,
        before: Insert | None = None,
    ) -> Float[Tensor, "batch kept vocabulary"]:
        """Scores of the next token at the last ``keep`` positions (0: at all).

        ``seen`` marks the keys (cached ones first) that are no padding, or says in full which query
        sees which key. ``cache`` grows by the new positions. Lengths are checked by the callers, see ``check``.
        ``before`` are functions that run before layers; the model itself stays as it is.
        """
        if before:
            with inserted(layers_of(self.model, self.spec.depth), before):
                return self(vectors, seen, positions, cache, keep)
        return self.model(
            inputs_embeds=vectors,
            attention_mask=seen if seen.ndim == 4 else seen.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=keep,
        ).logits

    def check(self, length: int, answer: int = 0) -> None:
        """Refuses a sequence of ``length`` positions and ``answer`` more that the model was not made for."""
        if length + answer > self.spec.context:
            more = f" and its answer up to {answer} more" if answer else ""
            raise SaccadeError(
                f"the prompt takes {length} positions{more}, but the language model was made for {self.spec.context}; "
                "lower the token budget, the slices, the prompt or the answer's length"
            )


def pad_left(rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
    """Rows of unequal length as one tensor padded on the left with zeros, and what of it is no padding.

    The tensor is at least one place long, so that a row from which everything was dropped can be read too.
    """
    longest = max(1, *(len(row) for row in rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    real = torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, row in enumerate(rows):
        ids[index, longest - len(row) :] = torch.as_tensor(row, dtype=torch.long)
        real[index, longest - len(row) :] = True
    return ids, real
