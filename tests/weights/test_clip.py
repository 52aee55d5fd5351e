"""CLIP's vision tower under any prefix, and what of CLIP is no tower."""

import json

import pytest
import torch
from transformers import AutoConfig, CLIPConfig, CLIPModel, CLIPVisionModel

from saccade.specs.towers.vit import HubTowerSpec
from saccade.towers.hub import HubTower
from saccade.weights.clip import part_of_clip, tower
from tests.parts import CLIP


def ours() -> set[str]:
    with torch.device("meta"):
        return {f"tower.{name}" for name in HubTower(HubTowerSpec(config=json.dumps(CLIP))).state_dict()}


@pytest.mark.parametrize("prefix", ["", "model.vision_model.", "vision_tower."])
@pytest.mark.parametrize("inside", ["", "vision_model."])
def test_every_weight_of_the_tower_is_named(prefix, inside):
    with torch.device("meta"):
        theirs = set(CLIPVisionModel(AutoConfig.for_model(**CLIP)).state_dict())
    published = {f"{prefix}{inside}{name}" for name in [*theirs, "embeddings.position_ids"]}
    made = tower(published | ({"lm_head.weight"} if prefix else set()), prefix)
    assert set(made) == ours()
    assert set(made.values()) == {f"{prefix}{inside}{name}" for name in theirs if not name.startswith("post_layernorm")}


def test_the_rest_of_clip_is_known_by_name():
    text = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 8, "vocab_size": 9}
    with torch.device("meta"):
        whole = set(CLIPModel(CLIPConfig(vision_config=dict(CLIP), text_config=text, projection_dim=4)).state_dict())
    rest = {name for name in whole if part_of_clip(name)}
    assert set(tower(whole - rest)) == ours()
    assert not any(name.startswith("vision_model.") for name in rest)
