"""A tower that reads objects: one feature a region. See ``specs/towers/regions.py``."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.nn.masks import Regions, coverage, grown
from saccade.nn.segment import FlatZones, Segmenter
from saccade.specs.towers.regions import AT_ONCE, RegionTowerSpec
from saccade.specs.towers.vit import StemTowerSpec
from saccade.towers.hub import HubTower
from saccade.towers.stem import StemTower

MARGIN = 0.1
"""How much longer than a region's box its crop is, so that an edge is seen from both sides."""


@final
class RegionTower(nn.Module):
    """``spec`` fixes every size; ``segmenter`` finds the regions, and its weights, if any, are none of this module's.

    On the *meta* device there is nothing to segment, and every view is one region.
    """

    def __init__(self, spec: RegionTowerSpec, segmenter: Segmenter | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.segmenter: Segmenter = FlatZones() if segmenter is None else segmenter
        self.inner = StemTower(spec.inner) if isinstance(spec.inner, StemTowerSpec) else HubTower(spec.inner)
        self.embed = Embed(spec.inner.width, spec.joint) if spec.joint else None

    def forward(
        self, pixels: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views {self.spec.rows} {self.spec.width}"]:
        """Rows of each view: the whole, its regions, zeros. What a view gives does not depend on the others."""
        found = self.regions(pixels)
        crops = torch.stack([self._crops(view, regions) for view, regions in zip(pixels, found, strict=True)])
        features = torch.cat([self._features(part) for part in crops.flatten(0, 1).split(AT_ONCE)])
        features = features.unflatten(0, (len(pixels), -1))  # views rows features
        places = torch.stack([torch.from_numpy(self._places(regions)) for regions in found]).to(features)
        return torch.cat([features * places[..., -1:], places], dim=-1)

    def regions(self, pixels: Float[Tensor, "views 3 height width"]) -> list[Regions]:
        """What the segmenter finds in each view."""
        if pixels.is_meta:
            return [Regions.whole(*pixels.shape[2:])] * len(pixels)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.spec.mean, self.spec.std))
        shown = (pixels.detach().cpu().float() * std + mean).mul(255).round().clamp(0, 255).byte()
        return [self.segmenter(view, self.spec.most) for view in shown.permute(0, 2, 3, 1).numpy()]

    def _crops(
        self, view: Float[Tensor, "3 height width"], regions: Regions
    ) -> Float[Tensor, "{self.spec.rows} 3 {self.spec.side} {self.spec.side}"]:
        """The view and each region as a square; 0 is the mean colour, since pixels come normalised."""
        cut = [view]
        boxes = grown(regions.boxes, MARGIN, *view.shape[1:])
        for (left, top, right, bottom), mask in zip(boxes.tolist(), regions.masks, strict=True):
            inside = torch.from_numpy(mask[top:bottom, left:right]).to(view.device)
            cut.append(view[:, top:bottom, left:right] * inside)
        empty = view.new_zeros(self.spec.rows - len(cut), 3, self.spec.side, self.spec.side)
        return torch.cat([*(_squared(part, self.spec.side) for part in cut), empty])

    def _features(self, crops: Float[Tensor, "rows 3 side side"]) -> Float[Tensor, "rows {self.spec.features}"]:
        """One vector a crop, with a mean square of 1."""
        patches = self.inner(crops)
        vector = patches.mean(dim=1) if self.embed is None else self.embed(patches[:, 0])
        return F.normalize(vector, dim=-1) * vector.shape[-1] ** 0.5

    def _places(self, regions: Regions) -> Float[np.ndarray, "{self.spec.rows} behind"]:
        """The channels behind the features: the whole view's first, zeros where no region is."""
        height, width = regions.masks.shape[1:]
        seen = Regions(
            np.concatenate([np.ones((1, height, width), dtype=bool), regions.masks]),
            np.concatenate([[1.0], regions.scores]),
        )
        left, top, right, bottom = (seen.boxes / [width, height, width, height]).T
        area = seen.masks.mean(axis=(1, 2))
        columns = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top, area, seen.scores]
        cover = coverage(seen.masks, self.spec.raster).reshape(len(seen), -1) * seen.scores[:, None]
        rows = np.concatenate([np.stack(columns, axis=1), cover, np.ones((len(seen), 1))], axis=1)
        return np.pad(rows, ((0, self.spec.rows - len(seen)), (0, 0)))


@final
class Embed(nn.Module):
    """CLIP's way from a class token to the space that pictures share with text."""

    def __init__(self, width: int, joint: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.project = nn.Linear(width, joint, bias=False)

    def forward(self, token: Float[Tensor, "rows width"]) -> Float[Tensor, "rows joint"]:
        """Norm, then projection."""
        return self.project(self.norm(token))


def _squared(part: Float[Tensor, "3 height width"], side: int) -> Float[Tensor, "1 3 {side} {side}"]:
    """A cut in the middle of the smallest square around it, resized."""
    height, width = part.shape[1:]
    across, down = max(height - width, 0), max(width - height, 0)
    square = F.pad(part, (across // 2, across - across // 2, down // 2, down - down // 2))
    # Resized in float32: halves are not implemented on the CPU.
    wide = F.interpolate(square[None].float(), (side, side), mode="bilinear", antialias=True, align_corners=False)
    return wide.to(part.dtype)
