"""Any causal language model of ``transformers``, fed with vectors."""

from collections.abc import Sequence
from inspect import signature
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from saccade.compat.hf import attention_of, cache_argument, has_no_causal_model, takes_cache
from saccade.core.errors import SaccadeError
from saccade.language.layer_hooks import Insert, inserted, layers_of
from saccade.language.lm_head import HEADLESS, WithLMHead
from saccade.language.positions import Reordering, check_places, packed, repack
from saccade.nn.hub import parse_config
from saccade.specs.language.decoder import DecoderSpec


@final
class Decoder(nn.Module):
    """See ``DecoderSpec``. ``model`` is the untouched ``transformers`` model, with a head where it has none."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.model: PreTrainedModel | WithLMHead = _model(spec)
        self.takes = _takes(self.model, spec)

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
        if self.spec.self_placed:
            check_places(self.spec.model_type, seen, positions)
        if self.spec.model_type != "mpt" or packed(seen):
            return self._scores(vectors, seen, positions, cache, keep, before)
        turn = Reordering.of(seen[:, -vectors.shape[1] :])
        inside = None if before is None else {number: turn.around(function) for number, function in before.items()}
        real = turn.seen(seen)
        scores = self._scores(turn(vectors), real, positions, cache, 0, inside)
        if cache is not None:
            repack(cache, real)
        return turn.back(scores)[:, -keep:]

    def _scores(
        self,
        vectors: Tensor,
        seen: Tensor,
        positions: Tensor,
        cache: DynamicCache | None,
        keep: int,
        before: Insert | None,
    ) -> Tensor:
        """The model itself, told what its ``forward`` takes; one that scores every position is cut to the last."""
        if before:
            with inserted(layers_of(self.model, self.spec.depth), before):
                return self._scores(vectors, seen, positions, cache, keep, None)
        told = {"position_ids": positions, "logits_to_keep": keep}
        return self.model(
            inputs_embeds=vectors,
            attention_mask=self._mask(seen, vectors.dtype),
            use_cache=cache is not None,
            **cache_argument(self.model, cache),
            **{name: value for name, value in told.items() if name in self.takes},
        ).logits[:, -keep:]

    def _mask(self, seen: Tensor, dtype: torch.dtype) -> Tensor | None:
        if seen.ndim == 2:
            return seen.long()
        if self.spec.self_placed:
            return None  # on the meta device alone, where there is nothing to hide
        if attention_of(self.model.config) == "eager":  # it adds the mask to its scores
            return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
        return seen

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


def _model(spec: DecoderSpec) -> PreTrainedModel | WithLMHead:
    config = parse_config(spec.config)
    if spec.model_type in HEADLESS:
        return WithLMHead(config)
    try:
        return AutoModelForCausalLM.from_config(config, dtype=torch.get_default_dtype())
    except ValueError as error:
        if not has_no_causal_model(error):
            raise
        raise SaccadeError(
            f"transformers has no causal language model of type {spec.model_type!r}; choose another"
        ) from error


def _takes(model: nn.Module, spec: DecoderSpec) -> frozenset[str]:
    """What the model's ``forward`` takes. Raises SaccadeError for types that cannot be read to in padded batches."""
    takes = frozenset(signature(model.forward).parameters)
    needed = {"inputs_embeds", "attention_mask", *(() if spec.self_placed else ("position_ids",))}
    missing = [*sorted(needed - takes), *(() if takes_cache(model) else ("KV cache",))]
    if missing:
        raise SaccadeError(
            f"language models of type {spec.model_type!r} take no {', '.join(missing)}: padded rows would be misread; "
            "choose another"
        )
    return takes
