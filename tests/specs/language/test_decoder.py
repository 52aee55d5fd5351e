import json

import pytest
import torch

from saccade.core.errors import SaccadeError
from saccade.language.hub import Decoder
from saccade.specs.language.decoder import DecoderSpec
from tests.parts import LLAMA, counted

CONFIGS = {
    "llama": {},
    "tied": {"tie_word_embeddings": True},
    "all heads": {"num_key_value_heads": 4},
    "wide heads": {"head_dim": 6},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "mistral": {"model_type": "mistral", "sliding_window": None},
    "qwen2": {"model_type": "qwen2"},
}


def spec(**changes: object) -> DecoderSpec:
    return DecoderSpec(config=json.dumps({**LLAMA, **changes}))


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("length", [1, 11])
def test_cost_is_what_torch_counts(changes, length):
    made = spec(**changes)

    def run(part: Decoder) -> None:
        # The mask in full: transformers looks into the short one, and there is nothing to see on the meta device.
        seen = torch.ones(1, 1, length, length).bool()
        part(torch.empty(1, length, 16), seen, torch.zeros(1, length).long(), None, 1)

    assert made.cost(length) == counted(lambda: Decoder(made), run)


def test_the_cache_holds_keys_and_values_of_every_layer():
    assert spec().numbers.kv_bytes(10, 4) == 2 * 2 * 10 * (2 * 4) * 4
    assert spec().numbers.kv_bytes(10, 2) == spec().numbers.kv_bytes(10, 4) // 2
    assert spec(head_dim=6).numbers.kv_bytes(1, 4) == 2 * 2 * (2 * 6) * 4


def test_several_ids_may_end_an_answer():
    assert spec().ends == (256,)
    assert spec(eos_token_id=[7, 8]).ends == (7, 8)
    with pytest.raises(SaccadeError, match="whole number 'eos_token_id', got None"):
        _ = spec(eos_token_id=None).ends


OTHERS: list[tuple[dict[str, object], tuple[int, int, int, int]]] = [
    ({"model_type": "opt", "hidden_size": 8, "word_embed_proj_dim": 4, "num_hidden_layers": 3}, (4, 8, 3, 512)),
    ({"model_type": "opt", "hidden_size": 8, "num_hidden_layers": 3}, (8, 8, 3, 512)),
    ({"model_type": "mpt", "d_model": 8, "n_layers": 3, "max_seq_len": 9}, (8, 8, 3, 9)),
    ({"model_type": "gptj", "n_embd": 8, "n_layer": 3, "n_positions": 9}, (8, 8, 3, 9)),
    ({"model_type": "bloom", "hidden_size": 8, "n_layer": 3}, (8, 8, 3, 2048)),
    ({"model_type": "bloom", "n_embed": 8, "num_hidden_layers": 3, "seq_length": 9}, (8, 8, 3, 9)),
    ({"model_type": "gpt_neox", "hidden_size": 8, "num_hidden_layers": 3}, (8, 8, 3, 512)),
]


@pytest.mark.parametrize(("fields", "expected"), OTHERS, ids=str)
def test_each_type_s_own_names(fields, expected):
    own = {"max_position_embeddings": 512} if expected[3] == 512 else {}
    made = DecoderSpec(config=json.dumps({**own, **fields}))
    assert (made.width, made.inner, made.depth, made.context) == expected


MPT = {"model_type": "mpt", "d_model": 8}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expansion_ratio": 3}, "config: transformers' mpt computes 'expansion_ratio' of 4 and ignores 3; take"),
        ({"no_bias": False}, "'no_bias' of True and ignores False"),
        ({"logit_scale": 2.0}, "'logit_scale' of None and ignores 2.0"),
        ({"attn_config": {"alibi": False}}, "config.attn_config: transformers' mpt computes 'alibi' of True and ig"),
        ({"attn_config": {"alibi_bias_max": 4}}, "'alibi_bias_max' of 8 and ignores 4"),
        ({"attn_config": {"qk_ln": True}}, "'qk_ln' of False and ignores True"),
        ({"attn_config": {"prefix_lm": True}}, "'prefix_lm' of False and ignores True"),
        ({"attn_config": {"attn_type": "multiquery_attention"}}, "'attn_type' of 'multihead_attention' and ignores"),
        ({"attn_config": [1]}, "needs an object 'attn_config'"),
    ],
)
def test_refuses_an_mpt_that_transformers_would_misread(changes, said):
    DecoderSpec(config=json.dumps({**MPT, "expansion_ratio": 4, "attn_config": {"alibi": True, "clip_qkv": 6.0}}))
    with pytest.raises(SaccadeError, match=said):
        DecoderSpec(config=json.dumps({**MPT, **changes}))


def test_refuses_what_it_cannot_count():
    with pytest.raises(SaccadeError, match="unknown language model with a cost law 'llamma'; did you mean llama"):
        spec(model_type="llamma").cost(1)
    with pytest.raises(SaccadeError, match="needs a whole number 'hidden_size', got None"):
        _ = DecoderSpec(config="{}").width
    with pytest.raises(SaccadeError, match="config is a JSON object, got list"):
        _ = DecoderSpec(config="[]").width
