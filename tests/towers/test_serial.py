"""DeepSeek-OCR's towers against a slow transcription, DeepSeek-OCR-2's against transformers' class."""

from dataclasses import replace

import pytest
import torch
from transformers import DeepseekOcr2Config
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2SamVisionConfig
from transformers.models.deepseek_ocr2.modeling_deepseek_ocr2 import (
    DeepseekOcr2SamVisionEncoder,
    DeepseekOcr2VisionModel,
)

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import View
from saccade.specs.towers.sam import SamSpec
from saccade.specs.towers.serial import CausalFlowSpec, ClipBodySpec, SerialSpec
from saccade.towers import build_tower
from saccade.towers.serial import SerialTower, flow_mask
from tests.architectures.deepseek_ocr import small as deepseek
from tests.memory import Meter, weights
from tests.parts import close, counted, shake

SAM = SamSpec(
    width=12, depth=3, heads=2, middle=20, patch=4, side=64, window=3, full=(1,), neck=6, channels=(7, 16)
)  # fmt: skip
BESIDE = SerialSpec(sam=SAM, second=ClipBodySpec(width=16, depth=2, heads=4, middle=24, places=4))
FLOW = SerialSpec(
    sam=SAM, second=CausalFlowSpec(width=16, depth=2, heads=4, pairs=2, middle=24, queries=(144, 256), theta=100.0,
    eps=0.1)
)  # fmt: skip


def shaken(spec: SerialSpec) -> SerialTower:
    tower = build_tower(spec).eval()
    assert isinstance(tower, SerialTower)
    shake(tower)
    return tower


def view(width: int, height: int | None = None) -> View:
    size = Size(width, width if height is None else height)
    return View(Box.of(size), size)


@pytest.mark.parametrize("side", [16, 48, 64, 80])
@torch.no_grad()
def test_deepseek_ocr_s_encoder_equals_its_transcription(side):
    tower, pixels = shaken(BESIDE), torch.randn(2, 3, side, side)
    clip = {
        "class_embedding": "embeddings.class_embedding",
        "position_embedding": "embeddings.position_embedding.weight",
    }
    weights = {f"{deepseek.SAM}{name}": tensor for name, tensor in tower.sam.state_dict().items()}
    for name, tensor in tower.second.state_dict().items():
        published = clip.get(name, name.replace("layers.", "transformer.layers."))
        weights[deepseek.CLIP + published] = tensor
    literal = [deepseek.encoded(weights, one, heads=2, window=3, full=(1,), clip_heads=4) for one in pixels]
    close(tower(pixels), torch.stack(literal))


@pytest.mark.parametrize("side", [192, 256])
@torch.no_grad()
def test_deepseek_ocr_2_s_encoder_equals_transformers(side):
    config = DeepseekOcr2Config(
        vision_config={
            "sam_config": {
                "hidden_size": 12, "output_channels": 6, "num_hidden_layers": 3, "num_attention_heads": 2,
                "image_size": 64, "patch_size": 4, "window_size": 3, "global_attn_indexes": [1], "mlp_dim": 20,
                "downsample_channels": [7, 16],
            },
            "encoder_config": {
                "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
                "num_key_value_heads": 2, "vocab_size": 1, "rms_norm_eps": 0.1,
                "rope_parameters": {"rope_type": "default", "rope_theta": 100.0},
            },
        }
    )  # fmt: skip
    model = DeepseekOcr2VisionModel(config.vision_config).eval()
    shake(model)
    tower = SerialTower(FLOW).eval()
    weights = {}
    for name, tensor in model.state_dict().items():
        for old, new in (
            ("sam_encoder.", "sam."), ("layer_norm", "norm"), ("patch_embed.projection", "patch_embed.proj"),
            ("neck.conv1", "neck.0"), ("neck.norm1", "neck.1"), ("neck.conv2", "neck.2"), ("neck.norm2", "neck.3"),
            ("proj.conv1", "net_2"), ("proj.conv2", "net_3"), ("sam.layers", "sam.blocks"),
            ("vision_encoder", "second.body"), ("query_768_resolution.weight", "second.queries.144"),
            ("query_1024_resolution.weight", "second.queries.256"),
        ):  # fmt: skip
            name = name.replace(old, new)
        weights[name] = tensor
    tower.load_state_dict(weights)
    pixels = torch.randn(2, 3, side, side)
    close(tower(pixels), model(pixels).last_hidden_state)


@pytest.mark.parametrize(("spec", "side"), [(BESIDE, 48), (BESIDE, 80), (FLOW, 192), (FLOW, 256)], ids=str)
def test_cost_is_what_torch_counts(spec, side):
    grid = spec.grid(view(side))
    assert spec.cost(grid) == counted(lambda: SerialTower(spec), lambda part: part(torch.empty(1, 3, side, side)))


@pytest.mark.parametrize("held", [1, 2**20, 2**22])
@pytest.mark.parametrize(("side", "views"), [(128, 1), (96, 3)])
@pytest.mark.parametrize(("heads", "full"), [(4, (1,)), (2, ()), (1, (0, 1, 2))], ids=str)
def test_peak_is_what_a_run_holds(held, side, views, heads, full):
    sam = replace(SAM, width=16, middle=64, side=128, window=14, heads=heads, full=full, held=held)
    spec = replace(BESIDE, sam=sam)
    tower, pixels, grid = SerialTower(spec).eval(), torch.randn(views, 3, side, side), spec.grid(view(side))
    with torch.inference_mode(), Meter([*weights(tower), pixels]) as meter:
        tower(pixels)
    found = meter.peak - sum(weight.nbytes for weight in weights(tower))
    assert spec.peak([grid] * views, 4, eager=False) == pytest.approx(found, rel=0.1), meter.worst


def test_peak_of_all_the_bias_is_what_transformers_holds():
    config = DeepseekOcr2SamVisionConfig(
        hidden_size=16, output_channels=6, num_hidden_layers=3, num_attention_heads=4, image_size=128, patch_size=4,
        window_size=14, global_attn_indexes=[1], mlp_dim=64, downsample_channels=[7, 16],
    )  # fmt: skip
    model, pixels = DeepseekOcr2SamVisionEncoder(config).eval(), torch.randn(2, 3, 128, 128)
    with torch.inference_mode(), Meter([*weights(model), pixels]) as meter:
        model(pixels)
    found = meter.peak - sum(weight.nbytes for weight in weights(model))
    spec = replace(BESIDE, sam=replace(SAM, width=16, middle=64, side=128, window=14, heads=4))
    assert spec.peak([Grid(8, 8)] * 2, 4, eager=False) == pytest.approx(found, rel=0.1), meter.worst


def test_what_never_runs_is_counted_where_a_file_holds_it():
    held = replace(BESIDE, second=replace(BESIDE.second, unused=1000))
    more, less = (spec.cost(Grid(3, 3)) for spec in (held, BESIDE))
    assert (more.flops - less.flops, more.params - less.params) == (0, 1000)


def test_queries_see_all_tokens_and_what_came_before_them():
    seen = flow_mask(3, torch.device("cpu"))[0, 0].int().tolist()
    assert seen == [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 1],
    ]


@torch.no_grad()
def test_tokens_stand_in_row_order():
    tower, pixels = shaken(BESIDE), torch.zeros(1, 3, 64, 64)
    base = tower(pixels)[0, :, 16:]
    pixels[..., 16:32, 48:64] = 10  # row 1, column 3 of 4
    change = (tower(pixels)[0, :, 16:] - base).square().sum(1)
    assert int(change.argmax()) == 1 * 4 + 3


def test_widths():
    assert (BESIDE.width, FLOW.width) == (32, 16)
    assert (BESIDE.extra, BESIDE.grid(view(80))) == (0, Grid(5, 5))


def test_refuses_what_does_not_fit():
    with pytest.raises(SaccadeError, match="a view of 64×48 px is no square of a multiple of 16 px"):
        BESIDE.grid(view(64, 48))
    with pytest.raises(SaccadeError, match="a view of 72×72 px is no square of a multiple of 16 px"):
        BESIDE.grid(view(72))
    with pytest.raises(SaccadeError, match="makes 169 tokens, queries were learned for 144 and 256"):
        FLOW.grid(view(208))
    with pytest.raises(SaccadeError, match="put out 16 channels, the second tower takes 8"):
        SerialSpec(sam=SAM, second=replace(BESIDE.second, width=8))
    for second in (replace(BESIDE.second, heads=3), replace(FLOW.second, heads=5), replace(FLOW.second, pairs=3)):
        with pytest.raises(SaccadeError, match="width 16 is to split into"):
            SerialSpec(sam=SAM, second=second)
