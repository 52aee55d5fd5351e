"""Their image processors without pixels: the steps run on arrays that have a shape and no memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
from transformers import image_processing_backends as backends

from tests.exact.sizes import Size


def blank(size: Size) -> np.ndarray:
    """A picture of one byte, whatever its size."""
    return np.broadcast_to(np.uint8(0), (size[1], size[0], 3))


@contextmanager
def hollow(areas: list[int] | None = None) -> Iterator[None]:
    """Exchanges resize and crop below their classes; the areas of what they would make are added to ``areas``.

    Pillow resizes *from* a picture without pixels but not *to* one, and so does this.
    """

    def shaped(image: np.ndarray, size: Size) -> np.ndarray:
        if areas is not None:
            areas.append(size[0] * size[1])
        return np.broadcast_to(np.uint8(0), (image.shape[0], *size))

    def resize(image: np.ndarray, size: Size, **_: object) -> np.ndarray:
        if min(size) < 1:
            raise ValueError("height and width must be > 0")
        return shaped(image, size)

    def crop(image: np.ndarray, size: Size, **_: object) -> np.ndarray:
        return shaped(image, size)

    with patch.multiple(backends, np_resize=resize, np_center_crop=crop):
        yield
