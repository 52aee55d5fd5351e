"""LLaVA-UHD and LLaVA-UHD v2: slices in their own aspect, and an overview.

Source: LLaVA-UHD, arXiv:2403.11703 and its code; LLaVA-UHD v2, arXiv:2412.13871.
"""

from saccade.specs.connectors.hiwin import HiwinSpec, levels_of
from saccade.specs.connectors.resampler import ResamplerSpec
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import language
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.layouts.sequence import SeparatedSequence
from saccade.specs.layouts.slices import ArxivSliceSpec, EccvSliceSpec
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option


def _uhd(made: Checkpoint) -> tuple[towers.EncoderSpec, Fields]:
    return towers.clip(made.config.sub("vision_config")), made.config.sub("text_config")


def llava_uhd(made: Checkpoint) -> PathSpec:
    """Slices and an overview: 64 free queries each (the paper's rule), or 144 bound to windows (the ECCV code's)."""
    tower, text = _uhd(made)
    spoken = language(text, text.text("model_type", "llama"))
    side, patch = made.processor.positive("scale_resolution"), made.processor.positive("patch_size")
    cap = made.whole("max_slices", made.processor.positive("max_slice_nums"))
    queries, heads = made.config.positive("num_queries"), made.config.positive("resampler_num_heads")
    if made.config.flag("spatially_constrained"):
        return PathSpec(
            views=EccvSliceSpec(side=side, patch=patch, max_slices=cap),
            tower=tower,
            connector=WindowsSpec(
                width_in=tower.width, width_out=spoken.width, heads=heads, queries=queries, lean=False
            ),
            sequence=_separators(made),
            language=spoken,
        )
    return PathSpec(
        views=ArxivSliceSpec(side=side, patch=patch, max_slices=cap),
        tower=tower,
        connector=ResamplerSpec(width_in=tower.width, width_out=spoken.width, queries=queries, heads=heads),
        sequence=_separators(made),
        language=spoken,
    )


def llava_uhd_v2(made: Checkpoint) -> PathSpec:
    """The ECCV rule's slices; windows of an inverse pyramid, condensed to 144 tokens each."""
    tower, text = _uhd(made)
    spoken = language(text, text.text("model_type", "llama"))
    return PathSpec(
        views=EccvSliceSpec(
            side=made.processor.positive("scale_resolution"),
            patch=made.processor.positive("patch_size"),
            max_slices=made.whole("max_slices", made.processor.positive("max_slice_nums")),
        ),
        tower=tower,
        connector=HiwinSpec(
            width_in=tower.width,
            width_out=spoken.width,
            heads=made.config.positive("resampler_num_heads"),
            levels=levels_of(made.config.positive("feature_scale_mask")),
            queries=made.config.positive("num_queries"),
            sets=made.config.positive("num_query_sets"),
            lean=False,
        ),
        sequence=_separators(made),
        language=spoken,
    )


def _separators(made: Checkpoint) -> SeparatedSequence | MarkedSequence:
    """One separator after every slice, by id."""
    for name in ("separators", "paper_separators"):
        if made.processor.has(name):
            ids = made.processor.sub(name)
            return SeparatedSequence(comma=ids.positive("column_token_id"), newline=ids.positive("row_token_id"))
    return MarkedSequence()


SLICES = Option(name="max_slices", kind=int, help="slices at most, the overview apart")


SLICES_KNOB = Knob(
    option="max_slices", values=lambda made, media: range(1, made.processor.positive("max_slice_nums") + 1)
)


LLAVA_UHD = Family(
    build=llava_uhd,
    kind="reader",
    summary="slices in their own aspect and an overview, a fixed number of queries each",
    stages="slices → CLIP ViT → resampler → splice with separators → Vicuna",
    fidelity="faithful",
    source="LLaVA-UHD, arXiv:2403.11703",
    options=(SLICES,),
    knobs=(SLICES_KNOB,),
)


LLAVA_UHD_V2 = Family(
    build=llava_uhd_v2,
    kind="reader",
    summary="slices and an overview, 144 queries each over windows of an inverse pyramid",
    stages="slices → CLIP ViT → inverse pyramid, windowed queries → splice with separators → Vicuna",
    fidelity="faithful",
    source="LLaVA-UHD v2, arXiv:2412.13871",
    options=(SLICES,),
    knobs=(SLICES_KNOB,),
)
