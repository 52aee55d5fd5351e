"""What the image processors of transformers write in preprocessor_config.json: sizes, and how one view is made."""

from saccade.core.size import Size
from saccade.specs.hf_config.fields import Fields
from saccade.specs.layouts.resize import CropSpec, PadSpec, StretchSpec


def sized(fields: Fields, name: str = "size") -> Size:
    """A size written as a number, as height and width, or as the shortest edge of a square."""
    given = fields.get(name)
    if isinstance(given, int):
        return Size(given, given)
    size = fields.sub(name)
    if size.has("shortest_edge") and not size.has("height"):
        side = size.positive("shortest_edge")
        return Size(side, side)
    return Size(size.positive("width"), size.positive("height"))


def one_view(processor: Fields, *, crops: bool = True) -> StretchSpec | CropSpec | PadSpec:
    """One view: the middle, everything on a padded square, or everything stretched. ``crops`` is what the processor's
    class does where its file does not say: CLIP's crops, SigLIP's stretches.
    """
    if processor.flag("do_pad"):
        return PadSpec(size=sized(processor, "crop_size" if processor.has("crop_size") else "size"))
    if processor.flag("do_center_crop", crops):
        return CropSpec(size=sized(processor, "crop_size"))
    return StretchSpec(size=sized(processor))
