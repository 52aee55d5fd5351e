"""Perceiver IO as an image classifier: latents read every pixel once.

Source: Perceiver IO, arXiv:2107.14795; the transformers class.
"""

from saccade.architectures.perceiver.inputs_spec import PictureInputSpec, PixelInputSpec, StemInputSpec, TableInputSpec
from saccade.architectures.perceiver.io_spec import PerceiverTowerSpec
from saccade.core.errors import SaccadeError
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import PathSpec
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec, QueryHeadSpec
from saccade.specs.layouts.markers import PlaceholderSequence
from saccade.specs.layouts.resize import CropThenResizeSpec
from saccade.specs.planner.system import Checkpoint, Family


def perceiver(made: Checkpoint) -> PathSpec:
    """Every pixel, or a map made of them, read once by the latents; one query makes the classes' scores."""
    config = made.config
    inputs = _perceived(config)
    width, latents = config.positive("d_latents", default=1280), config.positive("num_latents", default=256)
    narrow = config.text("cross_attention_shape_for_attention", "kv") == "q"
    qk = config.positive("qk_channels") if config.has("qk_channels") else None
    v = config.positive("v_channels") if config.has("v_channels") else None
    encoder = PerceiverSpec(
        latents=latents,
        read=AttendSpec(
            width=width,
            source=inputs.width,
            heads=config.positive("num_cross_attention_heads", default=8),
            qk=width if narrow and qk is None else qk,
            v=v,
            widen=config.positive("cross_attention_widening_factor", default=1),
            lean=False,
        ),
        layer=AttendSpec(
            width=width,
            heads=config.positive("num_self_attention_heads", default=8),
            qk=qk,
            v=v,
            widen=config.positive("self_attention_widening_factor", default=1),
        ),
        blocks=config.positive("num_blocks", default=1),
        layers=config.positive("num_self_attends_per_block", default=26),
    )
    block = AttendSpec(width=width, source=width, qk=width if narrow else None, lean=False)
    crop = sized(made.processor, "crop_size")
    return PathSpec(
        views=CropThenResizeSpec(size=sized(made.processor), of=crop.width),
        tower=PerceiverTowerSpec(inputs=inputs, encoder=encoder),
        connector=QueryHeadSpec(
            decoder=DecodeSpec(latents=latents, block=block, out=config.positive("num_labels", default=1000))
        ),
        sequence=PlaceholderSequence(count=0),
        language=None,
    )


def _perceived(config: Fields) -> PictureInputSpec:
    """What latents read of a picture, by the name of transformers' class, which alone knows it."""
    kinds: dict[object, PictureInputSpec] = {
        "PerceiverForImageClassificationFourier": PixelInputSpec(),
        "PerceiverForImageClassificationLearned": TableInputSpec(side=config.side("image_size", 56)),
        "PerceiverForImageClassificationConvProcessing": StemInputSpec(same=False),
    }
    named = config.items("architectures")
    found = next((kinds[name] for name in named if name in kinds), None)
    if found is None:
        raise SaccadeError(
            f"{config.place} names the architecture {list(named)!r}; Perceivers that are planned read pictures: "
            f" {', '.join(map(str, kinds))}"
        )
    return found


PERCEIVER = Family(
    build=perceiver,
    kind="classifier",
    summary="512 latents read every pixel once; the cost hardly depends on the picture",
    stages="crop → pixels with Fourier features → latents → output query",
    fidelity="exact",
    source="Perceiver IO, arXiv:2107.14795",
)
