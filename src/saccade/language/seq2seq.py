"""T5 of ``transformers``, fed with vectors: what is read goes through the encoder once, answers cross to it."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM, DynamicCache, EncoderDecoderCache, PreTrainedModel

from saccade.compat.hf import BaseModelOutput, cache_argument, scale_outputs
from saccade.core.errors import SaccadeError
from saccade.language.positions import gapless
from saccade.nn.hub import parse_config
from saccade.specs.language.seq2seq import Seq2SeqSpec


@final
class Seq2Seq(nn.Module):
    """See ``Seq2SeqSpec``. ``model`` is the ``transformers`` model, with a head of its own where the spec has one."""

    def __init__(self, spec: Seq2SeqSpec) -> None:
        super().__init__()
        self.spec = spec
        self.model = _model(spec)

    def embed(self, ids: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length width"]:
        """Token ids to vectors."""
        return self.model.get_input_embeddings()(ids)

    def encode(
        self, vectors: Float[Tensor, "batch length width"], real: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """What answers cross to. ``real`` marks what is no padding, which may stand on either side.

        Raises SaccadeError for padding between a row's real places, which T5 would take for distance.
        """
        if not gapless(real):
            raise SaccadeError(
                "T5 counts distances over padding too, and a row has some between real places; pad at the ends alone"
            )
        return self.model.get_encoder()(inputs_embeds=vectors, attention_mask=_mask(real)).last_hidden_state

    def forward(
        self,
        ids: Int[Tensor, "batch written"],
        states: Float[Tensor, "batch length width"],
        real: Bool[Tensor, "batch length"],
        cache: EncoderDecoderCache | None = None,
    ) -> Float[Tensor, "batch written vocabulary"]:
        """Scores of the token after each of ``ids``, the first of which is the spec's ``start``.

        Rows of unequal length are padded on the right. With a ``cache`` (see ``empty``) only new ids are given, and
        ``states`` are projected at the first call alone.
        """
        return self.model(
            decoder_input_ids=ids,
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=_mask(real),
            use_cache=cache is not None,
            **cache_argument(self.model, cache),
        ).logits

    def empty(self) -> EncoderDecoderCache:
        """A cache of nothing, for the answer's keys and values and for those that the encoder's states make."""
        return EncoderDecoderCache(*(DynamicCache(config=self.model.get_decoder().config) for _ in range(2)))

    def check(self, length: int, answer: int = 0) -> None:
        """Refuses a prompt of ``length`` positions, or an ``answer``, longer than the model was trained on."""
        for what, found in ("prompt", length), ("answer", answer):
            if found > self.spec.context:
                raise SaccadeError(
                    f"the {what} takes {found} positions, but the language model was trained on {self.spec.context}; "
                    "lower the token budget, the prompt or the answer's length"
                )


def _model(spec: Seq2SeqSpec) -> PreTrainedModel:
    """Tied as the spec says: transformers reads from ``tie_word_embeddings`` only whether to scale, and ties always."""
    config = parse_config(spec.config)
    scale_outputs(config, spec.tied)
    model = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.get_default_dtype())
    model.tie_weights()  # not done yet where weights are not drawn, because a file's are about to come
    if not spec.tied:
        head = model.get_output_embeddings()
        head.weight = nn.Parameter(head.weight.detach().clone())
        model.config.tie_word_embeddings = False  # or the next one who ties weights takes the head away again
    return model


def _mask(real: Tensor) -> Tensor | None:
    """On the meta device there is nothing to hide, and no value that transformers could look at."""
    return None if real.is_meta else real.long()
