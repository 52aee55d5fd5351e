import json

import pytest

from saccade.architectures.llava.weights import rename
from saccade.core.errors import SaccadeError
from saccade.specs.towers.vit import HubTowerSpec
from tests.parts import CLIP

TOWER = HubTowerSpec(config=json.dumps(CLIP), layers=(-2,))  # two of three layers
LAYOUTS = {
    "written by transformers 5": (
        "vision_tower.",
        "multi_modal_projector.",
        "language_model.model.",
        "language_model.",
    ),
    "older": ("vision_tower.vision_model.", "multi_modal_projector.", "language_model.model.", "language_model."),
    "of the classes": ("model.vision_tower.", "model.multi_modal_projector.", "model.language_model.", ""),
    "between": ("model.vision_tower.vision_model.", "model.multi_modal_projector.", "model.language_model.", ""),
}


@pytest.mark.parametrize("starts", LAYOUTS.values(), ids=list(LAYOUTS))
def test_every_layout_gives_our_names(starts):
    tower, projector, language, head = starts
    published = [
        f"{tower}encoder.layers.1.mlp.fc1.weight",
        f"{projector}linear_1.bias",
        f"{language}layers.11.mlp.up_proj.weight",
        f"{language}embed_tokens.weight",
        f"{head}lm_head.weight",
    ]
    ours = [
        "tower.backbone.encoder.layers.1.mlp.fc1.weight",
        "connector.project.linear_1.bias",
        "language.model.model.layers.11.mlp.up_proj.weight",
        "language.model.model.embed_tokens.weight",
        "language.model.lm_head.weight",
    ]
    assert rename(published, TOWER) == dict(zip(ours, published, strict=True))


def test_drops_what_stands_above_the_layer_in_use_and_what_is_counted_off():
    dropped = [
        "vision_tower.encoder.layers.2.mlp.fc1.weight",
        "vision_tower.layernorm.weight",
        "vision_tower.post_layernorm.bias",
        "vision_tower.head.probe",
        "vision_tower.embeddings.mask_token",
        "vision_tower.embeddings.position_ids",
        "language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
    ]
    assert rename(dropped, TOWER) == {}
    assert rename(["vision_tower.pre_layrnorm.weight", "vision_tower.embeddings.cls_token"], TOWER)


def test_refuses_strange_names_and_two_names_of_one_weight():
    with pytest.raises(SaccadeError, match=r"2 weights have names of no LLaVA layout known here: image_newline, q\.w"):
        rename(["q.w", "image_newline", "lm_head.weight"], TOWER)
    with pytest.raises(SaccadeError, match=r"are both the weight language\.model\.lm_head\.weight; remove one"):
        rename(["lm_head.weight", "language_model.lm_head.weight"], TOWER)
