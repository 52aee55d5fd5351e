"""Greedy answers in batches, over a cache that holds the pictures once for all their questions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from saccade.core.answer import Alternatives, Answer, Heard
from saccade.language.cache import roomy
from saccade.language.hub import Decoder, pad_left
from saccade.language.layer_hooks import Insert
from saccade.language.seq2seq import Seq2Seq


@runtime_checkable
class CrossInputs(Protocol):
    """What a sequence reads beside its own positions: pictures behind cross-attention."""

    def before(self) -> Insert:
        """What runs before the language model's layers."""
        ...

    def after(self) -> "CrossInputs":
        """The same for the positions that follow."""
        ...

    def take(self, rows: Tensor) -> "CrossInputs":
        """These rows, as often as named."""
        ...


@runtime_checkable
class Reading(Protocol):
    """Sequences that were read, and go on."""

    def take(self, rows: Sequence[int]) -> "Reading":
        """These rows, in this order, as often as named: one a question. What it is taken from is used up."""
        ...

    def room(self, lengths: Sequence[int], answer: int) -> None:
        """Raises SaccadeError where each row's further positions and an answer up to ``answer`` do not fit."""
        ...

    def follow(
        self, ids: Int[Tensor, "batch length"], real: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """Read further tokens, padded on the left: scores of what comes next."""
        ...


@dataclass(slots=True)
class Prefix:
    """Sequences in a causal model: the ``cache``, its ``real`` places, each row's ``next`` position, and what is read
    ``beside``.
    """

    decoder: Decoder
    cache: DynamicCache
    real: Bool[Tensor, "batch length"]
    next: Int[Tensor, " batch"]
    beside: CrossInputs | None = None

    def take(self, rows: Sequence[int]) -> "Prefix":
        """See ``Reading``. The cache moves on."""
        index = torch.as_tensor(rows, device=self.real.device)
        self.cache.batch_select_indices(index)
        beside = None if self.beside is None else self.beside.take(index)
        return Prefix(self.decoder, self.cache, self.real[index], self.next[index], beside)

    def room(self, lengths: Sequence[int], answer: int) -> None:
        """See ``Reading``."""
        self.decoder.check(int((self.next.cpu() + torch.as_tensor(lengths)).max()), answer)

    def follow(
        self, ids: Int[Tensor, "batch length"], real: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """See ``Reading``."""
        ids, real = ids.to(self.real.device), real.to(self.real.device)
        self.real = torch.cat([self.real, real], dim=1)
        positions = self.next[:, None] + counted(real)
        before = None if self.beside is None else self.beside.before()
        vectors = self.decoder.embed(ids)
        scores = self.decoder(vectors, self.real, positions, self.cache, keep=1, before=before)
        self.next = positions[:, -1] + 1
        return scores[:, -1].float()


@dataclass(slots=True)
class Encoding:
    """Sequences in an encoder-decoder: the encoder's ``states``, which are ``real``, and the answers' ``cache``."""

    model: Seq2Seq
    states: Float[Tensor, "batch length width"]
    real: Bool[Tensor, "batch length"]
    cache: EncoderDecoderCache
    written: int = 0

    @classmethod
    def of(cls, model: Seq2Seq, vectors: Tensor, real: Tensor) -> "Encoding":
        """Read these prompts. Raises SaccadeError for longer ones than the model was trained on."""
        model.check(vectors.shape[1])
        return cls(model, model.encode(vectors, real), real, model.empty())

    def take(self, rows: Sequence[int]) -> "Encoding":
        """See ``Reading``; before anything was answered."""
        index = torch.as_tensor(rows, device=self.real.device)
        return Encoding(self.model, self.states[index], self.real[index], self.model.empty())

    def room(self, lengths: Sequence[int], answer: int) -> None:
        """See ``Reading``."""
        self.model.check(0, self.written + max(lengths) + answer)

    def follow(
        self, ids: Int[Tensor, "batch length"], real: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """See ``Reading``; answers are of one length, so nothing of ``ids`` is padding."""
        assert bool(real.all())
        self.written += ids.shape[1]
        return self.model(ids.to(self.real.device), self.states, self.real, self.cache)[:, -1].float()


def read(
    decoder: Decoder,
    vectors: Float[Tensor, "batch length width"],
    real: Bool[Tensor, "batch length"],
    positions: Int[Tensor, "batch length"],
    following: Int[Tensor, " batch"],
    beside: CrossInputs | None = None,
) -> Prefix:
    """Prefill: the language model reads sequences that are padded on the left, at the given positions.

    ``following`` is the position after each row: dropped tokens leave theirs empty, at the end too. Raises
    SaccadeError when the model was not made for that many positions.
    """
    decoder.check(int(following.max()))
    cache = roomy(decoder.model.config)
    before = None if beside is None else beside.before()
    decoder(vectors, real, positions, cache, keep=1, before=before)
    return Prefix(decoder, cache, real, following, None if beside is None else beside.after())


def answer(
    reading: Reading,
    questions: Sequence[Sequence[int]],
    *,
    end: frozenset[int],
    decode: Callable[[list[int]], str],
    max_tokens: int = 8,
    top: int = 0,
    heard: Heard | None = None,
) -> list[Answer]:
    """One greedy answer a row of ``reading``; each question's ids (at least one) follow the row.

    Rows stop at an ``end`` token; the loop stops when all have. Log-probabilities are of the chosen tokens, and of the
    ``top`` likeliest in each one's place. ``heard`` hears of every token as it is chosen.
    """
    ids, real = pad_left(questions)
    reading.room([len(question) for question in questions], max_tokens - 1)
    scores = reading.follow(ids, real)
    tokens: list[list[int]] = [[] for _ in questions]
    chances: list[list[float]] = [[] for _ in questions]
    others: list[list[Alternatives]] = [[] for _ in questions]
    waiting = set(range(len(questions)))

    def said(row: int) -> Answer:
        text = decode([token for token in tokens[row] if token not in end])
        ended = tokens[row][-1] in end
        return Answer(text, tuple(tokens[row]), tuple(chances[row]), tuple(others[row]), ended)

    for step in range(max_tokens):
        scores = scores.log_softmax(dim=-1)
        chance, chosen = scores.max(dim=-1)
        token, value = chosen.tolist(), chance.tolist()
        best = [pair.tolist() for pair in scores.topk(min(top, scores.shape[-1]), dim=-1)] if top else []
        for row in sorted(waiting):
            tokens[row].append(token[row])
            chances[row].append(value[row])
            if top:
                others[row].append(
                    tuple((decode([id_]), one) for one, id_ in zip(best[0][row], best[1][row], strict=True))
                )
            if heard is not None:
                heard(row, said(row))
        waiting -= {row for row in waiting if token[row] in end}
        if not waiting or step == max_tokens - 1:
            break
        scores = reading.follow(chosen[:, None], torch.ones_like(chosen, dtype=torch.bool)[:, None])
    return [said(row) for row in range(len(questions))]


def counted(real: Bool[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
    """Positions that count real places from 0; padding stands at 0."""
    return (real.cumsum(dim=1) - 1).clamp_min(0)
