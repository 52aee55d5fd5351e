import json

import pytest
import torch
from transformers import AutoConfig

from saccade.core.errors import SaccadeError
from saccade.core.plan import Cost
from saccade.language.seq2seq import Seq2Seq
from saccade.nn.hub import config_text
from saccade.specs.language.seq2seq import T5, Seq2SeqSpec
from tests.parts import counted

SMALL: dict[str, object] = {
    "model_type": "t5", "d_model": 16, "d_kv": 6, "d_ff": 24, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
    "vocab_size": 71, "relative_attention_num_buckets": 8,
}  # fmt: skip
FLAN = {**SMALL, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
CONFIGS = {"t5": SMALL, "flan": FLAN, "gated and tied": {**FLAN, "tie_word_embeddings": True},
           "as deep": {**SMALL, "num_decoder_layers": None}}  # fmt: skip


def spec(config: dict[str, object], **changes: object) -> Seq2SeqSpec:
    return Seq2SeqSpec(config=json.dumps({**config, **changes}))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize(("length", "written"), [(11, 1), (5, 4)])
def test_cost_is_what_torch_counts(config, length, written):
    def run(part: torch.nn.Module) -> object:
        assert isinstance(part, Seq2Seq)
        real = torch.ones(1, length).bool()
        return part(torch.zeros(1, written).long(), part.encode(torch.empty(1, length, 16), real), real)

    assert spec(config).cost(length, written) == counted(lambda: Seq2Seq(spec(config)), run)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_a_further_token_costs_what_torch_counts(config):
    """The last of four tokens, with everything before it cached."""
    made = spec(config)

    def run(steps: int) -> Cost:
        def through(part: torch.nn.Module) -> object:
            assert isinstance(part, Seq2Seq)
            real, cache = torch.ones(1, 7).bool(), part.empty()
            states = part.encode(torch.empty(1, 7, 16), real)
            return [part(torch.zeros(1, 1).long(), states, real, cache) for _ in range(steps)]

        return counted(lambda: Seq2Seq(made), through)

    four, three = run(4), run(3)
    assert made.token(7, 3) == Cost(four.flops - three.flops, four.params)


def test_the_cache_holds_the_prompt_and_the_answer_in_the_decoder_s_layers():
    part = Seq2Seq(spec(SMALL)).eval()
    real, cache = torch.ones(1, 7).bool(), part.empty()
    part(torch.zeros(1, 3).long(), part.encode(torch.randn(1, 7, 16), real), real, cache)
    halves = (cache.self_attention_cache, cache.cross_attention_cache)
    held = sum(layer.keys.nbytes + layer.values.nbytes for half in halves for layer in half.layers)
    assert part.spec.kv_bytes(7, 3, 4) == held == 2 * (7 + 3) * 2 * 4 * 6 * 4


def test_silence_means_what_the_installed_class_means():
    theirs = AutoConfig.for_model("t5").to_dict()
    assert {name: theirs[name] for name in T5 if name != "n_positions"} == {
        name: value for name, value in T5.items() if name != "n_positions"
    }
    silent = Seq2SeqSpec(config='{"model_type": "t5"}')
    assert (silent.width, silent.vocabulary, silent.depths, silent.start) == (512, 32_128, (6, 6), 0)
    assert (silent.ends, silent.context, silent.tied) == ((1,), 512, True)


def test_the_numbers_of_a_config():
    made = spec(SMALL, decoder_start_token_id=5, pad_token_id=3, eos_token_id=[7, 8], n_positions=99)
    assert (made.start, made.ends, made.context, made.width, made.vocabulary) == (5, (7, 8), 99, 16, 71)
    assert spec(SMALL, pad_token_id=3).start == 3


@pytest.mark.parametrize("tied", [True, False, None])
def test_a_head_of_its_own_survives_a_config_that_transformers_wrote(tied):
    published = {**SMALL, "tie_word_embeddings": tied} if tied is not None else SMALL
    written = config_text(AutoConfig.for_model(**published))
    assert json.loads(written)["tie_word_embeddings"] is True
    assert Seq2SeqSpec(config=written).tied == spec(published).tied == (tied is not False)


def test_refuses_what_it_cannot_read_or_plan():
    with pytest.raises(SaccadeError, match="unknown encoder-decoder 't4'; did you mean t5"):
        spec(SMALL, model_type="t4")
    with pytest.raises(SaccadeError, match="config is a JSON object, got list"):
        Seq2SeqSpec(config="[]")
    with pytest.raises(SaccadeError, match="encoder-decoder language models are not planned yet"):
        _ = spec(SMALL).numbers
    with pytest.raises(SaccadeError, match="at least one 'eos_token_id', got an empty list"):
        _ = spec(SMALL, eos_token_id=[]).ends
    with pytest.raises(SaccadeError, match="needs 'd_model' of at least 1, got 0"):
        _ = spec(SMALL, d_model=0).width
