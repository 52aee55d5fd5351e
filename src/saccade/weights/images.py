"""The image processor's JSON of a published folder → how pictures become views here."""

import json
from pathlib import Path
from typing import Any

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs.layouts.resize import CropSpec, PadSpec, StretchSpec
from saccade.specs.parts import ViewsSpec

_FILTERS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


def processor_of(folder: Path) -> dict[str, Any]:
    """The image processor's JSON, of the older or the newer file; empty where there is none."""
    for name, inside in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        if (folder / name).is_file():
            data = json.loads((folder / name).read_text(encoding="utf-8"))
            found = data if inside is None else data.get(inside)
            if found is not None:
                return dict(found)
    return {}


def views_of(given: dict[str, Any], defaults: dict[str, Any], side: int) -> dict[str, Any]:
    """How pictures become views: a reader spec's ``views``, ``mean``, ``std`` and ``resample``.

    ``defaults`` are what the processor's class does where the file is silent, ``side`` is the tower's.
    """
    options = {**defaults, **{key: value for key, value in given.items() if value is not None}}
    if not options.get("do_resize", True) or not options.get("do_rescale", True):
        raise SaccadeError(
            "the image processor keeps sizes or ranges as they come; set do_resize and do_rescale to true"
        )
    if abs(255 * options.get("rescale_factor", 1 / 255) - 1) > 1e-6:
        raise SaccadeError(f"the image processor scales by {options['rescale_factor']}, here it is 1/255; set it so")
    number = options.get("resample", 3)
    if number not in _FILTERS:
        raise SaccadeError(f"the image processor resamples by filter {number}; known: {_FILTERS}")
    plain = not options.get("do_normalize", True)
    mean = (0.0, 0.0, 0.0) if plain else tuple(options["image_mean"])
    std = (1.0, 1.0, 1.0) if plain else tuple(options["image_std"])
    return {"views": _frame(options, side), "mean": mean, "std": std, "resample": _FILTERS[number]}


def _frame(options: dict[str, Any], side: int) -> ViewsSpec:
    """Pad, crop or stretch, to the size that the processor names; to the tower's own where it names none."""
    crop = _size(options.get("crop_size"), side) if options.get("do_center_crop") else None
    named = options.get("size", {"shortest_edge": side} if crop else side)
    short = named.get("shortest_edge") if isinstance(named, dict) else named if crop else None
    size = Size(short, short) if short is not None else _size(named, side)
    if crop not in (None, size) or (short is not None and crop is None and not options.get("do_pad")):
        raise SaccadeError(
            f"the image processor resizes to {named} and crops to {crop}; views here have one size: set do_center_crop "
            "and make crop_size equal to the shortest edge, or give size a height and a width"
        )
    if options.get("do_pad"):
        red, green, blue = (int(part * 255) for part in options["image_mean"])
        return PadSpec(size=size, colour=(red, green, blue))
    return CropSpec(size=size) if short is not None else StretchSpec(size=size)


def _size(named: object, side: int) -> Size:
    """A size as image processors write it: one number, or a height and a width."""
    if named is None:
        return Size(side, side)
    if isinstance(named, int):
        return Size(named, named)
    if isinstance(named, dict) and {"height", "width"} <= named.keys():
        return Size(named["width"], named["height"])
    raise SaccadeError(f"the image processor's size {named!r} has no height and width; give it both")
