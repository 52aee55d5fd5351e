"""Sampling: the pixels of the views that ``specs/`` lays out.

Law     one array ``height width 3`` of 8-bit numbers per view, in the layout's order.
Used by every path. Loses what the view's scale cannot hold; a view larger than its source gains nothing.
Source  Pillow's resampling, as in the published processors (bicubic for CLIP and LLaVA-UHD, Lanczos for Idefics3).

Published pipelines resize the whole picture and cut it afterwards, so this does too wherever the whole comes out in
whole pixels: once for all slices, and to the bit. Pillow's ``box`` would do for a part alone (its filter reaches
beyond the box), but it rounds between the two axes, and which axis goes first depends on the size asked for. Other
views (a fixation, a zoom) are resampled from their box.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.layouts.resize import CLIP_MEAN_COLOUR

Colour = tuple[int, int, int]
Pixels = UInt8[np.ndarray, "height width 3"]

_SLIP = 1e-6  # boxes are computed in fractions: this part of a side is rounding
_WHOLE = 128  # resize the whole for a view's sake up to this many times the view's pixels
_ROOM = 2**26  # pixels to which a picture may be padded


def sample(
    image: Image.Image,
    view: View,
    *,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
    colour: Colour = CLIP_MEAN_COLOUR,
) -> Pixels:
    """The pixels of one view of an RGB ``image``; ``colour`` fills the padding.

    Raises SaccadeError where the image is not RGB or the view reads beyond it.
    """
    return _sample(image, [view], resample, colour)[0]


def sample_all(
    image: Image.Image,
    layout: Layout,
    *,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
    colour: Colour = CLIP_MEAN_COLOUR,
    pasted: bool = False,
) -> list[Pixels]:
    """The pixels of all views in order, equal to ``sample`` of each. Raises where the layout is for another size.

    ``pasted`` pictures are resized first and then padded, so that the padding does not blend into their edge.
    """
    if (image.width, image.height) != (layout.size.width, layout.size.height):
        size = f"{image.width}×{image.height}"
        raise SaccadeError(f"the layout is for a picture of {layout.size} px, this one has {size}; lay it out again")
    return _sample(image, layout.views, resample, colour, pasted=pasted)


def normalise(
    pixels: Sequence[Pixels], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "views 3 height width"]:
    """Views of one size as a batch: 0 to 1, less ``mean``, over ``std`` per channel, in float32."""
    sizes = sorted({Size(array.shape[1], array.shape[0]) for array in pixels})
    if len(sizes) != 1:
        found = ", ".join(map(str, sizes)) or "no views"
        raise SaccadeError(f"a batch needs views of 1 size, got {found}; normalise the views of each size apart")
    if not len(mean) == len(std) == 3 or min(std) <= 0:
        raise SaccadeError(f"three means and three positive deviations are needed, got {mean} and {std}")
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255  # views 3 height width
    return (batch - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def _sample(
    image: Image.Image, views: Iterable[View], resample: Image.Resampling, colour: Colour, *, pasted: bool = False
) -> list[Pixels]:
    """All views, each whole picture resized once."""
    if image.mode != "RGB":
        raise SaccadeError(f"sampling needs an RGB picture, got mode {image.mode}; open it with open_picture")
    wholes: dict[Size, Image.Image] = {}
    found: list[Pixels] = []
    for view in views:
        source, size = _inside(view, image), (view.size.width, view.size.height)
        if view.content is not None:
            part = (_paste if pasted else _letterbox)(image, view, source, resample, colour)
        elif (whole := _whole(view, image)) is not None:
            if whole not in wholes:
                wholes[whole] = image.resize((whole.width, whole.height), resample)
            left, top = (round(edge) for edge in _corner(view))
            part = wholes[whole].crop((left, top, left + size[0], top + size[1]))
        else:
            part = image.resize(size, resample, box=source.sides)
        found.append(np.array(part))
    return found


def _inside(view: View, image: Image.Image) -> Box:
    """The view's source within the picture; more than rounding beyond it is refused."""
    source = view.source.intersect(Box(0, 0, image.width, image.height))
    beyond = [] if source is None else [abs(a - b) for a, b in zip(view.source.sides, source.sides, strict=True)]
    if source is None or max(beyond) > _SLIP * max(image.size):
        raise SaccadeError(
            f"a view reads {view.source.sides} of a picture of {image.width}×{image.height} px; "
            "lay the views out for this picture's size"
        )
    return source


def _corner(view: View) -> tuple[float, float]:
    """Where an unpadded view begins on the resized whole."""
    x, y = view.scale
    return view.source.left * x, view.source.top * y


def _whole(view: View, image: Image.Image) -> Size | None:
    """The size of the whole picture at the view's scale; None where it or the cut misses whole pixels."""
    x, y = view.scale
    width, height = image.width * x, image.height * y
    slip = _SLIP * max(width, height)
    if any(abs(edge - round(edge)) > slip for edge in (width, height, *_corner(view))):
        return None
    if width * height > _WHOLE * view.size.area:
        return None
    return Size(round(width), round(height))


def _letterbox(image: Image.Image, view: View, source: Box, resample: Image.Resampling, colour: Colour) -> Image.Image:
    """Pad the source, then resize, as LLaVA does: the picture's edge blends into the colour."""
    cut = (math.floor(source.left), math.floor(source.top), math.ceil(source.right), math.ceil(source.bottom))
    part, (x, y), place = image.crop(cut), view.scale, view.canvas
    left, top = source.left - cut[0] - place.left / x, source.top - cut[1] - place.top / y
    frame = Box.of(view.size).scale(1 / x, 1 / y).shift(left, top)
    if frame.area > _ROOM:
        return _paste(image, view, source, resample, colour)
    slip = _SLIP * max(frame.width, frame.height)
    before = [max(math.ceil(-edge - slip), 0) for edge in (frame.left, frame.top)]
    after = [
        max(math.ceil(frame.right - part.width - slip), 0),
        max(math.ceil(frame.bottom - part.height - slip), 0),
    ]
    padded = ImageOps.expand(part, (*before, *after), fill=colour)
    box = frame.shift(*before).intersect(Box(0, 0, padded.width, padded.height))
    assert box is not None  # the frame holds the part
    return padded.resize((view.size.width, view.size.height), resample, box=box.sides)


def _paste(image: Image.Image, view: View, source: Box, resample: Image.Resampling, colour: Colour) -> Image.Image:
    """Resize, then pad by whole view pixels: also for thin pictures, whose padded square would fill the memory."""
    place = view.canvas
    canvas = Image.new("RGB", (view.size.width, view.size.height), colour)
    size = (max(round(place.width), 1), max(round(place.height), 1))
    canvas.paste(image.resize(size, resample, box=source.sides), (round(place.left), round(place.top)))
    return canvas
