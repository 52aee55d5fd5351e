"""Language models' numbers: class defaults as installed, windows, ties, refusals. Costs: see tests/exact."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from saccade.core.errors import SaccadeError
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import DEFAULTS, DIALECTS, language
from tests.parts import counted

SMALL = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 70, "max_position_embeddings": 64, "eos_token_id": 1,
    "bos_token_id": None, "pad_token_id": None,
}  # fmt: skip
OTHERS = {
    "opt": {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 70,
            "max_position_embeddings": 64, "word_embed_proj_dim": 32, "pad_token_id": 1, "bos_token_id": 2},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": 70, "max_seq_len": 64},
    "gpt_neox": {**SMALL, "num_attention_heads": 2},
    "gptj": {"n_embd": 32, "n_head": 4, "n_layer": 2, "vocab_size": 70, "n_positions": 64, "rotary_dim": 4,
             "bos_token_id": None, "eos_token_id": None},
    "bloom": {"hidden_size": 32, "n_head": 4, "n_layer": 2, "vocab_size": 70},
}  # fmt: skip
ALONE = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma3_text", *OTHERS)
VARIANTS = [
    ("opt", {"do_layer_norm_before": False}),
    ("opt", {"_remove_final_layer_norm": True}),
    ("opt", {"enable_bias": False, "layer_norm_elementwise_affine": False}),
    ("gpt_neox", {"attention_bias": False, "use_parallel_residual": False}),
    ("gptj", {"n_inner": 40}),
    ("bloom", {"n_embed": 16}),
]


@pytest.mark.parametrize("model_type", sorted(DEFAULTS))
def test_silence_means_what_the_installed_class_means(model_type: str):
    theirs = AutoConfig.for_model(model_type).to_dict()
    assert set(DEFAULTS) == set(DIALECTS)
    assert {name: theirs[name] for name in DEFAULTS[model_type] if name in theirs} == {
        name: value for name, value in DEFAULTS[model_type].items() if name in theirs
    }


def counts(model_type: str, data: dict[str, object]) -> None:
    config = AutoConfig.for_model(model_type, **data)
    length = 11

    def run(model: torch.nn.Module) -> object:
        # A mask in full: with less than that, transformers looks at values, which meta tensors have not.
        seen = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
        both = {"full_attention": seen, "sliding_attention": seen}
        mask = both if model_type == "gemma3_text" else None if model_type == "bloom" else seen
        ids, places = torch.zeros(1, length, dtype=torch.long), torch.arange(length)[None]
        placed = {} if model_type in ("mpt", "bloom") else {"position_ids": places}
        return model(ids, attention_mask=mask, logits_to_keep=1, use_cache=False, **placed)

    ours = language(Fields(data), model_type).cost(length)
    assert ours == counted(lambda: AutoModelForCausalLM.from_config(config), run)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("model_type", ALONE)
def test_costs_are_what_torch_counts(model_type: str, tied: bool):
    counts(model_type, {**OTHERS.get(model_type, SMALL), "tie_word_embeddings": tied})


@pytest.mark.parametrize(("model_type", "changes"), VARIANTS, ids=str)
def test_variants_cost_what_torch_counts(model_type: str, changes: dict[str, object]):
    counts(model_type, {**OTHERS[model_type], **changes})


def test_bloom_was_trained_on_2048_positions():
    assert language(Fields(OTHERS["bloom"]), "bloom").context == 2048
    assert language(Fields({**OTHERS["bloom"], "seq_length": 512}), "bloom").context == 512


def test_a_window_bounds_the_cache_and_a_token_but_not_prefill():
    near = language(Fields({**SMALL, "sliding_window": 4}), "mistral")
    far = language(Fields({**SMALL, "sliding_window": None}).like({}), "llama")
    assert near.kv_bytes(20, 2) == near.kv_bytes(4, 2) == far.kv_bytes(4, 2)
    assert near.token(20).flops == near.token(4).flops
    assert far.token(20).flops > far.token(4).flops
    assert near.cost(20).flops == far.cost(20).flops
    assert near.causal(20) < far.causal(20) < far.cost(20).flops


def test_gemma_3_s_layers_by_kind_or_by_pattern():
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    by_kind = language(Fields({**SMALL, "sliding_window": 5, "layer_types": kinds}), "gemma3_text")
    by_pattern = language(Fields({**SMALL, "sliding_window": 5, "sliding_window_pattern": 2}), "gemma3_text")
    assert by_kind == by_pattern
    assert sorted(runs for runs, _ in by_kind.layers) == [1, 2]


def test_experts_cost_what_runs_and_hold_what_is_there():
    data = {**SMALL, "moe_intermediate_size": 16, "n_routed_experts": 8, "num_experts_per_tok": 2,
            "n_shared_experts": 1, "mlp_layer_types": ["dense", "sparse", "sparse"]}  # fmt: skip
    few, all_of_them = (language(Fields({**data, "num_experts_per_tok": n}), "deepseek_ocr2_text") for n in (2, 8))
    assert few.cost(5).params == all_of_them.cost(5).params
    assert few.cost(5).flops < all_of_them.cost(5).flops
    table = (70 - 1) * 32
    assert few.idle(1) - table == 2 * 6 * 3 * 32 * 16
    assert few.idle(4) == (70 - 4) * 32  # four positions can reach all eight


@pytest.mark.parametrize(
    ("model_type", "data", "said"),
    [
        ("gpt9", {}, "unknown language model with a cost law 'gpt9'"),
        ("opt", {"word_embed_proj_dim": 16}, "projected embeddings"),
        ("gemma3_text", {"layer_types": ["full_attention"]}, "kinds of 1 layers but has 26"),
        ("llama", {"hidden_size": 0}, "'hidden_size' of at least 1, got 0"),
    ],
)
def test_refusals(model_type: str, data: dict[str, object], said: str):
    with pytest.raises(SaccadeError, match=said):
        language(Fields(data), model_type)
