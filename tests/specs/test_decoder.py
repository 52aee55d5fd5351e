import json

import pytest
import torch

from saccade.core.errors import SaccadeError
from saccade.language.hub import Decoder
from saccade.specs.decoder import DecoderSpec
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


def test_refuses_what_it_cannot_count():
    with pytest.raises(SaccadeError, match="unknown language model with a cost law 'llamma'; did you mean llama"):
        spec(model_type="llamma").cost(1)
    with pytest.raises(SaccadeError, match="needs a whole number 'hidden_size', got None"):
        _ = DecoderSpec(config="{}").width
    with pytest.raises(SaccadeError, match="config is a JSON object, got list"):
        _ = DecoderSpec(config="[]").width
