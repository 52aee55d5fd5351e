"""T5 and FLAN-T5 in small, fed with vectors in padded batches, against transformers' own model."""

import json

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, T5ForConditionalGeneration

from saccade.core.errors import SaccadeError
from saccade.language.hub import pad_left
from saccade.language.seq2seq import Seq2Seq
from saccade.nn.hub import config_text
from saccade.specs.language.seq2seq import Seq2SeqSpec
from tests.parts import close, shake
from tests.specs.language.test_seq2seq import FLAN, SMALL

NAMES = ("t5", "flan")
CONFIGS = {"t5": SMALL, "flan": {**FLAN, "dense_act_fn": "gelu"}}
ROWS = [[3, 14, 15, 9, 26, 53, 58, 9, 7, 9, 32, 38], [46, 26, 43], [38]]
WRITTEN = torch.tensor([[0, 8, 5, 2, 33], [0, 6, 1, 44, 5], [0, 7, 7, 3, 1]])


def made(name: str) -> Seq2Seq:
    torch.manual_seed(5)
    part = Seq2Seq(Seq2SeqSpec(config=json.dumps(CONFIGS[name]))).eval()
    shake(part)
    return part


def theirs(part: Seq2Seq, row: list[int], written: Tensor) -> Tensor:
    """From ids and nothing else, everything at once."""
    return part.model(torch.tensor([row]), decoder_input_ids=written[None], use_cache=False).logits[0]


def by_hand(part: Seq2Seq, row: list[int], written: Tensor) -> Tensor:
    """The head as the paper has it: scaled where it is the embeddings, plain where it is not."""
    states = part.model.encoder(torch.tensor([row])).last_hidden_state
    out = part.model.decoder(written[None], encoder_hidden_states=states).last_hidden_state[0]
    return out @ part.model.shared.weight.T / 4 if part.spec.tied else out @ part.model.lm_head.weight.T


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("right", [False, True])
@torch.no_grad()
def test_padded_rows_read_as_they_do_alone(name, right):
    part = made(name)
    ids, real = pad_left(ROWS)
    if right:
        ids = torch.stack([row.roll(-int((~mask).sum())) for row, mask in zip(ids, real, strict=True)])
        real = real.flip(1)
    states = part.encode(part.embed(ids), real)
    found = part(WRITTEN, states, real)
    for row, (one, written) in enumerate(zip(ROWS, WRITTEN, strict=True)):
        close(states[row, real[row]], part.model.encoder(torch.tensor([one])).last_hidden_state[0])
        close(found[row], theirs(part, one, written))
        close(found[row], by_hand(part, one, written))


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_cached_steps_write_as_everything_anew(name):
    part = made(name)
    ids, real = pad_left(ROWS)
    states = part.encode(part.embed(ids), real)
    cache, whole = part.empty(), part(WRITTEN, states, real)
    close(part(WRITTEN[:, :2], states, real, cache), whole[:, :2])
    for step in range(2, 5):
        # The states are projected once: with others, or none of them, later steps write the same.
        close(part(WRITTEN[:, step : step + 1], torch.zeros_like(states), real, cache), whole[:, step : step + 1])


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_five_greedy_steps_are_those_of_transformers(name):
    part = made(name)
    part.model.generation_config.eos_token_id = None
    ids, real = pad_left(ROWS)
    states, cache = part.encode(part.embed(ids), real), part.empty()
    written = [torch.full((3, 1), part.spec.start)]
    for _ in range(5):
        written.append(part(written[-1], states, real, cache)[:, -1].argmax(dim=-1, keepdim=True))
    for row, one in enumerate(ROWS):
        reference = part.model.generate(
            torch.tensor([one]), max_new_tokens=5, do_sample=False, decoder_start_token_id=0, pad_token_id=0
        )
        assert torch.cat(written, dim=1)[row].tolist() == reference[0].tolist()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_rows_of_a_cache_can_be_taken(name):
    part = made(name)
    ids, real = pad_left(ROWS)
    states, cache = part.encode(part.embed(ids), real), part.empty()
    part(WRITTEN[:, :4], states, real, cache)
    rows = torch.tensor([2, 0, 0])
    cache.batch_select_indices(rows)
    close(part(WRITTEN[rows, 4:], states[rows], real[rows], cache), part(WRITTEN, states, real)[rows, 4:])


@torch.no_grad()
def test_a_head_of_its_own_stays_its_own():
    """Whatever wrote the config, and even where weights are tied again; T5's own embeddings stay one table."""
    config = AutoConfig.for_model(**CONFIGS["flan"])
    for text in (json.dumps(CONFIGS["flan"]), config_text(config)):
        part = Seq2Seq(Seq2SeqSpec(config=text)).eval()
        model = part.model
        model.tie_weights()
        assert isinstance(model, T5ForConditionalGeneration)
        assert model.config.dense_act_fn == "gelu"
        assert model.lm_head.weight is not model.shared.weight
        assert model.encoder.embed_tokens.weight is model.decoder.embed_tokens.weight is model.shared.weight
        held = part.state_dict()
        part.load_state_dict({name: torch.full_like(held[name], float("lm_head" in name)) for name in held})
        assert float(model.lm_head.weight.min()) == 1.0
        assert float(model.shared.weight.abs().max()) == 0.0
    tied = Seq2Seq(Seq2SeqSpec(config=json.dumps(SMALL)))
    assert tied.model.get_output_embeddings().weight is tied.model.get_input_embeddings().weight


def test_every_weight_learns():
    part = made("flan")
    ids, real = pad_left(ROWS)
    part(WRITTEN, part.encode(part.embed(ids), real), real).square().sum().backward()
    assert all(weight.grad is not None for weight in part.parameters())


def test_refuses_padding_within_a_row_and_more_than_was_trained_on():
    part = made("t5")
    real = torch.tensor([[True, True, False, True]])
    with pytest.raises(SaccadeError, match="a row has some between real places; pad at the ends alone"):
        part.encode(torch.randn(1, 4, 16), real)
    part.encode(torch.randn(2, 4, 16), torch.tensor([[False, True, True, False], [False] * 4]))
    part.check(512, 512)
    with pytest.raises(SaccadeError, match="the prompt takes 513 positions, but the language model was trained on 512"):
        part.check(513)
    with pytest.raises(SaccadeError, match="the answer takes 600 positions"):
        part.check(5, 600)
