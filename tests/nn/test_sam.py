"""SAM's encoder: outputs equal transformers' on the same weights, a slow transcription's on other views."""

from dataclasses import replace

import pytest
import torch
from transformers import SamVisionConfig, SamVisionModel

from saccade.core.errors import SaccadeError
from saccade.nn.sam import Sam
from saccade.specs.towers.sam import SamSpec
from tests.architectures.deepseek_ocr import small as deepseek
from tests.parts import close, counted, shake

SPEC = SamSpec(
    width=12, depth=3, heads=2, middle=20, patch=4, side=32, window=3, full=(1,), neck=6, channels=(7, 9)
)  # fmt: skip
NAMES = (
    ("vision_encoder.", ""), ("layers.", "blocks."), ("patch_embed.projection", "patch_embed.proj"),
    ("neck.conv1", "neck.0"), ("neck.layer_norm1", "neck.1"), ("neck.conv2", "neck.2"), ("neck.layer_norm2", "neck.3"),
    ("layer_norm", "norm"),
)  # fmt: skip


def theirs(spec: SamSpec) -> SamVisionModel:
    """A shaken SAM of transformers."""
    config = SamVisionConfig(
        hidden_size=spec.width, output_channels=spec.neck, num_hidden_layers=spec.depth, image_size=spec.side,
        num_attention_heads=spec.heads, patch_size=spec.patch, window_size=spec.window, mlp_dim=spec.middle,
        global_attn_indexes=list(spec.full),
    )  # fmt: skip
    model = SamVisionModel(config).eval()
    shake(model)
    return model


def shaken(spec: SamSpec) -> Sam:
    part = Sam(spec).eval()
    shake(part)
    return part


@pytest.mark.parametrize("window", [2, 3, 5, 8, 14])
@pytest.mark.parametrize("side", [16, 32, 48])
@torch.no_grad()
def test_the_encoder_equals_transformers(side, window):
    spec = replace(SPEC, side=side, window=window)
    model, ours = theirs(spec), Sam(spec).eval()
    weights = model.state_dict()
    for old, new in NAMES:
        weights = {name.replace(old, new): tensor for name, tensor in weights.items()}
    missing, more = ours.load_state_dict(weights, strict=False)
    assert (missing, more) == (["net_2.weight", "net_3.weight"], [])
    pixels = torch.randn(2, 3, side, side)
    close(ours.encode(pixels), model(pixels).last_hidden_state)


@pytest.mark.parametrize("side", [16, 32, 48, 80])
@torch.no_grad()
def test_other_views_interpolate_both_kinds_of_positions(side):
    ours = shaken(SPEC)
    weights = {f"{deepseek.SAM}{name}": tensor for name, tensor in ours.state_dict().items()}
    pixels = torch.randn(2, 3, side, side)
    literal = [deepseek.sam(weights, view, heads=2, window=3, full=(1,)) for view in pixels]
    close(ours(pixels), torch.stack(literal))


@pytest.mark.parametrize("held", [1, 64**2, 3 * 64**2, 5 * 64**2])
def test_holding_some_at_a_time_changes_nothing(held):
    spec = replace(SPEC, heads=3)
    ours, pixels = shaken(spec), torch.randn(3, 3, 32, 32)
    some = Sam(replace(spec, held=held)).eval()
    some.load_state_dict(ours.state_dict())
    assert some.spec.together(64, 3) == max(1, held // 64**2)
    assert some.spec.parts(192) == min(192, -(-192 * spec.middle // held))
    close(some(pixels), ours(pixels))
    with torch.no_grad():
        close(some(pixels), ours(pixels))


def test_gradients_reach_every_weight_however_much_is_held():
    for held in (None, 1):
        part = shaken(replace(SPEC, held=held))
        part(torch.randn(1, 3, 48, 48)).square().sum().backward()
        assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in part.parameters())


@pytest.mark.parametrize("side", [16, 32, 48])
@pytest.mark.parametrize("held", [None, 100])
def test_cost_is_what_torch_counts(side, held):
    spec = replace(SPEC, held=held)
    found = counted(lambda: Sam(spec), lambda part: part(torch.empty(1, 3, side, side)))
    assert spec.cost(side) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 5}, "width 12 does not split into 5 heads"),
        ({"side": 30}, "side 30 is no multiple of the 4 px patch"),
        ({"full": (3,)}, r"full names layers of 0 to 2, each once; got \[3\]"),
        ({"full": (1, 1)}, r"each once; got \[1, 1\]"),
        ({"window": 0}, "at least 1, got 0 and None"),
        ({"held": 0}, "at least 1, got 3 and 0; leave held out to hold all"),
    ],
)
def test_refuses_what_does_not_fit(changes, message):
    with pytest.raises(SaccadeError, match=message):
        replace(SPEC, **changes)
