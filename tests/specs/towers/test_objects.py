"""The object-centric preset: SAM as torch counts it, and the survey's figures."""

import pytest
import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel, SamConfig, SamModel

import saccade
from saccade.architectures.catalogue import system
from saccade.architectures.deepseek_ocr.spec import sam
from saccade.architectures.object_centric.spec import decoder
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.hf_config.fields import Fields
from saccade.specs.towers.objects import ObjectTowerSpec
from tests.memory import Meter, weights
from tests.parts import counted

SMALL = SamConfig(
    vision_config={
        "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 128, "patch_size": 8,
        "output_channels": 48, "window_size": 5, "global_attn_indexes": [1], "mlp_dim": 40, "num_pos_feats": 24,
    },
    prompt_encoder_config={"hidden_size": 48, "image_size": 128, "patch_size": 8, "mask_input_channels": 12},
    mask_decoder_config={
        "hidden_size": 48, "mlp_dim": 56, "num_hidden_layers": 3, "num_attention_heads": 3, "iou_head_hidden_dim": 20,
        "attention_downsample_rate": 2, "num_multimask_outputs": 2, "iou_head_depth": 4,
    },
)  # fmt: skip


def tower(**options: object) -> ObjectTowerSpec:
    made = system("object-centric").path(options).tower
    assert isinstance(made, ObjectTowerSpec)
    return made


def asked(model: nn.Module, side: int, points: int) -> None:
    """The encoder once, and one batch of points."""
    image = model.get_image_embeddings(torch.empty(1, 3, side, side))
    labels = torch.ones(1, points, 1, dtype=torch.long)
    model(image_embeddings=image, input_points=torch.empty(1, points, 1, 2), input_labels=labels)


@pytest.mark.parametrize("points", [1, 5])
def test_sam_is_what_torch_counts(points):
    fields = Fields(SMALL.to_dict())
    places = (128 // 8) ** 2
    planned = sam(fields.sub("vision_config")).cost(128) + decoder(fields).cost(places, points, points)
    found = counted(lambda: SamModel(SMALL).eval(), lambda model: asked(model, 128, points))
    assert planned == found


def test_batches_of_points_add_up():
    fields = decoder(Fields(SMALL.to_dict()))
    whole, last = fields.cost(256, 5, 5), fields.cost(256, 2, 5)
    assert fields.cost(256, 12, 5) == Cost(2 * whole.flops + last.flops, whole.params)


def test_sam_b_is_the_published_size():
    spec = tower()
    found = counted(lambda: SamModel(SamConfig()).eval(), lambda model: asked(model, 1024, 64))
    batches = spec.decoder.cost(spec.places, 64, 64)
    assert spec.sam.cost(1024) + batches == found
    assert spec.masks.flops == spec.sam.cost(1024).flops + 16 * batches.flops


def test_clip_s_half_is_what_torch_counts():
    spec = tower()

    def run(model: nn.Module) -> None:
        model.get_image_features(pixel_values=torch.empty(31, 3, 224, 224))

    vision = {"hidden_size": 768, "intermediate_size": 3072, "patch_size": 16}
    found = counted(lambda: CLIPModel(CLIPConfig(vision_config=vision, projection_dim=512)).eval(), run)
    assert spec.cost(Grid(31, 1)).flops - spec.masks.flops == found.flops


def test_the_survey_s_figures():
    plan = saccade.plan("object-centric", width=1024, height=1024)
    assert (plan.visual_tokens, plan.slots, plan.patches) == (144, 144, 31)
    spec = tower()
    assert spec.sam.cost(1024).flops / 1e12 == pytest.approx(0.97, abs=0.01)
    assert spec.reader.cost(spec.crop).flops / 1e12 == pytest.approx(0.035, abs=0.001)
    # The decoder, which the survey leaves out, is asked a thousand times, and costs more than all else.
    points = spec.decoder.cost(spec.places, 1024, 64).flops
    assert points > 0.5 * plan.vision.flops
    assert points / spec.sam.cost(1024).flops > 3


def test_regions_and_points_are_options():
    few = saccade.plan("object-centric", width=640, height=480, regions=10)
    many = saccade.plan("object-centric", width=640, height=480)
    assert few.visual_tokens == many.visual_tokens == 144
    assert few.patches == 11
    assert few.vision.flops < many.vision.flops
    coarse = saccade.plan("object-centric", width=640, height=480, points=8)
    assert coarse.vision.params == many.vision.params
    assert tower(points=8).decoder.cost(4096, 64, 64).flops == coarse.vision.flops - (
        many.vision.flops - tower().decoder.cost(4096, 1024, 64).flops
    )


def test_it_says_whose_it_is():
    plan = saccade.plan("object-centric", width=640, height=480)
    assert system("object-centric").family.fidelity == "survey"
    assert any("that makes no masks: plan deepseek-ocr" in note for note in plan.notes)
    assert any("print gets no masks" in note for note in plan.notes)


@torch.inference_mode()
def test_the_decoder_s_peak_is_what_is_alive():
    fields = decoder(Fields(SMALL.to_dict()))
    model = SamModel(SMALL).eval()
    image, points = torch.randn(1, 48, 16, 16), torch.rand(1, 16, 1, 2)
    with Meter([*weights(model), image]) as meter:
        model(image_embeddings=image, input_points=points, input_labels=torch.ones(1, 16, 1, dtype=torch.long))
    assert fields.peak(256, 16, 4) == pytest.approx(meter.peak - meter.held, rel=0.25), meter.worst[:12]
