"""The region tower, row by row: crops cut by hand, places counted by hand, CLIP's own embedding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.core.view import View
from saccade.nn.masks import Regions
from saccade.specs.towers.regions import AT_ONCE, RegionTowerSpec
from saccade.specs.towers.vit import HubTowerSpec, StemTowerSpec
from saccade.towers import build_tower
from saccade.towers.regions import RegionTower
from saccade.views.sample import normalise
from tests.memory import Meter, weights
from tests.parts import CLIP, close, counted, shake
from tests.regions import EMBEDDING, STEM, TOWER, shapes

HALF = (0.5, 0.5, 0.5)


def made(spec: RegionTowerSpec = TOWER, segmenter=None) -> RegionTower:
    part = RegionTower(spec, segmenter).eval()
    shake(part)
    return part


def views(*counts: int, spec: RegionTowerSpec = TOWER) -> Tensor:
    return normalise([np.array(shapes(count)) for count in counts], spec.mean, spec.std)


def fixed(*boxes: tuple[int, int, int, int], scores: tuple[float, ...], corner: bool = False):
    """A segmenter that finds the same boxes everywhere, and half of each where ``corner``."""

    def find(picture: np.ndarray, most: int) -> Regions:
        masks = np.zeros((len(boxes), *picture.shape[:2]), dtype=bool)
        for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
            mask[top:bottom, left:right] = True
            if corner:
                mask[top : (top + bottom) // 2, left : (left + right) // 2] = False
        return Regions(masks, np.array(scores))

    return find


@torch.no_grad()
def test_rows_are_the_whole_and_its_regions_and_zeros():
    part = made()
    rows = part(views(0, 3, 9))
    assert rows.shape == (3, 6, 16 + 6 + 16 + 1)
    assert rows[..., -1].tolist() == [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]
    assert not rows[rows[..., -1] == 0].any()
    close(rows[..., :16].square().mean(-1), rows[..., -1])
    close(rows[:, 0, 16:], torch.tensor([0.5, 0.5, *[1.0] * 21]).expand(3, -1))


@torch.no_grad()
def test_a_feature_is_that_of_the_crop_cut_by_hand():
    """Grown by a tenth, other pixels at the mean colour, squared, and resized."""
    part = made(segmenter=fixed((20, 10, 40, 20), (0, 0, 8, 30), scores=(0.5, 0.25), corner=True))
    pixels = views(9)
    rows = part(pixels)[0]
    expected = []
    for box, cut, place in [((20, 10, 40, 20), (19, 9, 41, 21), (5, 0)), ((0, 0, 8, 30), (0, 0, 9, 32), (0, 11))]:
        hidden = torch.zeros(3, 64, 64)
        left, top, right, bottom = box
        hidden[:, top:bottom, left:right] = pixels[0, :, top:bottom, left:right]
        hidden[:, top : (top + bottom) // 2, left : (left + right) // 2] = 0
        left, top, right, bottom = cut
        side, (down, across) = max(right - left, bottom - top), place
        square = torch.zeros(3, side, side)
        square[:, down : down + bottom - top, across : across + right - left] = hidden[:, top:bottom, left:right]
        expected.append(F.interpolate(square[None], size=(16, 16), mode="bilinear", antialias=True)[0])
    whole = F.interpolate(pixels, size=(16, 16), mode="bilinear", antialias=True)[0]
    features = part.inner(torch.stack([whole, *expected])).mean(dim=1)
    close(rows[:3, :16], features / features.square().mean(-1, keepdim=True).sqrt())


@torch.no_grad()
def test_places_are_counted_by_hand():
    part = made(segmenter=fixed((16, 0, 40, 32), scores=(0.5,), corner=True))
    row = part(views(9))[0, 1, 16:]
    close(row[:6], torch.tensor([28 / 64, 16 / 64, 24 / 64, 32 / 64, 24 * 32 * 0.75 / 64**2, 0.5]))
    cover = torch.tensor([[0, 0.25, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    close(row[6:-1], 0.5 * cover.flatten())
    row = part(views(9)[:, :, :32])[0, 1, 16:]  # twice as wide as high
    close(row[:6], torch.tensor([28 / 64, 16 / 32, 24 / 64, 32 / 32, 24 * 32 * 0.75 / 64 / 32, 0.5]))


@torch.no_grad()
def test_company_in_the_batch_changes_nothing():
    part, counts = made(), (0, 1, 4, 12, 30)
    together = part(views(*counts))
    for count, rows in zip(counts, together, strict=True):
        close(part(views(count))[0], rows)


@torch.no_grad()
def test_many_crops_are_read_in_steps():
    part = made(replace(TOWER, most=2))
    many = AT_ONCE // 3 + 5
    pixels = views(*[number % 4 for number in range(many)])
    close(part(pixels)[-1:], part(pixels[-1:]))
    assert part(pixels).shape[:2] == (many, 3)


def test_the_segmenter_sees_the_picture_as_it_was():
    seen = []

    def look(picture: np.ndarray, most: int) -> Regions:
        seen.append((picture, most))
        return Regions.whole(*picture.shape[:2])

    spec = replace(TOWER, mean=(0.48, 0.45, 0.4), std=(0.26, 0.27, 0.28))
    made(spec, look)(views(7, spec=spec))
    assert np.array_equal(seen[0][0], np.array(shapes(7)))
    assert seen[0][1] == 5


@torch.no_grad()
def test_a_joint_embedding_is_clip_s():
    vision = {key: value for key, value in CLIP.items() if key != "model_type"}
    text = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    theirs = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=12)).eval()
    shake(theirs)
    part = RegionTower(EMBEDDING).eval()
    held = theirs.vision_model.state_dict()
    part.inner.backbone.load_state_dict({key: held[key] for key in part.inner.backbone.state_dict()})
    part.embed.norm.load_state_dict(theirs.vision_model.post_layernorm.state_dict())
    part.embed.project.load_state_dict(theirs.visual_projection.state_dict())
    pixels = torch.randn(2, 3, 28, 28)
    found = theirs.get_image_features(pixel_values=pixels).pooler_output
    close(part(pixels)[:, 0, :12], F.normalize(found, dim=-1) * 12**0.5)


@pytest.mark.parametrize("spec", [TOWER, replace(TOWER, most=1, side=24), EMBEDDING], ids=["stem", "few", "clip"])
def test_cost_is_what_torch_counts(spec):
    grid = spec.grid(View(Box.of(Size(64, 40)), Size(64, 40)))
    assert grid == Grid(spec.most + 1, 1)
    assert counted(lambda: build_tower(spec), lambda part: part(torch.empty(1, 3, 40, 64))) == spec.cost(grid)


@pytest.mark.parametrize("number", [1, 9])
@torch.inference_mode()
def test_the_peak_is_that_of_crops(number):
    """Of the family's width; views, which no spec knows, hardly count."""
    spec = RegionTowerSpec(inner=StemTowerSpec(depth=1), side=32)
    part, pixels = made(spec), views(*[5] * number)
    with Meter([*weights(part), pixels]) as meter:
        part(pixels)
    assert spec.peak([Grid(31, 1)] * number, 4, eager=False) == pytest.approx(meter.peak - meter.held, rel=0.25)


def test_every_weight_learns():
    for spec in (TOWER, EMBEDDING):
        part = made(spec)
        part(views(3))[..., 0].square().sum().backward()
        assert all(weight.grad is not None for weight in part.parameters())


def test_refuses_what_does_not_fit():
    with pytest.raises(SaccadeError, match="at least 1 region and a raster of 1 × 1 are needed, got 0 and 4 × 4"):
        replace(TOWER, most=0)
    with pytest.raises(SaccadeError, match="are needed, got 5 and 0 × 0"):
        replace(TOWER, raster=0)
    with pytest.raises(SaccadeError, match="crops of 30 px do not split into 8 px patches; take 32"):
        replace(TOWER, side=30)
    with pytest.raises(SaccadeError, match="crops of 0 px do not split into 8 px patches; take 8"):
        replace(TOWER, side=0)
    with pytest.raises(SaccadeError, match=r"made of a kept class token.* got 12 channels and 0 class tokens"):
        RegionTowerSpec(inner=STEM, side=16, joint=12)
    with pytest.raises(SaccadeError, match="got 0 channels and 1 class tokens"):
        replace(EMBEDDING, joint=0)
    with pytest.raises(SaccadeError, match="got -3 channels and 1 class tokens"):
        replace(EMBEDDING, joint=-3)
    assert isinstance(EMBEDDING.inner, HubTowerSpec)
    assert (EMBEDDING.width, EMBEDDING.rows, EMBEDDING.extra, EMBEDDING.patch) == (12 + 6 + 4 + 1, 4, 0, 7)
