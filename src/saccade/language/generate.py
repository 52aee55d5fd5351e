"""Greedy answers in batches, over a cache that holds the pictures once for all their questions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache

from saccade.core.answer import Answer
from saccade.language.hub import Decoder, pad_left


@dataclass(slots=True)
class Prefix:
    """Sequences already read: the ``cache``, which of its places are ``real``, and each row's ``next`` position."""

    cache: DynamicCache
    real: Bool[Tensor, "batch length"]
    next: Int[Tensor, " batch"]

    def take(self, rows: Sequence[int]) -> "Prefix":
        """These rows, in this order, as often as named: one a question. The cache moves on, this prefix is used up."""
        index = torch.as_tensor(rows, device=self.real.device)
        self.cache.batch_select_indices(index)
        return Prefix(self.cache, self.real[index], self.next[index])


def read(
    decoder: Decoder,
    vectors: Float[Tensor, "batch length width"],
    real: Bool[Tensor, "batch length"],
    positions: Int[Tensor, "batch length"],
    following: Int[Tensor, " batch"],
) -> Prefix:
    """Prefill: the language model reads sequences that are padded on the left, at the given positions.

    ``following`` is the position after each row: dropped tokens leave theirs empty, at the end too. Raises
    SaccadeError when the model was not made for that many positions.
    """
    decoder.check(int(following.max()))
    cache = DynamicCache(config=decoder.model.config)
    decoder(vectors, real, positions, cache, keep=1)
    return Prefix(cache, real, following)


def answer(
    decoder: Decoder,
    prefix: Prefix,
    questions: Sequence[Sequence[int]],
    *,
    end: frozenset[int],
    decode: Callable[[list[int]], str],
    max_tokens: int = 8,
) -> list[Answer]:
    """One greedy answer a row of ``prefix``; each question's ids (at least one) follow the row.

    Rows stop at an ``end`` token; the loop stops when all have. Log-probabilities are of the chosen tokens.
    """
    device = prefix.real.device
    ids, real = (tensor.to(device) for tensor in pad_left(questions))
    seen = torch.cat([prefix.real, real], dim=1)
    positions = prefix.next[:, None] + counted(real)
    decoder.check(int(positions.max()) + 1, max_tokens - 1)
    scores = decoder(decoder.embed(ids), seen, positions, prefix.cache, keep=1)[:, -1].float()
    following = positions[:, -1:] + 1
    tokens: list[list[int]] = [[] for _ in questions]
    chances: list[list[float]] = [[] for _ in questions]
    waiting = set(range(len(questions)))
    for step in range(max_tokens):
        chance, chosen = scores.log_softmax(dim=-1).max(dim=-1)
        token, value = chosen.tolist(), chance.tolist()
        for row in sorted(waiting):
            tokens[row].append(token[row])
            chances[row].append(value[row])
        waiting -= {row for row in waiting if token[row] in end}
        if not waiting or step == max_tokens - 1:
            break
        seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
        scores = decoder(decoder.embed(chosen[:, None]), seen, following, prefix.cache, keep=1)[:, -1].float()
        following = following + 1
    return [
        Answer(decode([token for token in row if token not in end]), tuple(row), tuple(values))
        for row, values in zip(tokens, chances, strict=True)
    ]


def counted(real: Bool[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
    """Positions that count real places from 0; padding stands at 0."""
    return (real.cumsum(dim=1) - 1).clamp_min(0)
