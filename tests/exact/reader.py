"""One processor of transformers: what it counts without pixels, and what it makes of a real picture."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import transformers
from PIL import Image

from tests.exact.hollow import blank, hollow
from tests.exact.kinds import Kind
from tests.exact.sizes import Size
from tests.exact.tokenizer import tokenizer

REFUSALS = (ValueError, ZeroDivisionError)
"""How their processors fail on sizes: their own checks, Pillow's of a side of 0, divisions by such a side."""
SHAPES_ALONE = {
    "input_data_format": "channels_last",
    "do_convert_rgb": False,
    "do_rescale": False,
    "do_normalize": False,
    "do_pad": False,
    "return_tensors": None,
}
"""Settings of an image processor under which it changes nothing but shapes."""
LIMIT = 40_000_000
"""Pixels of the largest picture on the way, above which ``expand`` is left out."""


class Refused(Exception):
    """Their processor fails on this size."""


class Heavy(Exception):
    """Their processor would work, with more memory or time than a test should take."""


@contextmanager
def refusals() -> Iterator[None]:
    """Their failures under one name."""
    try:
        yield
    except REFUSALS as error:
        raise Refused(str(error)) from error


@dataclass(frozen=True, slots=True)
class Seen:
    """``view_sizes`` are the pixels (width, height) that the tower gets, sorted."""

    visual_tokens: int
    slots: int
    view_sizes: tuple[Size, ...]


@cache
def unchecked(maker: type) -> type:
    """The class without its check of what it is made of, which needs torchvision to find a missing video part fine."""
    return type(maker.__name__, (maker,), {"check_argument_for_proper_class": lambda *_: None})


def picture(size: Size) -> Image.Image:
    """Of one colour: counting never looks at it."""
    return Image.new("RGB", size, (90, 120, 150))


def sides(pixels: Any) -> list[Size]:
    """Width and height of every picture in nested lists, or in an array of (…, channels, height, width)."""
    if hasattr(pixels, "shape"):
        *many, _, height, width = pixels.shape
        return [(width, height)] * int(np.prod(many))
    return [size for one in pixels for size in sides(one)]


class Theirs:
    """Their processor under one preset's numbers; subclasses say what their type does otherwise."""

    def __init__(self, preset: Mapping[str, Any], kind: Kind, options: Mapping[str, int | bool]):
        self.kind = kind
        self.config: dict[str, Any] = preset["config"]
        chosen = kind.settings(options)
        if "size" in chosen:  # one bound of several
            chosen["size"] = {**preset["processor"]["size"], **chosen["size"]}
        self.settings: dict[str, Any] = {**preset["processor"], **chosen}
        self.call = {key: value for key, value in chosen.items() if key in kind.at_call}
        self.tokenizer = tokenizer(kind.named, (*kind.more, kind.placeholder))
        self.pixels = self._pixels()
        self.processor = self._processor()
        self.placeholder = self.tokenizer.convert_tokens_to_ids(kind.placeholder)
        self.counted = {self.placeholder, *(self._id(marker) for marker in kind.markers)}

    def count(self, size: Size) -> Seen:
        """As cheap for 8000×8000 as for 1×1."""
        with refusals():
            features = self.features(size)
        return self.seen(self._ids(self.text(features)), features)

    def expand(self, size: Size) -> Seen:
        """The processor run on a picture. Raises ``Heavy`` where that is too much to ask."""
        if self.work(size) > LIMIT:
            raise Heavy
        with refusals():
            made = self.run(picture(size))
        return self.seen(np.asarray(made["input_ids"])[0].tolist(), made)

    def counter(self, size: Size) -> int | None:
        """What their counter for servers says (``Kind.counter``); None where the type has none."""
        if not hasattr(self.processor, "_get_num_multimodal_tokens"):
            return None
        with refusals():
            found = self.processor._get_num_multimodal_tokens(image_sizes=[size[::-1]], **self.call)
        return found["num_image_tokens"][0]

    def features(self, size: Size, areas: list[int] | None = None) -> Any:
        """What their image processor hands to the text side, its arrays without memory; ``areas`` as ``hollow``'s."""
        init, kinds = self.tokenizer.init_kwargs, self.processor.valid_processor_kwargs  # optional from 5.23 on
        asked = self.processor._merge_kwargs(kinds, tokenizer_init_kwargs=init, **self.call)
        asked = {**asked["images_kwargs"], **SHAPES_ALONE}
        with hollow(areas):
            return self.pixels.preprocess(blank(size), **asked)

    def text(self, features: Any) -> str:
        """The prompt, expanded."""
        return self.kind.prompt.replace(self.processor.image_token, self.processor.replace_image_token(features, 0))

    def run(self, image: Image.Image) -> Any:
        """The whole processor, from the picture and the prompt."""
        return self.processor(images=[image], text=[self.kind.prompt], return_tensors="np", **self.call)

    def seen(self, ids: Sequence[int], features: Any) -> Seen:
        """Counts the ids of a whole prompt."""
        return Seen(ids.count(self.placeholder), sum(one in self.counted for one in ids), self.views(features))

    def views(self, features: Any) -> tuple[Size, ...]:
        """Sizes of all arrays of pixels."""
        return tuple(sorted(sides(features["pixel_values"])))

    def work(self, size: Size) -> int:
        """Pixels of the largest picture on the way, the given one included."""
        areas = [size[0] * size[1]]
        with suppress(*REFUSALS):
            self.features(size, areas)
        return max(areas)

    def _pixels(self) -> Any:
        kind = self.settings.get("image_processor_type", self.kind.pixels).removesuffix("Fast") + "Pil"
        maker = getattr(transformers, kind)
        made = maker(
            **{key: value for key, value in self.settings.items() if key in maker.valid_kwargs.__annotations__}
        )
        if "image_seq_length" in self.settings:  # PaliGemma's and ColPali's processors look for it there
            made.image_seq_length = self.settings["image_seq_length"]
        return made

    def _processor(self) -> Any:
        maker = unchecked(getattr(transformers, self.kind.processor))
        wanted = inspect.signature(maker.__init__).parameters
        parts: dict[str, Any] = {key: value for key, value in self.settings.items() if key in wanted}
        parts |= {"qformer_tokenizer": tokenizer({})} if "qformer_tokenizer" in wanted else {}
        parts |= {"video_processor": None} if "video_processor" in wanted else {}
        return maker(image_processor=self.pixels, tokenizer=self.tokenizer, **parts)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _id(self, marker: str) -> int:
        (one,) = self._ids(marker)
        return one
