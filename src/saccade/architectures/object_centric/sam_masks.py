"""SAM's automatic masks, for readers that read regions: the same points, filters and order, without torchvision.

Law     points² prompts a picture, three masks each, of which those stay that SAM trusts, that hardly change with their
        threshold, and whose boxes do not overlap a better one's by more than a limit.
Used by the object-centric reader, as its tower's segmenter: ``reader.tower.segmenter = SamMasks(model=...)``.
Loses   what no point falls on: things smaller than a 32nd of a side, print first.
Source  Segment Anything, arXiv:2304.02643, with the defaults of transformers' mask generation. Crops of the picture
        are an option there that is off: then every edge is the picture's own, and no box is dropped for touching it.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import cast, final

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from transformers import SamModel, SamVisionConfig

from saccade.core.errors import SaccadeError
from saccade.nn.masks import Regions, bounds, cleaned, stability, suppressed
from saccade.nn.segment import Picture

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, by which SAM's pictures are normalised."""
OFFSET = 1.0
"""How far the two thresholds lie from 0 between which a mask may not change."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SamMasks:
    """``points`` a side, ``at_once`` of them in a batch; ``iou`` and ``stability`` are the least that SAM's own
    estimate and a mask's stability may be, ``overlap`` the most that boxes may share. Holes and islands below ``least``
    pixels are cleaned away. A region's score is its estimate times its stability.
    """

    model: SamModel
    points: int = 32
    at_once: int = 64
    iou: float = 0.88
    stability: float = 0.95
    overlap: float = 0.7
    least: int = 0

    def __post_init__(self) -> None:
        if self.points < 1 or self.at_once < 1:
            raise SaccadeError(
                f"SAM is asked at 1 point a side or more, 1 or more at once, got {self.points} and {self.at_once}"
            )
        if not all(isfinite(share) for share in (self.iou, self.stability, self.overlap)) or self.least < 0:
            raise SaccadeError(
                f"SAM's limits are numbers and the least area 0 or more, got {self.iou}, {self.stability}, "
                f"{self.overlap} and {self.least}"
            )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "SamMasks":
        """From a folder with a SAM of ``transformers``. Raises SaccadeError where it holds none, or not all of it."""
        if not (Path(folder) / "config.json").is_file():
            raise SaccadeError(f"{os.fspath(folder)} holds no config.json; give the folder of a SAM of transformers")
        try:
            loaded = SamModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError) as error:
            raise SaccadeError(
                f"{os.fspath(folder)} is no SAM of transformers ({error}); get its files again"
            ) from error
        model, told = cast(tuple[SamModel, Mapping[str, Collection[str]]], loaded)
        if told["missing_keys"]:
            missing = sorted(told["missing_keys"])
            raise SaccadeError(
                f"{os.fspath(folder)} lacks {len(missing)} of SAM's weights, {missing[0]} first; get its files again"
            )
        return cls(model=model.eval())

    @torch.inference_mode()
    def __call__(self, picture: Picture, most: int) -> Regions:
        """See ``nn.segment.Segmenter``."""
        pixels, fed = self._fed(picture)
        image = self.model.get_image_embeddings(pixels)
        found = [self._asked(image, points, fed, picture.shape[:2]) for points in self._grid(fed).split(self.at_once)]
        masks, estimates, steady = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = suppressed(bounds(masks), estimates, self.overlap)
        if not kept:
            return Regions.whole(*picture.shape[:2])
        best = Regions(masks[kept], (estimates[kept] * steady[kept]).clip(0, 1)).best(most)
        return Regions(np.stack([cleaned(mask, self.least) for mask in best.masks]), best.scores)

    @property
    def _side(self) -> int:
        """Pixels a side of the square that SAM takes."""
        return cast(SamVisionConfig, self.model.config.vision_config).image_size  # pyright: ignore[reportReturnType]

    def _fed(self, picture: Picture) -> tuple[Float[Tensor, "1 3 side side"], tuple[int, int]]:
        """The picture as SAM takes it, its longer side filling the square; and its height and width there."""
        side = self._side
        scale = side / max(picture.shape[:2])
        height, width = (int(length * scale + 0.5) for length in picture.shape[:2])
        small = np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)) / 255
        normal = torch.from_numpy((small - MEAN) / STD).permute(2, 0, 1)[None].to(self.model.device, self.model.dtype)
        return F.pad(normal, (0, side - width, 0, side - height)), (height, width)

    def _grid(self, fed: tuple[int, int]) -> Float[Tensor, "points 2"]:
        """The middles of equal places, row by row, across and down."""
        down, across = ((torch.arange(self.points, dtype=torch.float64) + 0.5) / self.points * side for side in fed)
        rows, cols = torch.meshgrid(down, across, indexing="ij")
        return torch.stack([cols, rows], dim=-1).flatten(0, 1).to(self.model.device, self.model.dtype)

    def _asked(
        self,
        image: Float[Tensor, "1 width rows cols"],
        points: Float[Tensor, "points 2"],
        fed: tuple[int, int],
        size: tuple[int, int],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks for some of the points that pass both filters, SAM's estimates of them, and their stability."""
        labels = torch.ones(1, len(points), 1, dtype=torch.long, device=points.device)
        said = self.model(image_embeddings=image, input_points=points[None, :, None], input_labels=labels)
        estimates = said.iou_scores.flatten()
        trusted = estimates > self.iou
        large = self._enlarged(said.pred_masks.flatten(0, 2)[trusted], fed, size)
        steady = stability(large, 0.0, OFFSET)
        passed = steady > self.stability
        return large[passed] > 0, estimates[trusted].double().cpu().numpy()[passed], steady[passed]

    def _enlarged(
        self, masks: Float[Tensor, "masks rows cols"], fed: tuple[int, int], size: tuple[int, int]
    ) -> Float[np.ndarray, "masks height width"]:
        """Scores for every pixel of the picture: enlarged to SAM's square, its padding cut off, then to the picture."""
        if not len(masks):
            return np.zeros((0, *size))
        side = self._side
        square = F.interpolate(masks[:, None].float(), (side, side), mode="bilinear", align_corners=False)
        seen = square[..., : fed[0], : fed[1]]
        return F.interpolate(seen, size, mode="bilinear", align_corners=False)[:, 0].cpu().numpy()
