"""Pictures through the vision side of a hosted model: pixels → visual tokens, and the places that they show.

Law     as many tokens as the processor writes placeholders, as the tower makes vectors, and as the family's plan
        counts cells; where two of them differ, both numbers are told.
Loses   what the model's own processor loses; it is called as its class calls it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, final

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from saccade.architectures import FAMILIES
from saccade.backends.hosted.families import KINDS, PIXELS
from saccade.backends.hosted.resizing import ResolvedRegion, resolved
from saccade.compat.hf import deep_features
from saccade.compat.processors import image_options, image_text
from saccade.core.errors import SaccadeError
from saccade.core.ledger import Ledger
from saccade.core.request import WHOLE, ImageRegion
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.laws.path import PathSpec, Views
from saccade.specs.planner.system import ModelSpec

VIEWS_AT_ONCE = 16
"""Views that go through a tower in one batch."""


@dataclass(frozen=True, eq=False, slots=True)
class HostedImage:
    """One picture's ``tokens``, those that enter deeper layers (``deep``), and the ``grid`` of its patches, where the
    family has such.

    ``spelt`` stands for it in a prompt. ``views`` and ``cells`` (n × 4) are in pixels of what was shown.
    """

    tokens: Float[Tensor, "tokens width"]
    deep: tuple[Float[Tensor, "tokens width"], ...]
    grid: Int[Tensor, "1 3"] | None
    spelt: str
    size: Size
    views: tuple[View, ...]
    cells: np.ndarray

    @property
    def count(self) -> int:
        """Visual tokens."""
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of the tokens."""
        return sum(one.nbytes for one in (self.tokens, *self.deep))


_Taken = tuple[str, dict[str, Tensor], ResolvedRegion]


@final
class HostedVision:
    """The vision side of ``model`` with its ``processor``; ``path`` is the family's plan under their numbers."""

    def __init__(self, model: PreTrainedModel, processor: Any) -> None:  # noqa: ANN401 (the library's base class says nothing of what is taken here)
        self.model, self.processor = model, processor
        config = json.loads(model.config.to_json_string(use_diff=False))
        self.kind = KINDS[model.config.model_type]
        self.mark = str(processor.tokenizer.convert_ids_to_tokens(model.config.image_token_id))
        self.asked = image_options(processor)
        settings = {**json.loads(processor.image_processor.to_json_string()), **self.asked}
        family = FAMILIES[model.config.model_type]
        system = ModelSpec(name=type(model).__name__, family=family, config=config, processor=settings)
        self.path: PathSpec = system.path()

    def shown(self, sight: ImageRegion, picture: Size) -> ResolvedRegion:
        """How ``sight`` of a ``picture`` is shown, its budget of tokens resolved."""
        return resolved(self.path, getattr(self.model.config.vision_config, "patch_size", 1), sight, picture)

    def through(self, frame: Views | None) -> PathSpec:
        """The plan, seen through another frame than the model's own."""
        return self.path if frame is None else replace(self.path, views=frame)

    def cells(self, layout: Layout) -> np.ndarray:
        """The shown pixels under every visual token, in reading order."""
        grids = [self.path.token_grid(view) for view in layout.views]
        return Ledger.of(layout.size, layout.views, [grid for grid in grids if grid is not None]).cells

    def spelt(self, layout: Layout) -> str:
        """What the processor writes for a picture of this layout, which it does not need to see for that."""
        view, grid = layout.views[0].size, layout.slices
        patch = self.path.tower.grid(layout.views[0])
        told = {
            "pixel_values": [np.broadcast_to(np.zeros(1, dtype=np.float32), (3, view.height, view.width))],
            "image_grid_thw": np.array([[1, patch.rows, patch.cols]]),
            "rows": [[0 if grid is None else grid.rows]],
            "cols": [[0 if grid is None else grid.cols]],
            "num_patches": [len(layout.views)],
            "num_crops": [len(layout.views) - 1],
        }
        return image_text(self.processor, told)

    def encode(self, images: Sequence[Image.Image], how: Sequence[ResolvedRegion] | None = None) -> list[HostedImage]:
        """Visual tokens of each picture, seen as ``how`` says. Raises SaccadeError where their numbers disagree."""
        how = [ResolvedRegion(WHOLE, Size(*image.size)) for image in images] if how is None else how
        taken = [self._taken(image, one) for image, one in zip(images, how, strict=True)]
        made: list[HostedImage] = []
        for batch in self._batches(taken):
            found = self._seen([pixels for _, pixels, _ in batch], interpolated=batch[0][2].frame is not None)
            counts = [spelt.count(self.mark) for spelt, _, _ in batch]
            if sum(counts) != len(found[0]):
                raise SaccadeError(
                    f"the processor writes {sum(counts)} visual tokens where {type(self.model).__name__} makes "
                    f"{len(found[0])}; take the processor that was published with the model"
                )
            parts = [torch.split(layer, counts) for layer in found]
            for number, (spelt, pixels, one) in enumerate(batch):
                first, *deep = (layer[number] for layer in parts)
                size, layout = one.size, self.through(one.frame).layout(one.size)
                cells = self.cells(layout)
                if len(cells) != counts[number]:
                    raise SaccadeError(
                        f"the processor writes {counts[number]} visual tokens for a picture of {size}, the plan of "
                        f"{self.model.config.model_type} counts {len(cells)}; this checkpoint follows another law"
                    )
                made.append(
                    HostedImage(first, tuple(deep), pixels.get("image_grid_thw"), spelt, size, layout.views, cells)
                )
        return made

    def _taken(self, image: Image.Image, how: ResolvedRegion) -> "_Taken":
        """One picture as its processor takes it: what it writes, the pixels, and how it is shown."""
        features = self.processor.image_processor([image], return_tensors="pt", **{**self.asked, **how.options})
        spelt = image_text(self.processor, features)
        pixels = {name: cast(Tensor, features[name]) for name in PIXELS if name in features}
        return spelt, pixels, how

    def _batches(self, taken: Sequence["_Taken"]) -> "Iterator[list[_Taken]]":
        batch: list[_Taken] = []
        views = 0
        for one in taken:
            many = 1 if "image_grid_thw" in one[1] else one[1]["pixel_values"].shape[self.kind.axis]
            framed = bool(batch) and batch[0][2].frame != one[2].frame
            if batch and (framed or views + many > VIEWS_AT_ONCE):
                yield batch
                batch, views = [], 0
            batch.append(one)
            views += many
        if batch:
            yield batch

    def _seen(
        self, pixels: Sequence[dict[str, Tensor]], *, interpolated: bool = False
    ) -> list[Float[Tensor, "tokens width"]]:
        """All tokens in a row, and those for deeper layers; ``interpolated`` where the frame is not the tower's own."""
        options = {"interpolate_pos_encoding": True} if interpolated else {}
        joined = {name: torch.cat([one[name] for one in pixels], dim=self.kind.axis) for name in pixels[0]}
        joined = {
            name: tensor.to(self.model.device, self.model.dtype if tensor.is_floating_point() else None)
            for name, tensor in joined.items()
        }
        out = cast(Any, self.model).get_image_features(**joined, **options, return_dict=True)
        return [_flat(out.pooler_output), *(_flat(layer) for layer in deep_features(out))]


def _flat(tokens: Tensor | Sequence[Tensor]) -> Float[Tensor, "tokens width"]:
    return tokens.flatten(0, -2) if isinstance(tokens, Tensor) else torch.cat(list(tokens))
