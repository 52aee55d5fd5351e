"""A prompt that is read once and goes on in several ways: a copy of its cache for each.

Law     going on from a copy equals reading everything anew. A cache is copied and never cut back: layers with a window
        have let go of what cutting would have to bring back.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from saccade.compat.hf import cache_argument
from saccade.core.errors import SaccadeError
from saccade.language.generate import counted


@final
@dataclass(slots=True)
class HostedPrefix:
    """Sequences in a hosted model: see ``language.generate.Reading``. ``axes`` are those of a position."""

    model: PreTrainedModel
    cache: DynamicCache
    real: Bool[Tensor, "batch length"]
    next: Int[Tensor, " batch"]
    axes: int = 1

    def take(self, rows: Sequence[int]) -> "HostedPrefix":
        """Copies of these rows, in this order, as often as named. What they are taken from stays as it is."""
        index = torch.as_tensor(rows)  # on the CPU, since layers may lie on several devices
        cache = deepcopy(self.cache)
        cache.batch_select_indices(index)
        return HostedPrefix(self.model, cache, self.real[index], self.next[index], self.axes)

    def room(self, lengths: Sequence[int], answer: int) -> None:
        """See ``Reading``."""
        longest = int((self.next.cpu() + torch.as_tensor(lengths)).max())
        most = self.model.config.get_text_config().max_position_embeddings
        if longest + answer > most:
            raise SaccadeError(
                f"the prompt takes {longest} positions and its answer up to {answer} more, but "
                f"{type(self.model).__name__} was made for {most}; show less, or ask for a shorter answer"
            )

    def follow(
        self, ids: Int[Tensor, "batch length"], real: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """See ``Reading``. Raises SaccadeError where scores are no numbers."""
        ids, real = ids.to(self.real.device), real.to(self.real.device)
        self.real = torch.cat([self.real, real], dim=1)
        at = self.next[:, None] + counted(real)
        scores = self.model(
            input_ids=ids,
            attention_mask=self.real.long(),
            position_ids=at if self.axes == 1 else at.expand(self.axes, -1, -1),
            use_cache=True,
            logits_to_keep=1,
            **cache_argument(self.model, self.cache),
        ).logits[:, -1]
        self.next = at[:, -1] + 1
        if bool(scores.isnan().any()):
            raise SaccadeError(
                f"{type(self.model).__name__} gives scores that are no numbers; run it in float32 or bfloat16, and "
                "check its weights"
            )
        return scores.float()
