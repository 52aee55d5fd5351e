"""Towers from transformers' backbones: chosen layers equal the untouched model's hidden states."""

import json

import pytest
import torch
from transformers import (
    AutoConfig,
    Blip2VisionModel,
    CLIPVisionModel,
    Dinov2Model,
    InstructBlipVisionModel,
    PreTrainedModel,
    SiglipVisionModel,
    ViTModel,
)

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.nn.hub import config_text
from saccade.specs.towers.vit import HubTowerSpec
from saccade.towers.hub import HubTower
from tests.parts import CLIP, DINOV2, SIGLIP, VIT, close, counted, shake

EVA = {**CLIP, "model_type": "blip_2_vision_model", "layer_norm_eps": 1e-2, "initializer_range": 0.5}
MODELS: dict[str, tuple[dict, type[PreTrainedModel]]] = {
    "clip": (CLIP, CLIPVisionModel),
    "siglip": (SIGLIP, SiglipVisionModel),
    "dinov2": (DINOV2, Dinov2Model),
    "vit": (VIT, ViTModel),
    "blip2": (EVA, Blip2VisionModel),
    "instructblip": ({**EVA, "model_type": "instructblip_vision_model"}, InstructBlipVisionModel),
}
NORMED = ["siglip", "dinov2", "vit", "blip2", "instructblip"]
LAYERS = [(-1,), (-2,), (0,), (3,), (-2, -1, 1), (1, 2)]
SIZES = [(28, 28), (42, 21)]


def pair(name: str, **options: object) -> tuple[HubTower, PreTrainedModel]:
    """Our tower and the whole model with the same weights."""
    config, model = MODELS[name]
    theirs = model(AutoConfig.for_model(**config)).eval()
    shake(theirs)
    ours = HubTower(HubTowerSpec(config=json.dumps(config), **options)).eval()
    held = theirs.state_dict()
    ours.backbone.load_state_dict({key: held[key] for key in ours.backbone.state_dict()})
    return ours, theirs


def states(name: str, theirs: PreTrainedModel, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    options = {} if name == "dinov2" else {"interpolate_pos_encoding": True}
    return theirs(pixels, output_hidden_states=True, **options).hidden_states


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("layers", LAYERS, ids=str)
@torch.no_grad()
def test_layers_equal_the_hidden_states(name, layers):
    ours, theirs = pair(name, layers=layers)
    for height, width in SIZES:
        pixels = torch.randn(2, 3, height, width)
        reference = torch.cat([states(name, theirs, pixels)[layer] for layer in layers], dim=-1)
        close(ours(pixels), reference[:, ours.spec.class_tokens :])


@pytest.mark.parametrize("name", ["clip", "dinov2", "vit", "blip2", "instructblip"])
@torch.no_grad()
def test_a_kept_class_token_stands_in_front(name):
    ours, theirs = pair(name, layers=(-2,), keep_class=True)
    pixels = torch.randn(2, 3, 28, 28)
    close(ours(pixels), states(name, theirs, pixels)[-2])


@pytest.mark.parametrize("name", NORMED)
@torch.no_grad()
def test_the_final_norm_on_request(name):
    ours, theirs = pair(name, final_norm=True)
    pixels = torch.randn(2, 3, 28, 28)
    close(ours(pixels), theirs(pixels).last_hidden_state[:, ours.spec.class_tokens :])


@pytest.mark.parametrize("name", ["blip2", "instructblip"])
@torch.no_grad()
def test_the_feature_of_blip_2_is_the_whole_model(name):
    """Class token and patches after the norm, in views of any size."""
    ours, theirs = pair(name, keep_class=True, final_norm=True)
    assert type(ours.backbone) is type(theirs)
    assert set(ours.backbone.state_dict()) == set(theirs.state_dict())
    for height, width in SIZES:
        pixels = torch.randn(2, 3, height, width)
        close(ours(pixels), theirs(pixels, interpolate_pos_encoding=True).last_hidden_state)
        assert ours(pixels).shape[1] == ours.spec.extra + height * width // 49


@torch.no_grad()
def test_the_final_norm_has_an_epsilon_of_its_own():
    """As LAVIS' ln_vision: 1e-5 on top of layers with 1e-6, here coarser so that it shows."""
    ours, theirs = pair("blip2", keep_class=True, final_norm=True, norm_eps=0.3)
    assert ours.spec.norm_eps == 0.3
    pixels = torch.randn(2, 3, 28, 28)
    last = theirs.encoder(theirs.embeddings(pixels)).last_hidden_state
    norm = theirs.post_layernorm
    expected = torch.nn.functional.layer_norm(last, (16,), norm.weight, norm.bias, eps=0.3)
    close(ours(pixels), expected)
    assert float((ours(pixels) - norm(last)).abs().max()) > 1e-3


def test_eva_s_giant_has_986_million_weights():
    spec = HubTowerSpec(
        config=config_text(AutoConfig.for_model("blip_2_vision_model")), keep_class=True, final_norm=True
    )
    assert spec.cost(Grid(16, 16)).params == 985_952_256
    with torch.device("meta"):
        assert sum(weight.numel() for weight in HubTower(spec).parameters()) == 985_952_256
    assert (spec.width, spec.depth, spec.extra) == (1408, 39, 1)


@torch.no_grad()
def test_the_feature_of_idefics():
    """CLIP with its class token, before the norm behind, at the trained size. Theirs differs at others: its table is
    interpolated to a tenth of a patch more.
    """
    from transformers.models.idefics.vision import IdeficsVisionTransformer

    config = {**CLIP, "hidden_act": "gelu", "layer_norm_eps": 1e-2}
    fields = {key: value for key, value in config.items() if key not in ("model_type", "hidden_size")}
    theirs = IdeficsVisionTransformer(AutoConfig.for_model("idefics_vision", embed_dim=16, **fields)).eval()
    shake(theirs)
    ours = HubTower(HubTowerSpec(config=json.dumps(config), layers=(-1,), keep_class=True)).eval()
    held = {key: value for key, value in theirs.state_dict().items() if not key.startswith("post_layernorm")}
    ours.backbone.load_state_dict(held)
    pixels = torch.randn(2, 3, 28, 28)
    close(ours(pixels), theirs(pixels).last_hidden_state)
    assert ours(pixels).shape == (2, 17, 16)


@torch.no_grad()
def test_the_feature_of_open_flamingo():
    """CLIP's patches before the norm behind, without the class token, with OpenAI's activation."""
    ours, theirs = pair("clip", layers=(-1,))
    assert ours.backbone.config.hidden_act == "quick_gelu"
    pixels = torch.randn(2, 3, 28, 28)
    close(ours(pixels), theirs(pixels).last_hidden_state[:, 1:])
    exact = HubTower(HubTowerSpec(config=json.dumps({**CLIP, "hidden_act": "gelu"}))).eval()
    exact.load_state_dict(ours.state_dict())
    assert float((ours(pixels) - exact(pixels)).abs().max()) > 1e-4


@torch.no_grad()
def test_parity_with_the_tower_of_idefics3():
    from transformers.models.idefics3.modeling_idefics3 import Idefics3VisionTransformer

    config = {**SIGLIP, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}
    fields = {key: value for key, value in config.items() if key != "model_type"}
    theirs = Idefics3VisionTransformer(AutoConfig.for_model("idefics3_vision", **fields)).eval()
    shake(theirs)
    ours = HubTower(HubTowerSpec(config=json.dumps(config), final_norm=True)).eval()
    ours.backbone.load_state_dict(theirs.state_dict())
    pixels = torch.randn(2, 3, 28, 28)
    close(ours(pixels), theirs(pixels).last_hidden_state)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("options", [{}, {"layers": (-2,)}, {"layers": (0,)}, {"layers": (1, 2)}], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_cost_is_what_torch_counts(name, options, size):
    spec = HubTowerSpec(config=json.dumps(MODELS[name][0]), **options)
    grid = Grid(size[0] // 7, size[1] // 7)
    assert spec.cost(grid) == counted(lambda: HubTower(spec), lambda part: part(torch.empty(1, 3, *size)))


@pytest.mark.parametrize("name", NORMED)
def test_the_final_norm_counts(name):
    spec = HubTowerSpec(config=json.dumps(MODELS[name][0]), final_norm=True)
    assert spec.cost(Grid(4, 4)) == counted(lambda: HubTower(spec), lambda part: part(torch.empty(1, 3, 28, 28)))


@pytest.mark.parametrize("name", ["vit", "dinov2", "blip2", "instructblip"])
def test_queries_keys_and_values_without_shift_count(name):
    spec = HubTowerSpec(config=json.dumps({**MODELS[name][0], "qkv_bias": False}), layers=(-2,))
    assert spec.cost(Grid(4, 4)) == counted(lambda: HubTower(spec), lambda part: part(torch.empty(1, 3, 28, 28)))


def test_quick_gelu_holds_more_wherever_it_stands():
    def peak(config: dict[str, object]) -> int:
        return HubTowerSpec(config=json.dumps(config)).peak([Grid(4, 4)], 4, eager=False)

    for config in (EVA, SIGLIP, VIT):
        assert peak({**config, "hidden_act": "quick_gelu"}) > peak(config) == peak({**config, "hidden_act": "gelu"})
    assert peak({**CLIP, "hidden_act": "gelu"}) < peak(CLIP)


def test_every_weight_is_used():
    for name in MODELS:
        tower = HubTower(HubTowerSpec(config=json.dumps(MODELS[name][0]), layers=(-2,)))
        tower(torch.randn(1, 3, 28, 28)).square().sum().backward()
        assert all(weight.grad is not None for weight in tower.parameters())


def test_refuses_what_no_tower_has():
    with pytest.raises(SaccadeError, match="unknown vision tower 'clip_vision'; did you mean clip_vision_model"):
        HubTowerSpec(config=json.dumps({**CLIP, "model_type": "clip_vision"}))
    with pytest.raises(SaccadeError, match=r"hidden states 0 to 3, got layers \[4\]"):
        HubTowerSpec(config=json.dumps(CLIP), layers=(4,))
    with pytest.raises(SaccadeError, match=r"hidden states 0 to 3, got layers \[\]"):
        HubTowerSpec(config=json.dumps(CLIP), layers=())
    with pytest.raises(SaccadeError, match="siglip_vision_model has no class token to keep"):
        HubTowerSpec(config=json.dumps(SIGLIP), keep_class=True)
    with pytest.raises(SaccadeError, match=r"stands after layer 3 .* set final_norm to false"):
        HubTowerSpec(config=json.dumps(SIGLIP), layers=(-2,), final_norm=True)
    with pytest.raises(SaccadeError, match="needs a whole number 'num_hidden_layers', got None"):
        HubTowerSpec(config='{"model_type": "vit"}')
    with pytest.raises(SaccadeError, match="config is a JSON object, got list"):
        HubTowerSpec(config="[]")
    with pytest.raises(SaccadeError, match="norm_eps 1e-05 is a number above 0, and of the final norm; set final_norm"):
        HubTowerSpec(config=json.dumps(EVA), norm_eps=1e-5)
    with pytest.raises(SaccadeError, match=r"norm_eps 0\.0 is a number above 0"):
        HubTowerSpec(config=json.dumps(EVA), final_norm=True, norm_eps=0.0)
    with pytest.raises(SaccadeError, match="SwiGLU"):
        HubTowerSpec(config=json.dumps({**DINOV2, "use_swiglu_ffn": True}))
