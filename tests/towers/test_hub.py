"""Towers from transformers' backbones: chosen layers equal the untouched model's hidden states."""

import json

import pytest
import torch
from transformers import AutoConfig, CLIPVisionModel, Dinov2Model, PreTrainedModel, SiglipVisionModel, ViTModel

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.vit import HubTowerSpec
from saccade.towers.hub import HubTower
from tests.parts import CLIP, DINOV2, SIGLIP, VIT, close, counted, shake

MODELS: dict[str, tuple[dict, type[PreTrainedModel]]] = {
    "clip": (CLIP, CLIPVisionModel),
    "siglip": (SIGLIP, SiglipVisionModel),
    "dinov2": (DINOV2, Dinov2Model),
    "vit": (VIT, ViTModel),
}
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


@pytest.mark.parametrize("name", ["clip", "dinov2", "vit"])
@torch.no_grad()
def test_a_kept_class_token_stands_in_front(name):
    ours, theirs = pair(name, layers=(-2,), keep_class=True)
    pixels = torch.randn(2, 3, 28, 28)
    close(ours(pixels), states(name, theirs, pixels)[-2])


@pytest.mark.parametrize("name", ["siglip", "dinov2", "vit"])
@torch.no_grad()
def test_the_final_norm_on_request(name):
    ours, theirs = pair(name, final_norm=True)
    pixels = torch.randn(2, 3, 28, 28)
    close(ours(pixels), theirs(pixels).last_hidden_state[:, ours.spec.class_tokens :])


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


@pytest.mark.parametrize("name", ["siglip", "dinov2", "vit"])
def test_the_final_norm_counts(name):
    spec = HubTowerSpec(config=json.dumps(MODELS[name][0]), final_norm=True)
    assert spec.cost(Grid(4, 4)) == counted(lambda: HubTower(spec), lambda part: part(torch.empty(1, 3, 28, 28)))


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
    with pytest.raises(SaccadeError, match="SwiGLU"):
        HubTowerSpec(config=json.dumps({**DINOV2, "use_swiglu_ffn": True}))
