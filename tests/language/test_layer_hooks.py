"""Functions between a language model's layers: run where they should, and leave nothing behind."""

import json
from threading import Thread

import pytest
import torch
from torch import nn

from saccade.core.errors import SaccadeError
from saccade.language.hub import Decoder
from saccade.language.layer_hooks import inserted, layers_of
from saccade.specs.language.decoder import DecoderSpec
from tests.parts import LLAMA

SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 40, "eos_token_id": 1}
TYPES = {
    "llama": {**LLAMA, "num_hidden_layers": 3},
    "opt": {**SIZES, "model_type": "opt", "ffn_dim": 24, "max_position_embeddings": 64, "word_embed_proj_dim": 16},
    "gpt_neox": {**SIZES, "model_type": "gpt_neox", "intermediate_size": 24, "max_position_embeddings": 64},
    "qwen3": {**SIZES, "model_type": "qwen3", "intermediate_size": 24, "num_key_value_heads": 2, "head_dim": 8,
              "max_position_embeddings": 64},
}  # fmt: skip


def decoder(kind: str) -> Decoder:
    return Decoder(DecoderSpec(config=json.dumps(TYPES[kind]))).eval()


def run(made: Decoder, before=None):
    real = torch.ones(2, 5, dtype=torch.bool)
    vectors = torch.linspace(-1, 1, 160).reshape(2, 5, 16)
    return made(vectors, real, torch.arange(5).expand(2, -1), before=before)


@pytest.mark.parametrize("kind", TYPES)
@torch.no_grad()
def test_runs_before_the_layers_that_are_named(kind):
    made, seen = decoder(kind), {}

    def note(number):
        def function(x):
            seen[number] = x
            return x + number

        return function

    plain = run(made)
    entered = {}

    def hook(number):
        def note_input(module, args, kwargs, output):
            entered[number] = args[0] if args else kwargs["hidden_states"]

        return note_input

    handles = [
        layer.register_forward_hook(hook(number), with_kwargs=True)
        for number, layer in enumerate(layers_of(made.model, 3))
    ]
    changed = run(made, {0: note(0), 2: note(2)})
    for handle in handles:
        handle.remove()
    assert set(seen) == {0, 2}
    assert entered[0].equal(seen[0])
    assert entered[2].equal(seen[2] + 2)
    assert not changed.equal(plain)
    assert run(made, {1: lambda x: x}).equal(plain)
    assert run(made).equal(plain)
    assert not any(layer._forward_pre_hooks for layer in layers_of(made.model, 3))


@torch.no_grad()
def test_nothing_stays_after_an_error():
    made = decoder("llama")

    def fail(x):
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        run(made, {1: fail})
    assert not any(layer._forward_pre_hooks for layer in layers_of(made.model, 3))


@torch.no_grad()
def test_another_thread_reads_the_model_as_it_is():
    made = decoder("llama")
    plain, found = run(made), []
    with inserted(layers_of(made.model, 3), {1: lambda x: x * 2}):
        other = Thread(target=lambda: found.append(run(made)))
        other.start()
        other.join()
        assert not run(made).equal(plain)
    assert found[0].equal(plain)


@pytest.mark.parametrize("lists", [0, 2])
def test_refuses_models_whose_layers_are_not_one_list(lists):
    model = nn.ModuleList()
    for _ in range(lists):
        model.append(nn.Sequential(nn.ModuleList([nn.Identity()] * 5)))
    with pytest.raises(SaccadeError, match=f"has {lists} lists of 5 modules, one was expected"):
        layers_of(model, 5)


def test_lists_inside_the_layers_are_not_taken_for_them():
    layers = nn.ModuleList(nn.ModuleDict({"experts": nn.ModuleList([nn.Identity()] * 2)}) for _ in range(2))
    assert layers_of(nn.ModuleDict({"layers": layers}), 2) is layers
