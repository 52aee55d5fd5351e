"""Gemma 3 and PaliGemma: one stretched view of SigLIP; Gemma 3 may add crops.

Source: Gemma 3, arXiv:2503.19786; PaliGemma, arXiv:2407.07726; the transformers classes.
"""

from collections.abc import Sequence
from math import isqrt

from saccade.core.size import Size
from saccade.specs.connectors.fold import FoldSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import Media, PathSpec
from saccade.specs.layouts.crops import PanScanSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option


def gemma3(made: Checkpoint) -> PathSpec:
    """256 tokens a view: patches averaged in squares. Pan and scan adds crops."""
    config = made.config
    vision = config.sub("vision_config", {"vision_use_head": False})
    tower = towers.siglip(vision)
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "gemma3_text"), tied=config.flag("tie_word_embeddings", True))
    side = sized(made.processor).width
    rows = side // tower.patch
    ratio = rows // isqrt(config.positive("mm_tokens_per_image", default=256))
    processor = made.processor.like({
        "pan_and_scan_min_crop_size": 256, "pan_and_scan_max_num_crops": 4, "pan_and_scan_min_ratio_to_activate": 1.2,
    })  # fmt: skip
    crops = PanScanSpec(
        side=side,
        crop=processor.positive("pan_and_scan_min_crop_size"),
        most=made.whole("max_crops", processor.positive("pan_and_scan_max_num_crops")),
        ratio=processor.real("pan_and_scan_min_ratio_to_activate"),
    )
    cut = made.switch("pan_scan", made.processor.flag("do_pan_and_scan"))
    return PathSpec(
        views=crops if cut else StretchSpec(size=Size(side, side)),
        tower=tower,
        connector=FoldSpec(
            width_in=tower.width, widths=(spoken.width,), ratio=ratio, bias=False, norm=tower.width, pooled=True
        ),
        # Around each view: a blank line, its opening and closing marker, a blank line.
        sequence=MarkedSequence(each=4),
        language=spoken,
    )


def paligemma(made: Checkpoint) -> PathSpec:
    """Every patch through one matrix; the picture stands before everything else."""
    config = made.config
    tower = towers.siglip(config.sub("vision_config"))
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "gemma"), tied=config.flag("tie_word_embeddings", True))
    width = config.positive("projection_dim", default=spoken.width)
    return PathSpec(
        views=StretchSpec(size=sized(made.processor)),
        tower=tower,
        connector=FoldSpec(width_in=tower.width, widths=(width,)),
        sequence=MarkedSequence(),
        language=spoken,
    )


def _counter(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del made
    views = [len(path.layout(one).views) for one in media]
    if max(views) == 1:
        return []
    return [
        f"transformers' own counter ignores crops and says {256 * len(views)} visual tokens; its processor puts out "
        f"{256 * sum(views)}, as counted here"
    ]


GEMMA3 = Family(
    build=gemma3,
    kind="reader",
    summary="one stretched square, patches averaged to 256 tokens; crops along the long side on request",
    stages="stretch (pan and scan) → SigLIP → average pool → splice → Gemma 3",
    fidelity="exact",
    source="Gemma 3, arXiv:2503.19786",
    options=(
        Option(name="pan_scan", kind=bool, help="add crops of pictures that are far from square"),
        Option(name="max_crops", kind=int, help="crops at most"),
    ),
    knobs=(Knob(option="pan_scan", values=lambda made, media: (False, True)),),
    notes=_counter,
)


PALIGEMMA = Family(
    build=paligemma,
    kind="reader",
    summary="one stretched square, every SigLIP patch through one matrix",
    stages="stretch → SigLIP → linear → splice → Gemma",
    fidelity="exact",
    source="PaliGemma, arXiv:2407.07726",
)
