"""What transformers counts, by its own code alone: the other side of every exactness test.

``Theirs.count`` runs an image processor's arithmetic without pixels, ``Theirs.expand`` everything on a real picture.

Slots are the placeholder ids and the markers that stand with them (``Kind.markers``); words are never slots. So the
English between Gemma 3's crops, the word "image" between Kimi's markers, and what PaliGemma's processor puts around
the prompt's words are text. Line breaks that a processor writes around views are slots: Idefics3's between rows of
tiles, Gemma 3's two before and two after each view (one id each time, as in the released vocabularies). Where a
processor writes the whole prompt of a page itself (ColPali, ColQwen2) all of it is slots: each position is a vector.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from saccade.architectures import PRESETS
from tests.exact.borrowed import borrow
from tests.exact.encoders import Encoders
from tests.exact.hollow import blank, hollow
from tests.exact.kinds import KINDS
from tests.exact.reader import Seen, Theirs, picture, refusals, sides
from tests.exact.sizes import Size


@cache
def preset(name: str) -> dict[str, Any]:
    """The released numbers, as they lie in the package."""
    return json.loads(PRESETS[name].read_text())


@cache
def theirs(name: str, **options: int | bool) -> Theirs:
    """The processor of one preset under options of ``saccade.plan``."""
    model_type = preset(name)["config"]["model_type"]
    return READERS.get(model_type, Theirs)(preset(name), KINDS[model_type], options)


class Fixed(Theirs):
    """BLIP-2, InstructBLIP, Idefics2: the text is the same for every size."""

    def count(self, size: Size) -> Seen:
        """The ids as for a small picture."""
        with refusals():
            features = self.features(size)
        return self.seen(self._written, features)

    @cached_property
    def _written(self) -> list[int]:
        return np.asarray(self.run(picture((40, 30)))["input_ids"])[0].tolist()


class Padded(Fixed):
    """Idefics2: the views of a picture are padded to the widest and the highest of them."""

    def views(self, features: Any) -> tuple[Size, ...]:
        """Of one picture, padded or not."""
        sizes = sides(features["pixel_values"])
        return ((max(width for width, _ in sizes), max(height for _, height in sizes)),) * len(sizes)


class Latents(Fixed):
    """Idefics: the language model reads one id per picture; cross-attention reads its resampler's latents."""

    def seen(self, ids: Sequence[int], features: Any) -> Seen:
        """Their config class knows the number of latents."""
        latents = transformers.IdeficsConfig(**self.config).perceiver_config.resampler_n_latents
        return Seen(latents, super().seen(ids, features).slots, self.views(features))

    def run(self, image: Image.Image) -> Any:
        """Their prompt has no placeholder: the picture stands in the list."""
        return self.processor(images=[image], text=["Describe."], return_tensors="pt")

    def views(self, features: Any) -> tuple[Size, ...]:
        """Their image processor hands out the arrays themselves."""
        return super().views(features if isinstance(features, Mapping) else {"pixel_values": features})


class Pages(Theirs):
    """ColPali: the processor writes the prompt."""

    def text(self, features: Any) -> str:
        """Their prompt around their placeholders."""
        _, (prompt,), *_ = self.processor.prepare_inputs_layout(images=[picture((8, 8))])
        return prompt.replace(self.processor.image_token, self.processor.replace_image_token(features, 0))

    def run(self, image: Image.Image) -> Any:
        """The picture alone."""
        return self.processor(images=[image])

    def seen(self, ids: Sequence[int], features: Any) -> Seen:
        """Every position is a vector of the page."""
        return Seen(ids.count(self.placeholder), len(ids), self.views(features))


class Patched(Theirs):
    """Qwen: the pixels come as rows of patches, with the grid beside them."""

    def features(self, size: Size, areas: list[int] | None = None) -> Any:
        """The size from their resize, the grid as they divide it."""
        side = self.pixels.patch_size
        with hollow(areas):
            made = self.pixels.resize(
                np.moveaxis(blank(size), -1, 0),
                size=self.pixels.size, resample=self.pixels.resample, factor=side * self.pixels.merge_size,
            )  # fmt: skip
        return {"image_grid_thw": np.array([[1, made.shape[1] // side, made.shape[2] // side]])}

    def views(self, features: Any) -> tuple[Size, ...]:
        """The grid in pixels."""
        ((frames, rows, cols),) = np.asarray(features["image_grid_thw"]).tolist()
        if "pixel_values" in features:
            channels = 3 * getattr(self.pixels, "temporal_patch_size", 1)
            made = math.prod(features["pixel_values"].shape)
            assert made == frames * rows * cols * channels * self.pixels.patch_size**2
        return ((cols * self.pixels.patch_size, rows * self.pixels.patch_size),)


class PatchedPages(Pages, Patched):
    """ColQwen2."""


class Gridded(Theirs):
    """Ovis2: the text side wants the grid as an array."""

    def features(self, size: Size, areas: list[int] | None = None) -> Any:
        """As they come when tensors are asked for."""
        made = super().features(size, areas)
        return {**made, "grids": np.array(made["grids"])}


class Halves(Theirs):
    """DeepSeek-OCR-2: of each view a square of queries, and one separator at the end, all under one placeholder.

    Without crops their text still has the placeholders of a 1024 px view, though the view is 768 px: the model would
    find more placeholders than vectors. Counted here are the vectors; ``counter`` is their text.
    """

    def seen(self, ids: Sequence[int], features: Any) -> Seen:
        """Queries of the views' real sizes; equal to their text when crops are on."""
        views = self.views(features)
        step = self.processor.patch_size * self.processor.downsample_ratio
        tokens = sum(math.ceil(width / step) * math.ceil(height / step) for width, height in views)
        if self.call.get("crop_to_patches", True):
            assert tokens + 1 == ids.count(self.placeholder)
        return Seen(tokens, tokens + 1, views)

    def views(self, features: Any) -> tuple[Size, ...]:
        """Local tiles and the global view."""
        local = features["pixel_values_local"] if "pixel_values_local" in features else []
        return tuple(sorted([*sides(local), *sides(features["pixel_values"])]))

    def counter(self, size: Size) -> int:
        """Placeholders that they write."""
        with refusals():
            features = self.features(size)
        return self._ids(self.text(features)).count(self.placeholder)

    def forecast(self, size: Size) -> int:
        """Views by their counter for servers, which forgets that a picture no larger than a tile gets none."""
        return self.pixels.get_number_of_image_patches(size[1], size[0], {**self.processor.images_kwargs, **self.call})


class Navit(Patched):
    """Kimi-K2.5: its image processor cannot be built without torchvision; its functions can be called one by one.

    ``expand`` really runs the text side, on patches that their ``patchify`` cuts from a canvas of their padded size.
    """

    FILE = "models/kimi_k25/image_processing_kimi_k25.py"

    def _pixels(self) -> Any:
        known = {key: self.settings[key] for key in ("size", "patch_size", "merge_size", "max_patches")}
        count = borrow(self.FILE, "Kimi_K25ImageProcessor.get_number_of_image_patches")
        pixels = Canvas(known)
        pixels.get_number_of_image_patches = lambda *size_and_kwargs: count(pixels, *size_and_kwargs)
        return pixels

    def features(self, size: Size, areas: list[int] | None = None) -> Any:
        """Their padded size, and the grid as they divide it."""
        width, height = self.pixels.padded(size)
        side = self.pixels.patch_size
        return {"image_grid_thw": np.array([[1, height // side, width // side]])}


class Canvas(SimpleNamespace):
    """Stands in for Kimi's image processor."""

    model_input_names = ("pixel_values", "image_grid_thw")
    valid_kwargs = transformers.processing_utils.ImagesKwargs

    def __init__(self, known: dict[str, Any]):
        super().__init__(**known)

    def padded(self, size: Size) -> Size:
        """Width and height after their resize and their padding."""
        _, (height, width) = borrow(Navit.FILE, "navit_resize")(
            height=size[1], width=size[0], patch_size=self.patch_size, merge_kernel_size=self.merge_size,
            max_patches=self.max_patches, max_size_per_side=self.size["max_height"],
        )  # fmt: skip
        return width, height

    def fetch_images(self, images: Any) -> Any:
        """They are here already."""
        return images

    def __call__(self, images: Sequence[Image.Image], **_: object) -> dict[str, torch.Tensor]:
        """Empty patches of one picture."""
        (image,) = images
        width, height = self.padded(image.size)
        patches, rows, cols = borrow(Navit.FILE, "Kimi_K25ImageProcessor.patchify")(
            self, torch.zeros(1, 3, height, width, dtype=torch.uint8), self.patch_size
        )
        return {"pixel_values": patches[0], "image_grid_thw": torch.tensor([[1, rows, cols]])}


READERS: dict[str, type[Theirs]] = {
    "blip-2": Fixed,
    "instructblip": Fixed,
    "idefics": Latents,
    "idefics2": Padded,
    "colpali": Pages,
    "qwen2_5_vl": Patched,
    "qwen3_vl": Patched,
    "colqwen2": PatchedPages,
    "ovis2": Gridded,
    "deepseek_ocr2": Halves,
    "kimi_k25": Navit,
    "clip": Encoders,
    "align": Encoders,
    "perceiver": Encoders,
}
"""Types that need more than ``Theirs``, by ``model_type``."""
