"""The probe against eager attention, which shows its weights itself."""

import json
from threading import Barrier, Thread

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, DynamicCache, LlavaConfig, LlavaForConditionalGeneration

from saccade.compat.hf import cache_argument
from saccade.core.errors import SaccadeError
from saccade.language.hub import Decoder, pad_left
from saccade.language.probe import probed
from saccade.nn.hub import parse_config
from saccade.specs.language.decoder import DecoderSpec
from tests.parts import CLIP, LLAMA, shake

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 60,
    "max_position_embeddings": 64,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
TYPES = {
    "llama": SIZES,
    "qwen2": {**SIZES, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 2},
    "qwen3": {**SIZES, "num_key_value_heads": 1},
    "gemma2": {**SIZES, "sliding_window": 4, "attn_logit_softcapping": 0.5, "query_pre_attn_scalar": 3},
    "gemma3_text": {**SIZES, "sliding_window": 4, "sliding_window_pattern": 2, "query_pre_attn_scalar": 3},
}
BATCH = [[5, 6, 7, 8, 9, 10, 11, 12, 13], [14, 15, 16, 17, 18], [19]]


def model(kind: str):
    made = AutoModelForCausalLM.from_config(parse_config(json.dumps({**TYPES[kind], "model_type": kind})))
    shake(made)
    return made.eval()


def inputs(rows=BATCH):
    ids, real = pad_left(rows)
    return {"input_ids": ids, "attention_mask": real.long(), "use_cache": False}


def eager(made, **told):
    made.set_attn_implementation("eager")
    out = made(**told, output_attentions=True)
    made.set_attn_implementation("sdpa" if made.config.model_type != "gemma2" else "eager")
    return out


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("kind", TYPES)
@torch.no_grad()
def test_equals_eager_attention_and_changes_no_score(kind, rows):
    made = model(kind)
    for batch in (BATCH, BATCH[:1]):
        told = inputs(batch)
        plain, shown = made(**told).logits, eager(made, **told)
        with probed(made, rows=rows) as probe:
            logits = made(**told).logits
        real = told["attention_mask"].bool()
        # Rows of padding mean nothing, whatever stands there.
        torch.testing.assert_close(logits[real], plain[real], rtol=0, atol=1e-5)
        assert sorted(probe.maps) == [0, 1, 2, 3]
        for number, weights in enumerate(shown.attentions):
            found, kept = probe.maps[number], real[:, -rows:]
            assert found.shape == (len(batch), 4, rows, told["input_ids"].shape[1])
            theirs = weights[:, :, -rows:].transpose(1, 2)[kept]
            torch.testing.assert_close(found.transpose(1, 2)[kept], theirs, rtol=0, atol=1e-6)


@torch.no_grad()
def test_scores_are_the_very_same_where_attention_was_fast_before():
    made, told = model("qwen3"), inputs()
    plain = made(**told).logits
    with probed(made, layers=[2]) as probe:
        assert torch.equal(made(**told).logits, plain)
    assert list(probe.maps) == [2]
    assert torch.equal(made(**told).logits, plain)


@pytest.mark.parametrize("kind", ["llama", "gemma3_text"])
@torch.no_grad()
def test_reads_on_over_a_cache(kind):
    made, ids = model(kind), torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12]])
    shown = eager(made, input_ids=ids)
    for first in (7, 6):
        held = cache_argument(made, DynamicCache(config=made.config))
        made(input_ids=ids[:, :first], use_cache=True, **held)
        with probed(made) as probe:
            made(input_ids=ids[:, first:], use_cache=True, **held)
        for number, weights in enumerate(shown.attentions):
            found = probe.maps[number][0, :, 0]
            # A layer with a window keeps no more keys than it needs: the last ones.
            torch.testing.assert_close(found, weights[0, :, -1, -found.shape[-1] :], rtol=0, atol=1e-6)


@torch.no_grad()
def test_our_own_decoder_with_masks_in_full():
    made = Decoder(DecoderSpec(config=json.dumps(LLAMA))).eval()
    vectors, positions = torch.randn(2, 5, 16), torch.arange(5).expand(2, -1)
    seen = torch.ones(2, 1, 5, 5, dtype=torch.bool).tril()
    seen[1, :, :, 1] = False
    with probed(made.model) as probe:
        made(vectors, seen, positions)
    weights = probe.maps[1]
    assert bool((weights[1, :, 0, 1] == 0).all())
    assert bool((weights[0] > 0).all())
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4, 1))


def llava() -> LlavaForConditionalGeneration:
    text = parse_config(json.dumps({**SIZES, "model_type": "llama"}))
    return LlavaForConditionalGeneration(
        LlavaConfig(vision_config=parse_config(json.dumps(CLIP)), text_config=text, image_token_index=59)
    ).eval()


@torch.no_grad()
def test_a_part_of_a_model_that_reads_pictures():
    made = llava()
    told = {"input_ids": torch.tensor([[59] * 16 + [5, 6]]), "pixel_values": torch.randn(1, 3, 28, 28)}
    shown = eager(made, **told)
    with probed(made, part="text_config") as probe:
        assert made.config.vision_config._attn_implementation == "sdpa"
        made(**told)
    assert made.config.text_config._attn_implementation == "sdpa"
    for number, weights in enumerate(shown.attentions):
        torch.testing.assert_close(probe.maps[number], weights[:, :, -1:], rtol=0, atol=1e-6)
    with (
        pytest.raises(SaccadeError, match=r"has no part 'words'; it has text_config, vision_config"),
        probed(made, part="words"),
    ):
        pass


def test_two_models_in_two_threads():
    models, found, meet = [model("llama"), model("llama")], {}, Barrier(2)
    told = inputs()

    def watch(number):
        with torch.no_grad(), probed(models[number]) as probe:
            meet.wait()
            models[number](**told)
            meet.wait()
        found[number] = probe.maps

    threads = [Thread(target=watch, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 1):
        with torch.no_grad(), probed(models[number]) as probe:
            models[number](**told)
        for layer, weights in probe.maps.items():
            assert torch.equal(found[number][layer], weights)


@torch.no_grad()
def test_other_threads_leave_no_maps():
    made, told = model("llama"), inputs()
    with probed(made) as probe:
        made(**told)
        held = dict(probe.maps)
        thread = Thread(target=lambda: made(**inputs(BATCH[:1])))
        thread.start()
        thread.join()
        assert all(probe.maps[number] is weights for number, weights in held.items())


def test_leaves_nothing_behind_after_an_error():
    made = model("llama")
    made.set_attn_implementation("eager")
    with pytest.raises(IndexError), probed(made):
        made(input_ids=torch.tensor([[1_000]]))
    assert made.config._attn_implementation == "eager"
    with probed(made):
        made(**inputs())


class Alone(nn.Module):
    """No model of the library."""


def test_refuses():
    made, told = model("llama"), inputs()
    with pytest.raises(SaccadeError, match=r"no layer of LlamaForCausalLM asked .*; run it inside"), probed(made):
        pass
    with (
        pytest.raises(SaccadeError, match=r"has no layers \[4, 9\]; those that attend are \[0, 1, 2, 3\]"),
        probed(made, layers=[0, 4, 9]),
    ):
        made(**told)
    with pytest.raises(SaccadeError, match=r"at least 1 row, got 0"), probed(made, rows=0):
        pass
    with pytest.raises(SaccadeError, match=r"is being probed already"), probed(made), probed(made):
        pass
    with probed(made):
        made(**told)
    with pytest.raises(SaccadeError, match=r"Alone holds no model of transformers"), probed(Alone()):
        pass
    by_itself = AutoModelForCausalLM.from_config(
        parse_config(json.dumps({"model_type": "mpt", "d_model": 16, "n_layers": 2, "n_heads": 2, "vocab_size": 60}))
    )
    with pytest.raises(SaccadeError, match=r"no layer of MptForCausalLM asked"), probed(by_itself):
        by_itself(input_ids=told["input_ids"])


def test_two_stacks_need_a_name():
    made = AutoModelForCausalLM.from_config(parse_config(json.dumps({**TYPES["llama"], "model_type": "llama"})))
    both = nn.ModuleList([made, model("qwen3")])
    with pytest.raises(SaccadeError, match=r"two stacks of this model have a layer 0; name the part"), probed(both):
        [one(**inputs()) for one in (made, both[1])]
