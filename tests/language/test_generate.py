"""Answers over a shared prefix against a plain loop that reads everything anew for every token."""

import json

import pytest
import torch
from torch import Tensor

from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.language.generate import answer, counted, read
from saccade.language.hub import Decoder, pad_left
from saccade.specs.language.decoder import DecoderSpec
from tests.parts import LLAMA

HEADS = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]]
TAILS = [[11], [12, 13, 14], [15, 16], [17]]
ROWS = [0, 2, 2, 1]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(1)
    return Decoder(DecoderSpec(config=json.dumps({**LLAMA, "max_position_embeddings": 24}))).eval()


def prefix(decoder: Decoder, heads: list[list[int]]):
    ids, real = pad_left(heads)
    following = torch.tensor([len(head) for head in heads])
    return read(decoder, decoder.embed(ids), real, counted(real), following)


def slow(decoder: Decoder, ids: list[int], end: set[int], tokens: int) -> tuple[list[int], list[float]]:
    made: list[int] = []
    chances: list[float] = []
    while len(made) < tokens and not (made and made[-1] in end):
        scores: Tensor = decoder.model(torch.tensor([ids + made])).logits[0, -1].log_softmax(-1)
        made.append(int(scores.argmax()))
        chances.append(float(scores.max()))
    return made, chances


@torch.no_grad()
def test_answers_equal_the_plain_loop(decoder):
    plain = [slow(decoder, HEADS[row] + tail, set(), 5) for row, tail in zip(ROWS, TAILS, strict=True)]
    end = {plain[0][0][2], plain[2][0][0]}  # so that rows stop at different steps
    found = answer(prefix(decoder, HEADS).take(ROWS), TAILS, end=frozenset(end), decode=str, max_tokens=5)
    lengths = set()
    for row, tail, one in zip(ROWS, TAILS, found, strict=True):
        tokens, chances = slow(decoder, HEADS[row] + tail, end, 5)
        assert list(one.tokens) == tokens
        assert list(one.logprobs) == pytest.approx(chances, abs=1e-4)
        assert one.text == str([token for token in tokens if token not in end])
        lengths.add(len(tokens))
    assert len(lengths) > 1


@torch.no_grad()
def test_every_token_is_heard_as_it_is_chosen(decoder):
    heard: list[tuple[int, Answer]] = []
    reading = prefix(decoder, HEADS).take(ROWS)
    end = frozenset({slow(decoder, HEADS[0] + TAILS[0], set(), 5)[0][2]})
    found = answer(
        reading, TAILS, end=end, decode=str, max_tokens=5, top=2, heard=lambda *grown: heard.append(grown)
    )  # fmt: skip
    for row, whole in enumerate(found):
        grown = [one for number, one in heard if number == row]
        assert grown[-1] == whole
        assert [one.tokens for one in grown] == [whole.tokens[: step + 1] for step in range(len(whole.tokens))]
        assert [len(one.top) for one in grown] == [len(one.tokens) for one in grown]
    assert [number for number, _ in heard][:4] == [0, 1, 2, 3]


@torch.no_grad()
def test_refuses_more_positions_than_the_model_was_made_for(decoder):
    with pytest.raises(SaccadeError, match="takes 25 positions, but the language model was made for 24; lower"):
        prefix(decoder, [list(range(25))])
    with pytest.raises(SaccadeError, match=r"takes 6 positions and its answer up to 19 more, but .* made for 24"):
        answer(prefix(decoder, [HEADS[0]]), [[1]], end=frozenset(), decode=str, max_tokens=20)
    assert answer(prefix(decoder, [HEADS[0]]), [[1]], end=frozenset(), decode=str, max_tokens=19)


def test_padding_stands_on_the_left():
    ids, real = pad_left([[1, 2, 3], [4], []])
    assert ids.tolist() == [[1, 2, 3], [0, 0, 4], [0, 0, 0]]
    assert real.tolist() == [[True] * 3, [False, False, True], [False] * 3]
    assert counted(real).tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0]]
    assert pad_left([[]])[0].shape == (1, 1)
