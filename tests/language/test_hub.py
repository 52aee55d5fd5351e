"""Every type of language model, fed with vectors in padded batches, against the untouched model alone."""

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache

from saccade.core.errors import SaccadeError
from saccade.language.generate import answer, counted, read
from saccade.language.hub import Decoder, pad_left
from saccade.language.layer_hooks import layers_of
from saccade.nn.hub import parse_config
from saccade.specs.language.decoder import DecoderSpec
from tests.parts import LLAMA, close, shake
from tests.parts import counted as counted_by_torch

IDS = {"bos_token_id": None, "pad_token_id": None, "eos_token_id": 1, "vocab_size": 71}
OPT = {
    **IDS, "model_type": "opt", "hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64,
}  # fmt: skip
GEMMA = {**LLAMA, **IDS, "head_dim": 6, "tie_word_embeddings": True}
TYPES: dict[str, dict[str, object]] = {
    "opt": OPT,
    "opt-350m": {**OPT, "word_embed_proj_dim": 8, "do_layer_norm_before": False},
    "opt without shifts": {
        **OPT, "enable_bias": False, "layer_norm_elementwise_affine": False, "tie_word_embeddings": False,
        "activation_function": "gelu",
    },
    "mpt": {**IDS, "model_type": "mpt", "d_model": 18, "n_heads": 3, "n_layers": 2, "max_seq_len": 64},
    "bloom": {**IDS, "model_type": "bloom", "hidden_size": 18, "n_head": 3, "n_layer": 2},
    "gpt_neox": {
        **IDS, "model_type": "gpt_neox", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 64,
    },
    "gptj": {
        **IDS, "model_type": "gptj", "n_embd": 16, "n_layer": 2, "n_head": 2, "rotary_dim": 4, "n_positions": 64,
    },
    "falcon": {
        **IDS, "model_type": "falcon", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 64, "tie_word_embeddings": True,
    },
    "gemma": {**GEMMA, "model_type": "gemma"},
    "gemma3": {**GEMMA, "model_type": "gemma3_text", "sliding_window": 64, "num_hidden_layers": 2},
    "llama": {**LLAMA, **IDS},
    "qwen2": {**LLAMA, **IDS, "model_type": "qwen2"},
    "qwen3": {**LLAMA, **IDS, "model_type": "qwen3", "head_dim": 6},
    "mistral": {**LLAMA, **IDS, "model_type": "mistral", "sliding_window": None},
}  # fmt: skip
SELF_PLACED = ("mpt", "bloom")
TOLD = [name for name in TYPES if name not in SELF_PLACED]
ROWS = [[3, 14, 15, 9, 26], [53, 58], [31]]
TAILS = [[8], [44, 6, 2, 5], [7, 7]]


def spec(name: str, **changes: object) -> DecoderSpec:
    return DecoderSpec(config=json.dumps({**TYPES[name], **changes}))


def made(name: str) -> Decoder:
    torch.manual_seed(3)
    decoder = Decoder(spec(name)).eval()
    shake(decoder)
    return decoder


def alone(decoder: Decoder, ids: list[int]) -> Tensor:
    """The scores at every position, by the model itself, which sees ids and nothing else."""
    return decoder.model(torch.tensor([ids]), use_cache=False).logits[0]


@pytest.mark.parametrize("name", TYPES)
@torch.no_grad()
def test_padded_rows_read_as_they_do_alone(name):
    decoder = made(name)
    ids, real = pad_left(ROWS)
    vectors = decoder.embed(ids)
    found = decoder(vectors, real, counted(real))
    for row, ids_of_row in enumerate(ROWS):
        close(found[row, -len(ids_of_row) :], alone(decoder, ids_of_row))
        one = decoder.embed(torch.tensor([ids_of_row]))
        mask = torch.ones(1, len(ids_of_row), dtype=torch.bool)
        close(decoder(one, mask, counted(mask))[0], alone(decoder, ids_of_row))
    for keep in (1, 2):
        close(decoder(vectors, real, counted(real), keep=keep), found[:, -keep:])


@pytest.mark.parametrize("name", TYPES)
@torch.no_grad()
def test_cached_steps_read_as_everything_anew(name):
    """Prefill, tails of unequal length (padding between real places), then five tokens one at a time."""
    decoder = made(name)
    ids, real = pad_left(ROWS)
    prefix = read(decoder, decoder.embed(ids), real, counted(real), torch.tensor([len(row) for row in ROWS]))
    picked = [2, 0, 1]
    going = prefix.take(picked)
    histories = [ROWS[row] + tail for row, tail in zip(picked, TAILS, strict=True)]
    scores = going.follow(*pad_left(TAILS))
    for step in range(6):
        for row, history in enumerate(histories):
            close(scores[row], alone(decoder, history)[-1])
        token = torch.tensor([(5 * step + 3 * row + 2) % 71 for row in range(3)])
        scores = going.follow(token[:, None], torch.ones(3, 1, dtype=torch.bool))
        histories = [[*history, int(one)] for history, one in zip(histories, token, strict=True)]


@pytest.mark.parametrize("name", SELF_PLACED)
@torch.no_grad()
def test_padding_may_stand_anywhere(name):
    decoder = made(name)
    real = torch.tensor([[0, 1, 1, 0, 0, 1, 1, 0], [1, 0, 1, 0, 1, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]]).bool()
    ids = torch.arange(24).reshape(3, 8) + 20
    found = decoder(decoder.embed(ids), real, counted(real))
    for row in range(3):
        close(found[row, real[row]], alone(decoder, ids[row, real[row]].tolist()))
    close(decoder(decoder.embed(ids), real, counted(real), keep=3), found[:, -3:])


@pytest.mark.parametrize("name", TYPES)
@torch.no_grad()
def test_what_runs_before_layers_knows_its_places(name):
    decoder = made(name)
    heads, tails = [[3, 4, 5], [6]], [[7, 8, 9], [10]]
    ids, real = pad_left(heads)
    later, there = pad_left(tails)
    added = torch.randn(2, 6, decoder.spec.inner)  # something else at every place

    def before(start: int, stop: int) -> dict[int, Callable[[Tensor], Tensor]]:
        return {1: lambda states: states + added[:, start:stop]}

    cache = DynamicCache(config=decoder.model.config)
    decoder(decoder.embed(ids), real, counted(real), cache, before=before(0, 3))
    seen = torch.cat([real, there], dim=1)
    found = decoder(decoder.embed(later), seen, counted(seen)[:, 3:], cache, before=before(3, 6))
    for row in range(2):
        whole = torch.tensor([heads[row] + tails[row]])
        mine = added[row : row + 1, seen[row]]
        mask = torch.ones_like(whole, dtype=torch.bool)
        slow = decoder(decoder.embed(whole), mask, counted(mask), before={1: lambda states, mine=mine: states + mine})
        close(found[row, -len(tails[row]) :], slow[0, -len(tails[row]) :])


@pytest.mark.parametrize("name", TOLD)
@torch.no_grad()
def test_a_full_mask_says_who_sees_whom(name):
    """Two texts in one row that do not see each other, the second's positions from 0 again."""
    decoder = made(name)
    first, second = ROWS[0], ROWS[1]
    ids = torch.tensor([first + second])
    own = torch.block_diag(torch.ones(5, 5), torch.ones(2, 2)).tril().bool()[None, None]
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1]])
    found = decoder(decoder.embed(ids), own, positions)[0]
    close(found[:5], alone(decoder, first))
    close(found[5:], alone(decoder, second))
    cache = DynamicCache(config=decoder.model.config)
    decoder(decoder.embed(ids[:, :4]), own[:, :, :4, :4], positions[:, :4], cache)
    close(decoder(decoder.embed(ids[:, 4:]), own[:, :, 4:], positions[:, 4:], cache)[0], found[4:])


@pytest.mark.parametrize("name", SELF_PLACED)
def test_refuses_what_cannot_be_told_to_a_model_that_counts_for_itself(name):
    decoder = made(name)
    vectors, real = torch.randn(1, 3, decoder.spec.width), torch.ones(1, 3, dtype=torch.bool)
    with pytest.raises(SaccadeError, match=rf"of type '{name}' count positions by their padding mask"):
        decoder(vectors, real[:, None, None].expand(1, 1, 3, 3), counted(real))
    with pytest.raises(SaccadeError, match=rf"of type '{name}' number positions .* expected position 2, got 5"):
        decoder(vectors, real, torch.tensor([[0, 1, 5]]))


@torch.no_grad()
def test_a_model_that_scores_every_position_is_cut():
    decoder = made("llama")
    ids, real = pad_left(ROWS)
    expected = decoder(decoder.embed(ids), real, counted(real), keep=2)
    decoder.takes = decoder.takes - {"logits_to_keep"}
    close(decoder(decoder.embed(ids), real, counted(real), keep=2), expected)
    assert decoder(decoder.embed(ids), real, counted(real)).shape[1] == 5


@pytest.mark.parametrize("name", TYPES)
@torch.no_grad()
def test_greedy_answers_equal_those_of_transformers(name):
    decoder = made(name)
    ids, real = pad_left(ROWS)
    decoder.model.generation_config.eos_token_id = None
    prefix = read(decoder, decoder.embed(ids), real, counted(real), torch.tensor([len(row) for row in ROWS]))
    found = answer(prefix, TAILS, end=frozenset(), decode=str, max_tokens=5)
    for row, tail, one in zip(ROWS, TAILS, found, strict=True):
        ids = torch.tensor([row + tail])
        theirs = decoder.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False, pad_token_id=0,
        )  # fmt: skip
        assert list(one.tokens) == theirs[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("name", TYPES)
def test_the_numbers_are_those_of_the_model(name):
    made_of, decoder = spec(name), made(name)
    table = decoder.model.get_input_embeddings().weight
    head = decoder.model.get_output_embeddings().weight
    assert (made_of.vocabulary, made_of.width) == tuple(table.shape)
    assert made_of.tied == (table is head)
    assert made_of.depth == 2
    states: list[Tensor] = []
    layer = layers_of(decoder.model, made_of.depth)[0]
    layer.register_forward_pre_hook(
        lambda _, args, kwargs: states.append([*args, *kwargs.values()][0]), with_kwargs=True
    )
    alone(decoder, ROWS[0])
    assert states[0].shape[-1] == made_of.inner


@pytest.mark.parametrize("name", TYPES)
def test_a_silent_config_ties_as_its_class_does(name):
    fields = {key: value for key, value in TYPES[name].items() if key != "tie_word_embeddings"}
    silent = DecoderSpec(config=json.dumps(fields))
    if name == "falcon":
        with pytest.raises(SaccadeError, match="what 'falcon' means by silence is not known here"):
            _ = silent.tied
        return
    assert silent.tied == parse_config(silent.config).tie_word_embeddings


@pytest.mark.parametrize("name", [name for name in TYPES if name not in ("opt-350m", "falcon")])
def test_cost_is_what_torch_counts(name):
    """With a mask in full, which models that count for themselves do without on the meta device."""

    def run(part: torch.nn.Module) -> object:
        length = 9
        seen = torch.ones(1, 1, length, length).bool()
        return part(torch.empty(1, length, spec(name).width), seen, torch.zeros(1, length).long(), None, 1)

    assert spec(name).cost(9) == counted_by_torch(lambda: Decoder(spec(name)).eval(), run)


def test_refuses_types_that_cannot_be_read_to():
    with pytest.raises(SaccadeError, match="no causal language model of type 'clip_vision_model'"):
        Decoder(DecoderSpec(config='{"model_type": "clip_vision_model"}'))
    with pytest.raises(SaccadeError, match=r"of type 'mamba' take no position_ids.*: padded rows would"):
        Decoder(DecoderSpec(config=json.dumps({"model_type": "mamba", "hidden_size": 8, "num_hidden_layers": 1})))
    falcon = {**TYPES["falcon"], "alibi": True}
    with pytest.raises(SaccadeError, match=r"'falcon' with slopes in place of positions \(alibi\) takes none"):
        Decoder(DecoderSpec(config=json.dumps(falcon)))
    bart = {"model_type": "bart", "d_model": 8, "decoder_layers": 1, "decoder_attention_heads": 2, "vocab_size": 9}
    with pytest.raises(SaccadeError, match="of type 'bart' take no position_ids"):
        Decoder(DecoderSpec(config=json.dumps({**bart, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2})))


def test_the_classes_of_these_types_are_the_untouched_ones():
    for name in TYPES:
        decoder = made(name)
        assert type(decoder.model) is AutoModelForCausalLM._model_mapping[type(decoder.model.config)]
