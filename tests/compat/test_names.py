"""One contract for every name in ``saccade.compat.names``: the installed transformers means the same by it."""

import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
import transformers
from torch import nn
from transformers import AttentionInterface, AutoConfig, AutoModel, AutoModelForCausalLM, DynamicCache, PreTrainedModel

from saccade.backends.hosted.families import KINDS
from saccade.compat import hf, processors
from saccade.compat.names import NAMES, missing
from saccade.compat.versions import LOWEST, NEWEST, installed, release
from saccade.core.errors import SaccadeError
from saccade.nn.hub import parse_config
from tests.backends.hosted.families import made
from tests.parts import CLIP, DINOV2, LLAMA, SIGLIP, VIT, picture

SMALL = {**LLAMA, "head_dim": 4, "layer_types": ["full_attention"] * 2, "num_hidden_layers": 2}
IDS = torch.tensor([[1, 2, 3]])


def config(**fields: Any):
    return parse_config(json.dumps({**LLAMA, **fields}))


def language(kind: str = "llama", **fields: Any):
    base = LLAMA if kind == "llama" else {**SMALL, "model_type": kind}
    return AutoModelForCausalLM.from_config(parse_config(json.dumps({**base, **fields})))


def keywords(model: nn.Module, **inputs: Any) -> dict[str, Any]:
    """What the attention function of ``model`` is handed by name."""
    seen: dict[str, Any] = {}

    def attention(module: nn.Module, query: Any, key: Any, value: Any, mask: Any, **told: Any):
        seen.update(told)
        return torch.zeros_like(query).transpose(1, 2), None

    AttentionInterface.register("told", attention)
    transformers.AttentionMaskInterface.register("told", transformers.AttentionMaskInterface()["sdpa"])
    for part in model.modules():  # an encoder and a decoder have configs of their own
        if isinstance(part, PreTrainedModel):
            part.set_attn_implementation("told")
    model(**inputs)
    return seen


def prepared(processor: Any) -> Any:
    """An image as ``processor`` has it prepared."""
    return processor.image_processor([picture(32, 32)], return_tensors="pt", **processors.image_options(processor))


def attention_is_read() -> None:
    model = language()
    for name in ("eager", "sdpa"):
        model.set_attn_implementation(name)
        assert hf.attention_of(model.config) == name


def attention_of_one_config_is_put_back() -> None:
    whole = made("llava")[0].config
    before = hf.attention_of(whole.text_config)
    hf.restore_attention(whole, "eager")
    assert hf.attention_of(whole) == "eager"
    assert hf.attention_of(whole.text_config) == before == "sdpa"


def sinks_are_told() -> None:
    assert not hf.has_sinks(keywords(language(), input_ids=IDS))
    assert hf.has_sinks(keywords(language("gpt_oss", num_local_experts=2, num_experts_per_tok=1), input_ids=IDS))


def softcap_is_told() -> None:
    assert keywords(language("gemma2", attn_logit_softcapping=7.0), input_ids=IDS)["softcap"] == 7.0


def bias_is_told() -> None:
    fields = {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 4, "vocab_size": 270}
    model = AutoModel.from_config(AutoConfig.for_model("t5", **fields))
    assert keywords(model, input_ids=IDS, decoder_input_ids=IDS)["position_bias"].shape == (1, 4, 3, 3)


def layers_have_numbers() -> None:
    assert [hf.layer_number(layer.self_attn) for layer in language().model.layers] == [0, 1]


def modules_say_whether_they_are_causal() -> None:
    assert hf.hides_later(language().model.layers[0].self_attn)
    tower = AutoModel.from_config(parse_config(json.dumps(CLIP)))
    found = [hf.hides_later(part) for part in tower.modules() if type(part).__name__ == "CLIPAttention"]
    assert found == [False] * CLIP["num_hidden_layers"]


def classes_are_built() -> None:
    found = hf.built_from("LlamaModel", config())
    assert type(found).__name__ == "LlamaModel"
    assert found.dtype == torch.float32


def nothing_is_drawn() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with hf.without_random_init():
        hf.built_from("LlamaModel", config())
    assert torch.get_rng_state().equal(before)
    hf.built_from("LlamaModel", config())
    assert not torch.get_rng_state().equal(before)


def unknown_types_are_told() -> None:
    with pytest.raises(ValueError, match=re.escape(type(parse_config(json.dumps(CLIP))).__name__)) as told:
        AutoModelForCausalLM.from_config(parse_config(json.dumps(CLIP)))
    assert hf.has_no_causal_model(told.value)
    assert not hf.has_no_causal_model(ValueError("another"))


def experts_are_batched() -> None:
    model = language("mixtral", num_local_experts=2, num_experts_per_tok=1)
    hf.use_batched_experts(model)
    with torch.no_grad():
        assert model(input_ids=IDS).logits.isfinite().all()
    assert "batched_mm" in str(vars(model.config))


def origin_is_a_key() -> None:
    assert hf.ORIGIN_KEY in config().to_dict()


def labels_have_channels() -> None:
    assert hf.label_channels(transformers.PerceiverConfig()) == 1024


def outputs_are_scaled() -> None:
    found = transformers.T5Config()
    for scaled in (False, True):
        hf.scale_outputs(found, scaled)
        assert found.scale_decoder_outputs is scaled
    assert "self.config.scale_decoder_outputs" in inspect.getsource(transformers.T5ForConditionalGeneration.forward)


def norms_are_where_they_were() -> None:
    width = {"blip_2_vision_model": "Blip2VisionModel", "instructblip_vision_model": "InstructBlipVisionModel"}
    for kind in hf.FINAL_NORM:
        fields = {one["model_type"]: one for one in (CLIP, SIGLIP, DINOV2, VIT)}.get(kind, {**CLIP, "model_type": kind})
        told = parse_config(json.dumps(fields))
        model = hf.built_from(width[kind], told) if kind in width else AutoModel.from_config(told)
        assert isinstance(model.get_submodule(hf.FINAL_NORM[kind]), nn.LayerNorm), kind


def caches_are_taken() -> None:
    model = language()
    held = DynamicCache(config=model.config)
    with torch.no_grad():
        whole = model(input_ids=IDS).logits[:, -1]
        model(input_ids=IDS[:, :2], use_cache=True, **hf.cache_argument(model, held))
        assert held.get_seq_length() == 2
        last = model(input_ids=IDS[:, 2:], use_cache=True, **hf.cache_argument(model, held)).logits[:, -1]
    torch.testing.assert_close(last, whole)


def the_cache_is_called(word: str) -> Callable[[], None]:
    def check() -> None:
        names = ["LlamaForCausalLM", "Qwen3ForCausalLM", "T5ForConditionalGeneration", "MptForCausalLM"]
        for name in (*names, *(_hosted_class(kind) for kind in KINDS)):
            model = getattr(transformers, name)
            taken = inspect.signature(model.forward).parameters
            assert word in taken, name
        caches_are_taken()

    return check


def _hosted_class(kind: str) -> str:
    found = transformers.AutoModelForImageTextToText._model_mapping[transformers.CONFIG_MAPPING[kind]]
    return found.__name__


def outputs_stand_for_pixels() -> None:
    for kind in KINDS:
        model = getattr(transformers, _hosted_class(kind))
        (word,) = hf.image_argument(torch.zeros(1, 2, 3), ())
        assert word in inspect.signature(model.forward).parameters, kind
        told = hf.image_argument(torch.zeros(1, 2, 3), ())[word]
        assert told["image"].pooler_output.shape == (1, 2, 3)
        assert told["image"].to_tuple()


def deep_features_come_out() -> None:
    for kind, layers in ("qwen3_vl", 2), ("qwen2_vl", 0):
        model, processor = made(kind)
        pixels = prepared(processor)
        with torch.no_grad():
            out = model.get_image_features(**pixels, return_dict=True)
        assert (len(hf.deep_features(out)) > 0) == (layers > 0), kind


def positions_are_numbered() -> None:
    model, _ = made("qwen2_vl")
    image = model.config.image_token_id
    ids, grid = [1, image, image, image, image, 2], torch.tensor([[1, 4, 4]])
    found = hf.rope_positions(model, ids, [one == image for one in ids], grid)
    assert found.tolist() == [[0, 1, 1, 1, 1, 3], [0, 1, 1, 2, 2, 3], [0, 1, 2, 1, 2, 3]]


def spread_models_say_so() -> None:
    model = language()
    assert not hf.is_spread(model)
    model.hf_device_map = {"model": "cpu", "lm_head": "disk"}
    assert hf.is_spread(model)
    assert "hf_device_map" in inspect.getsource(accelerate.dispatch_model)


def layers_hold_keys_and_values() -> None:
    cache = DynamicCache(config=config())
    assert [type(layer) for layer in cache.layers] == [hf.DynamicLayer] * 2
    for layer in cache.layers:
        layer.update(torch.zeros(1, 2, 3, 4), torch.ones(1, 2, 3, 4))
    assert hf.cached_values(cache, 1).equal(torch.ones(1, 2, 3, 4))
    cache.batch_select_indices(torch.tensor([0, 0]))
    assert hf.cached_values(cache, 1).shape == (2, 2, 3, 4)


def outputs_have_their_fields() -> None:
    assert hf.BaseModelOutput(last_hidden_state=torch.ones(1)).last_hidden_state == 1
    assert hf.CausalLMOutputWithPast(logits=torch.ones(1)).logits == 1


def processors_say_what_they_ask() -> None:
    _, processor = made("qwen2_vl")
    found = processors.image_options(processor)
    assert isinstance(found, dict)
    assert None not in found.values()
    processor.image_processor([picture(32, 32)], return_tensors="pt", **found)


def processors_write_placeholders() -> None:
    _, processor = made("qwen2_vl")
    assert processors.image_text(processor, prepared(processor)).count(processor.image_token) == 16


def processors_have_parts() -> None:
    _, processor = made("qwen2_vl")
    assert {"image_processor", "tokenizer"} <= set(processors.part_names(processor))
    assert "video_processor" in processors.part_names(transformers.Qwen2VLProcessor)


def processors_are_made_and_saved(folder: Path) -> None:
    _, processor = made("qwen2_vl")
    processors.save_processor(processor, folder)
    parts = {"image_processor": processors.image_processor_of(folder), "tokenizer": processor.tokenizer}
    found = processors.processor_from_parts("Qwen2VLProcessor", folder, parts)
    assert type(found).__name__ == "Qwen2VLProcessor"
    assert found.video_processor is None
    assert found.image_processor is parts["image_processor"]


def pixels_are_pillows(folder: Path) -> None:
    made("llava")[1].image_processor.save_pretrained(folder)
    assert type(processors.image_processor_of(folder)).__name__ == "CLIPImageProcessorPil"


def bars_are_hidden() -> None:
    bars = transformers.utils.logging
    before = bars.is_progress_bar_enabled()
    bars.enable_progress_bar()
    try:
        with hf.without_progress_bars():
            assert not bars.is_progress_bar_enabled()
        assert bars.is_progress_bar_enabled()
    finally:
        (bars.enable_progress_bar if before else bars.disable_progress_bar)()


CONTRACTS: dict[str, Callable[..., None]] = {
    "PreTrainedConfig._attn_implementation": attention_is_read,
    "PreTrainedConfig._attn_implementation_internal": attention_of_one_config_is_put_back,
    "attention(s_aux=)": sinks_are_told,
    "attention(softcap=)": softcap_is_told,
    "attention(position_bias=)": bias_is_told,
    "attention module.layer_idx": layers_have_numbers,
    "attention module.is_causal": modules_say_whether_they_are_causal,
    "PreTrainedModel._from_config": classes_are_built,
    "transformers.initialization.no_init_weights": nothing_is_drawn,
    "AutoModelForCausalLM: Unrecognized configuration": unknown_types_are_told,
    "PreTrainedModel.set_experts_implementation": experts_are_batched,
    "PreTrainedConfig.to_dict: _name_or_path": origin_is_a_key,
    "PerceiverConfig._label_trainable_num_channels": labels_have_channels,
    "T5Config.scale_decoder_outputs": outputs_are_scaled,
    "vision model: final norm": norms_are_where_they_were,
    "forward(cache=)": the_cache_is_called("cache"),
    "forward(past_key_values=)": the_cache_is_called("past_key_values"),
    "forward(mm_encoder_outputs=)": outputs_stand_for_pixels,
    "get_image_features: deepstack_features": deep_features_come_out,
    "get_rope_index(mm_token_type_ids=)": positions_are_numbered,
    "PreTrainedModel.hf_device_map": spread_models_say_so,
    "transformers.cache_utils.DynamicLayer": layers_hold_keys_and_values,
    "transformers.modeling_outputs": outputs_have_their_fields,
    "ProcessorMixin._merge_kwargs": processors_say_what_they_ask,
    "ProcessorMixin.replace_image_token": processors_write_placeholders,
    "ProcessorMixin.check_argument_for_proper_class": processors_are_made_and_saved,
    "ProcessorMixin.get_attributes": processors_have_parts,
    "ProcessorMixin.from_args_and_dict": processors_are_made_and_saved,
    "AutoImageProcessor(backend=)": pixels_are_pillows,
    "transformers.utils.logging": bars_are_hidden,
}


def kept(name: str, check: Callable[[], None]) -> None:
    """Run a contract; where it fails, say what breaks, for what it is needed, and in which versions it is known."""
    try:
        check()
    except Exception as error:  # noqa: BLE001 (whatever a contract meets)
        pytest.fail(f"{missing(name)}. What failed: {type(error).__name__}: {error}")


def test_every_name_has_a_contract():
    assert set(CONTRACTS) == set(NAMES)


@pytest.mark.parametrize("name", [name for name, found in NAMES.items() if found.expected])
def test_the_installed_transformers_keeps(name, tmp_path):
    check = CONTRACTS[name]
    kept(name, (lambda: check(tmp_path)) if inspect.signature(check).parameters else check)


def test_a_broken_contract_says_what_and_where():
    def breaks() -> None:
        raise AttributeError("no such thing")

    with pytest.raises(pytest.fail.Exception) as told:
        kept("forward(mm_encoder_outputs=)", breaks)
    for part in (installed(), "mm_encoder_outputs", "read some visual tokens", LOWEST, NEWEST, "no such thing"):
        assert part in str(told.value)


def test_a_name_that_is_gone_is_refused_with_the_versions_that_have_it():
    with pytest.raises(SaccadeError, match=rf"has no PreTrainedConfig\._attn_implementation .* {LOWEST} to {NEWEST}"):
        hf.have(object(), "PreTrainedConfig._attn_implementation")
    with pytest.raises(SaccadeError, match=r"has no T5Config\.scale_decoder_outputs"):
        hf.scale_outputs(config(), True)
    with pytest.raises(SaccadeError, match="Linear takes no KV cache, so nothing"):
        hf.cache_argument(nn.Linear(1, 1), None)


def test_versions_compare_as_numbers():
    assert release("5.9.1") < release("5.18.0") < release(NEWEST)
    assert release("5.24.0.dev0") == (5, 24, 0)
    assert release("6") == (6, 0, 0)
    assert installed() == version("transformers") == transformers.__version__


def test_the_lowest_version_is_the_one_that_is_declared():
    file = Path(__file__).parents[2] / "pyproject.toml"
    declared = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["optional-dependencies"]["run"]
    assert f"transformers>={LOWEST.removesuffix('.0')}" in declared


def test_loading_leaves_device_contexts_as_they_are(tmp_path):
    """In a fresh process, where nothing has used a device context before."""
    language().save_pretrained(tmp_path)
    code = f"""
import torch
import saccade.compat.hf
from transformers import LlamaForCausalLM
LlamaForCausalLM.from_pretrained({str(tmp_path)!r})
with torch.device("meta"):
    print(torch.linspace(0, 1, 3).device)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "meta", done.stderr
