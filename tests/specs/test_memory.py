"""Predicted peaks against the tensors that are alive in real runs, in single precision on a CPU.

Weights hide what is wrong beside them, so what comes on top of them is compared too, a little less strictly.
"""

import json
from dataclasses import replace
from importlib import import_module

import pytest
import torch
import transformers
from torch.nn import functional as F
from transformers import CONFIG_MAPPING

from saccade.architectures import FAMILIES
from saccade.architectures.idefics3.reader import siglip
from saccade.architectures.llava.reader import clip, llama, llava
from saccade.backends.embedded.family import embedded
from saccade.connectors import build_connector
from saccade.core.grid import Grid
from saccade.core.plan import Plan, Setting
from saccade.core.size import Size
from saccade.runtime.reader import Reader
from saccade.specs.connectors.fold import FoldSpec
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.connectors.hiwin import HiwinSpec
from saccade.specs.connectors.merge import MergeSpec
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.connectors.resampler import ResamplerSpec
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import language
from saccade.specs.laws.layer import softmax_bytes
from saccade.specs.layouts.cells import BudgetRule
from saccade.specs.parts import ConnectorSpec, TowerSpec
from saccade.specs.planner.system import ModelSpec
from saccade.specs.towers.vit import HubTowerSpec, StemTowerSpec
from saccade.towers import build_tower
from tests.memory import Meter, weights
from tests.parts import picture

SIZE = Size(640, 480)
QUESTION = "How many are there?"
TEXT = 32
IMAGE = 3
"""The placeholder's id."""

CLIP = {
    "model_type": "clip_vision_model", "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4,
    "num_attention_heads": 4, "image_size": 336, "patch_size": 14,
}  # fmt: skip
QWEN = {
    "model_type": "qwen2_5_vl_vision", "hidden_size": 256, "intermediate_size": 688, "depth": 4, "num_heads": 4,
    "patch_size": 14, "out_hidden_size": 256, "window_size": 112, "fullatt_block_indexes": [1, 3],
}  # fmt: skip
LLAMA = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 2000, "max_position_embeddings": 4096,
}  # fmt: skip
ROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]}
MODELS = {
    "llava": (
        {"image_token_index": IMAGE, "vision_feature_layer": -2, "text_config": LLAMA, "vision_config": CLIP},
        {"do_center_crop": True, "crop_size": {"height": 336, "width": 336}},
    ),
    "idefics3": (
        {
            "image_token_id": IMAGE, "scale_factor": 2, "pad_token_id": 0, "text_config": {**LLAMA, "pad_token_id": 0},
            "vision_config": {**CLIP, "model_type": "idefics3_vision", "image_size": 364},
        },
        {"do_image_splitting": True, "size": {"longest_edge": 728}, "max_image_size": {"longest_edge": 364}},
    ),
    "qwen2_5_vl": (
        {
            "image_token_id": IMAGE, "vision_start_token_id": 4, "vision_end_token_id": 5, "video_token_id": 6,
            "text_config": {**LLAMA, "model_type": "qwen2_5_vl_text", "rope_parameters": ROPE}, "vision_config": QWEN,
        },
        {"patch_size": 14, "merge_size": 2, "min_pixels": 3136, "max_pixels": 12_845_056},
    ),
}  # fmt: skip
"""``config.json`` and processor, by model type."""


def same(plan: Plan, meter: Meter) -> None:
    """The prediction holds, with the weights and without them."""
    told = f"measured {meter.peak:,}, predicted {plan.memory_bytes:,}; largest: {meter.worst[:25]}"
    assert plan.param_bytes == pytest.approx(meter.held, rel=0.005), told
    assert plan.memory_bytes == pytest.approx(meter.peak, rel=0.15), told
    assert plan.memory_bytes - plan.param_bytes == pytest.approx(meter.peak - meter.held, rel=0.25), told


def reading(reader: Reader) -> tuple[Plan, Meter]:
    """One picture, one question, four tokens."""
    image = picture(SIZE.width, SIZE.height)
    with torch.inference_mode(), Meter(weights(reader)) as meter:
        reader.ask(reader.encode([image]), [[QUESTION]], max_tokens=4)
    return reader.plan(SIZE, QUESTION), meter


def generating(kind: str, attention: str) -> tuple[Plan, Meter]:
    """The same by transformers' class with random weights, on pixels and ids of the planned shapes."""
    config, processor = MODELS[kind]
    config = {"model_type": kind, "tie_word_embeddings": False, **config}
    system = ModelSpec(name=kind, family=FAMILIES[kind], config=config, processor=processor)
    plan = system.plan([SIZE], text=TEXT, setting=Setting(dtype="float32", attention=attention))
    made = CONFIG_MAPPING[kind].from_dict(config)
    model = getattr(transformers, made.__class__.__name__.replace("Config", "ForConditionalGeneration"))
    model = model._from_config(made, attn_implementation=attention).eval()
    words = plan.length - plan.visual_tokens - 2
    ids = torch.tensor([[7] * words + [4] + [IMAGE] * plan.visual_tokens + [5]])
    view, views = plan.views[0].size, len(plan.views)
    if kind == "qwen2_5_vl":
        grid = torch.tensor([[1, view.height // 14, view.width // 14]])
        pixels = {"pixel_values": torch.randn(plan.patches, 2 * 3 * 14**2), "image_grid_thw": grid}
        pixels["mm_token_type_ids"] = (ids == IMAGE).long()
    else:
        many = (1, views) if kind == "idefics3" else (views,)
        pixels = {"pixel_values": torch.randn(*many, 3, view.height, view.width)}
    with torch.inference_mode(), Meter(weights(model)) as meter:
        model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), **pixels,
            max_new_tokens=4, do_sample=False, pad_token_id=0, eos_token_id=None,
        )  # fmt: skip
    return plan, meter


def sized() -> Reader:
    """A reader of random weights, large enough for its activations to matter."""
    tower = clip(side=336, patch=14, width=256, depth=4, heads=4)
    words = llama(width=256, mlp=688, depth=4, heads=4, vocabulary=1000, context=1024)
    spec = replace(llava(tower=tower, language=words, image_id=IMAGE), template="<image>{question}\n")
    return Reader(spec, embedded("llava").tokenizer).eval()


@pytest.mark.parametrize("name", ["llava", "llava-uhd", "idefics"])
def test_embedded_readers(name: str):
    same(*reading(embedded(name)))


def test_a_larger_reader():
    same(*reading(sized()))


@pytest.mark.parametrize(
    "spec",
    [
        MlpSpec(width_in=64, width_out=128),
        PixelShuffleSpec(width_in=64, width_out=128, ratio=2),
        PoolSpec(width_in=64, width_out=128, rows=4, cols=4),
        ResamplerSpec(width_in=64, width_out=128, queries=16),
        MergeSpec(width_in=64, width_out=128, budget=16),
        FovealSpec(width_in=64, width_out=128, rule=BudgetRule(tokens=300, root=2)),
        FovealSpec(width_in=64, width_out=32, rule=BudgetRule(tokens=300, root=2)),
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_connectors(spec: ConnectorSpec):
    grid, part = Grid(20, 30), build_connector(spec)
    patches = torch.randn(3, grid.tokens, 64)
    with torch.inference_mode(), Meter([*weights(part), patches]) as meter:
        part(patches, grid)
    found = meter.peak - sum(weight.nbytes for weight in weights(part))
    assert spec.peak([grid] * 3, 4, eager=False) == pytest.approx(found, rel=0.15), meter.worst


@pytest.mark.parametrize("grid", [Grid(24, 24), Grid(16, 30)], ids=str)
@pytest.mark.parametrize(
    "spec",
    [
        WindowsSpec(width_in=64, width_out=128, heads=4),
        WindowsSpec(width_in=8, width_out=64, heads=64),
        HiwinSpec(width_in=64, width_out=128, heads=4),
        HiwinSpec(width_in=256, width_out=64, heads=4, levels=(1, 4)),
        HiwinSpec(width_in=16, width_out=512, heads=2, levels=(1, 2)),
        HiwinSpec(width_in=64, width_out=128, heads=8, levels=(1,)),
    ],
    ids=repr,
)
def test_windowed_connectors(spec: WindowsSpec | HiwinSpec, grid: Grid):
    part, patches = build_connector(spec), torch.randn(3, grid.tokens, spec.width_in)
    pixels = torch.randn(3, 3, 14 * grid.rows, 14 * grid.cols)
    guide = (pixels,) if isinstance(spec, HiwinSpec) and spec.reads_pixels else ()
    with torch.inference_mode():
        part(patches, grid, *guide)  # matrices of resampling are made once and kept
        with Meter([*weights(part), patches, pixels]) as meter:
            part(patches, grid, *guide)
    found = meter.peak - sum(weight.nbytes for weight in [*weights(part), pixels])
    assert spec.peak([grid] * 3, 4, eager=False) == pytest.approx(found, rel=0.15), meter.worst


@pytest.mark.parametrize(
    "spec",
    [
        StemTowerSpec(),
        siglip(side=384, patch=16, width=256, depth=2, heads=4),
        HubTowerSpec(config=json.dumps(CLIP)),
        HubTowerSpec(config=json.dumps({**CLIP, "hidden_act": "gelu"})),
        HubTowerSpec(config=json.dumps({**CLIP, "num_hidden_layers": 8}), layers=(2, 5, 8)),
    ],
    ids=["stem", "siglip", "clip", "clip with gelu", "three layers"],
)
def test_towers(spec: TowerSpec):
    tower, grid = build_tower(spec).eval(), Grid(spec.side // spec.patch, spec.side // spec.patch)
    pixels = torch.randn(3, 3, spec.side, spec.side)
    with torch.inference_mode(), Meter([*weights(tower), pixels]) as meter:
        tower(pixels)
    found = meter.peak - sum(weight.nbytes for weight in weights(tower))
    assert spec.peak([grid] * 3, 4, eager=False) == pytest.approx(found, rel=0.05), meter.worst


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_language_models(attention: str):
    model = transformers.LlamaForCausalLM._from_config(CONFIG_MAPPING["llama"](**LLAMA), attn_implementation=attention)
    spec, vectors = language(Fields(LLAMA, "config"), "llama"), torch.randn(2, 700, 256)
    with torch.inference_mode(), Meter([*weights(model), vectors]) as meter:
        model(inputs_embeds=vectors, use_cache=True, logits_to_keep=1)
    found = meter.peak - meter.held + vectors.nbytes
    planned = spec.peak([700, 700], 4, eager=attention == "eager") + 2 * spec.kv_bytes(700, 4)
    assert planned == pytest.approx(found, rel=0.05), meter.worst


def test_folding_connectors_of_transformers():
    """Idefics3 folds and has one matrix, LLaVA folds nothing and has two."""
    patches = torch.randn(3, 676, 256)
    for kind, name, spec in (
        ("idefics3", "Idefics3Connector", FoldSpec(width_in=256, widths=(256,), ratio=2, bias=False)),
        ("llava", "LlavaMultiModalProjector", FoldSpec(width_in=256, widths=(256, 256))),
    ):
        module = import_module(f"transformers.models.{kind}.modeling_{kind}")
        part = getattr(module, name)(CONFIG_MAPPING[kind].from_dict(MODELS[kind][0]))
        with torch.inference_mode(), Meter([*weights(part), patches]) as meter:
            part(patches)
        found = meter.peak - sum(weight.nbytes for weight in weights(part))
        assert spec.peak([Grid(26, 26)] * 3, 4, eager=False) == pytest.approx(found, rel=0.05), (kind, meter.worst)


@pytest.mark.parametrize(
    ("kind", "attention"),
    [("llava", "sdpa"), ("llava", "eager"), ("idefics3", "sdpa"), ("qwen2_5_vl", "sdpa"), ("qwen2_5_vl", "eager")],
)
def test_models_of_transformers(kind: str, attention: str):
    same(*generating(kind, attention))


def test_the_meter_counts_what_is_alive():
    with torch.inference_mode(), Meter([torch.zeros(1000)]) as meter:
        x = torch.zeros(1000)
        y = x + 1  # 4,000 bytes each
        z = y * 2
        del y
        x.view(10, 100).add_(z.view(10, 100))
        assert (meter.now, meter.peak) == (8000, 12_000)
        wide = z[None].expand(3, -1)
        assert meter.now == 8000
        wide = wide.contiguous()
        assert (meter.now, meter.peak) == (20_000, 20_000)
        del x, z
    assert (meter.now, meter.peak) == (12_000, 20_000)
    assert meter.worst == [(12_000, (3, 1000)), (4000, (1000,)), (4000, (1000,))]


def test_the_meter_holds_weights_from_the_start_and_looks_into_operations():
    layer, x = torch.nn.Linear(10, 20), torch.zeros(5, 10)
    with torch.inference_mode(), Meter(weights(layer)) as meter:
        assert meter.held == meter.peak == 4 * (10 * 20 + 20)
        layer(x)
    assert meter.peak == 4 * (10 * 20 + 20 + 5 * 10 + 5 * 20)
    query = torch.zeros(1, 2, 30, 8)
    seen = torch.ones(1, 1, 30, 30, dtype=torch.bool)
    with torch.inference_mode(), Meter([query]) as meter:
        F.scaled_dot_product_attention(query, query, query, attn_mask=seen)
    assert (4 * 30 * 30, (1, 1, 30, 30)) in meter.worst  # the mask as numbers, alive inside alone


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_softmax_in_single_precision(dtype: str):
    scores = torch.zeros(4, 100, 100, dtype=getattr(torch, dtype))
    with torch.inference_mode(), Meter([scores]) as meter:
        scores.softmax(dim=-1, dtype=torch.float32)
    assert meter.peak == softmax_bytes(scores.numel(), Setting(dtype=dtype).number)
