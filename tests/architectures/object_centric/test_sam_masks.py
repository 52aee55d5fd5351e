"""SAM's automatic masks with tiny random weights, against transformers' own steps and a slow suppression."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import SamConfig, SamModel
from transformers.models.sam.image_processing_pil_sam import (
    SamImageProcessorPil,
    _batched_mask_to_box,
    _build_point_grid,
    _compute_stability_score,
    _normalize_coordinates,
)

from saccade.architectures.object_centric.sam_masks import SamMasks
from saccade.core.errors import SaccadeError
from saccade.nn.masks import bounds, cleaned, overlap
from saccade.towers import build_tower
from saccade.views.sample import normalise
from tests.parts import picture, shake
from tests.regions import TOWER, shapes

SIDE = 64


@pytest.fixture(scope="module")
def sam() -> SamModel:
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8,
            "output_channels": 16, "window_size": 4, "global_attn_indexes": [1], "mlp_dim": 24, "num_pos_feats": 8,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": SIDE, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 24, "num_attention_heads": 2, "iou_head_hidden_dim": 16,
            "attention_downsample_rate": 2,
        },
    )  # fmt: skip
    model = SamModel(config).eval()
    shake(model)
    with torch.no_grad():  # masks that are sharp in places and soft in others
        for name, weight in model.named_parameters():
            if "hypernetworks" in name and "proj_out" in name:
                weight.mul_(600)
    return model


def masks(model: SamModel, **changes: float) -> SamMasks:
    """Limits that about half of random masks pass."""
    return SamMasks(
        model=model, **({"points": 6, "at_once": 7, "iou": 0.0, "stability": 0.7, "overlap": 0.6} | changes)
    )


@torch.no_grad()
def theirs(made: SamMasks, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All that passes transformers' filters, before suppression: masks, estimates, stabilities."""
    processor = SamImageProcessorPil(
        size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": SIDE}, mask_pad_size={"height": SIDE, "width": SIDE},
    )  # fmt: skip
    given = processor(image, return_tensors="pt")
    size = np.array(image.shape[:2])
    points = _normalize_coordinates(SIDE, _build_point_grid(made.points) * size[::-1], tuple(size))
    said = made.model(
        pixel_values=given["pixel_values"],
        input_points=torch.as_tensor(points, dtype=torch.float32)[None, :, None],
        input_labels=torch.ones(1, len(points), 1, dtype=torch.long),
    )
    (large,) = processor.post_process_masks(
        said.pred_masks, given["original_sizes"], given["reshaped_input_sizes"], binarize=False,
        pad_size={"height": SIDE, "width": SIDE},
    )  # fmt: skip
    large, estimates = large.flatten(0, 1), said.iou_scores.flatten()
    steady = _compute_stability_score(large, 0, 1)
    passed = (estimates > made.iou) & (steady > made.stability)
    return (large[passed] > 0).numpy(), estimates[passed].numpy(), steady[passed].numpy()


@pytest.mark.parametrize("size", [(64, 64), (90, 41), (33, 71), (200, 150)], ids=str)
def test_points_filters_and_masks_are_transformers(sam, size):
    made, image = masks(sam), np.array(picture(*size))
    seen, estimates, steady = theirs(made, image)
    assert 3 < len(seen) < 3 * made.points**2
    order = sorted(range(len(seen)), key=lambda number: -estimates[number])
    boxes, kept = bounds(seen), []
    for number in order:
        if all(overlap(boxes[[number]], boxes[[better]])[0, 0] <= made.overlap for better in kept):
            kept.append(number)
    worth = {number: estimates[number] * steady[number] for number in kept}
    kept.sort(key=lambda number: -max(0.0, min(1.0, worth[number])) * seen[number].sum() ** 0.5)
    found = made(image, 1000)
    assert len(found) == len(kept) < len(seen)
    assert (found.masks != seen[kept]).mean() < 1e-3  # rounding at the threshold
    assert found.scores == pytest.approx(np.clip([worth[number] for number in kept], 0, 1), abs=1e-3)
    best = made(image, 2)
    assert np.array_equal(best.masks, found.masks[:2])


def test_boxes_are_theirs_but_for_the_open_side(sam):
    seen, _, _ = theirs(masks(sam), np.array(picture(64, 64)))
    theirs_ = _batched_mask_to_box(torch.from_numpy(seen)).numpy()
    assert np.array_equal(bounds(seen), theirs_ + [0, 0, 1, 1] * seen.any(axis=(1, 2))[:, None])


def test_batches_of_points_change_nothing(sam):
    image = np.array(picture(64, 48))
    one, other = masks(sam, at_once=36)(image, 30), masks(sam, at_once=5)(image, 30)
    assert (one.masks != other.masks).mean() < 1e-3
    assert one.scores == pytest.approx(other.scores, abs=1e-4)


def test_masks_are_cleaned_where_asked(sam):
    image = np.array(picture(64, 48))
    plain, clean = masks(sam)(image, 30), masks(sam, least=30)(image, 30)
    assert any(not np.array_equal(mask, cleaned(mask, 30)) for mask in plain.masks)
    assert all(np.array_equal(mask, cleaned(mask, 30)) for mask in clean.masks)


def test_nothing_trusted_is_the_whole_picture(sam):
    regions = masks(sam, iou=99.0)(np.array(picture(50, 40)), 5)
    assert regions.masks.shape == (1, 40, 50)
    assert regions.masks.all()


@torch.no_grad()
def test_a_region_tower_reads_them(sam):
    tower = build_tower(TOWER).eval()
    before = set(tower.state_dict())
    pixels = normalise([np.array(shapes(4))], TOWER.mean, TOWER.std)
    flat = tower(pixels)
    tower.segmenter = masks(sam)
    assert not torch.allclose(tower(pixels), flat)
    assert set(tower.state_dict()) == before


def test_loads_from_a_folder(sam, tmp_path):
    sam.save_pretrained(tmp_path)
    image = np.array(picture(64, 48))
    loaded = replace(masks(sam), model=SamMasks.load(tmp_path).model)
    assert np.array_equal(loaded(image, 9).masks, masks(sam)(image, 9).masks)
    defaults = SamMasks.load(tmp_path)
    assert (defaults.points, defaults.at_once, defaults.iou, defaults.stability, defaults.overlap) == (
        32, 64, 0.88, 0.95, 0.7,
    )  # fmt: skip


def test_refuses_what_is_no_sam(sam, tmp_path):
    with pytest.raises(SaccadeError, match=r"nowhere holds no config\.json; give the folder of a SAM"):
        SamMasks.load(tmp_path / "nowhere")
    sam.config.save_pretrained(tmp_path)
    with pytest.raises(SaccadeError, match="is no SAM of transformers"):
        SamMasks.load(tmp_path)
    held = {key: value for key, value in sam.state_dict().items() if "mask_tokens" not in key}
    sam.save_pretrained(tmp_path, state_dict=held)
    with pytest.raises(SaccadeError, match=r"lacks 1 of SAM's weights, mask_decoder\.mask_tokens\.weight first"):
        SamMasks.load(tmp_path)
    with pytest.raises(SaccadeError, match="at 1 point a side or more, 1 or more at once, got 0 and 7"):
        masks(sam, points=0)
    with pytest.raises(SaccadeError, match="got 6 and 0"):
        masks(sam, at_once=0)
    with pytest.raises(SaccadeError, match="limits are numbers and the least area 0 or more, got nan"):
        masks(sam, iou=float("nan"))
    with pytest.raises(SaccadeError, match=r"0\.7, 0\.6 and -1"):
        masks(sam, least=-1)
