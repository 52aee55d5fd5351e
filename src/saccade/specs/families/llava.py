"""LLaVA-1.5, over CLIP or SigLIP, and LLaVA-UHD in its three versions: one view, or slices in their own shape.

Source: LLaVA-1.5, arXiv:2310.03744; LLaVA-UHD, arXiv:2403.11703 and its ECCV-24 code; v2, arXiv:2412.13871.
"""

from collections.abc import Sequence

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs import vision as towers
from saccade.specs.dialects import language
from saccade.specs.fields import Fields
from saccade.specs.fold import FoldSpec
from saccade.specs.hiwin import HiwinSpec, levels_of
from saccade.specs.markers import MarkedSequence
from saccade.specs.path import Media, PathSpec
from saccade.specs.resampler import ResamplerSpec
from saccade.specs.resize import CropSpec, PadSpec, StretchSpec
from saccade.specs.sequence import PlainSequence, SeparatedSequence
from saccade.specs.slices import ArxivSliceSpec, EccvSliceSpec
from saccade.specs.system import Checkpoint, Family, Knob, Option
from saccade.specs.windows import WindowsSpec


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


def llava(made: Checkpoint) -> PathSpec:
    """One view, every patch through two matrices."""
    config = made.config
    vision = config.sub("vision_config", {"model_type": "clip_vision_model"})
    tower = _tower(vision, full=config.text("vision_feature_select_strategy", "default") == "full")
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "llama"), tied=config.flag("tie_word_embeddings"))
    layers = config.get("vision_feature_layer")
    chosen = len(layers) if isinstance(layers, Sequence) and not isinstance(layers, str) else 1
    widths = (spoken.width, spoken.width)
    connector = FoldSpec(
        width_in=tower.width * chosen, widths=widths, bias=config.flag("multimodal_projector_bias", True),
        extra=tower.extra,
    )  # fmt: skip
    return PathSpec(
        views=one_view(made.processor, crops=tower.class_tokens > 0),
        tower=tower,
        connector=connector,
        sequence=PlainSequence(),
        language=spoken,
    )


def _tower(vision: Fields, *, full: bool) -> towers.EncoderSpec:
    """CLIP, of which ``full`` keeps the class token, or SigLIP, which has none."""
    kind = vision.text("model_type")
    if kind == "clip_vision_model":
        return towers.clip(vision, keep_class=full)
    if kind != "siglip_vision_model":
        raise SaccadeError(f"LLaVA over a {kind} tower has no cost law here; over CLIP or SigLIP it has")
    if not full:
        raise SaccadeError(
            "vision_feature_select_strategy 'default' drops the class token, and SigLIP has none, so a patch would be "
            "lost; set it to 'full' in config.json"
        )
    return towers.siglip(vision, head=vision.flag("vision_use_head", True))


def _beyond(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    """What transformers runs of a tower beyond what is read."""
    del path, media
    told: list[str] = []
    if made.config.get("vision_feature_layer") == -2:
        told.append("transformers runs the tower's last layer too, although the second to last is read: it is counted")
    vision = made.config.sub("vision_config", {"model_type": "clip_vision_model"})
    if vision.text("model_type") == "siglip_vision_model" and vision.flag("vision_use_head", True):
        told.append("transformers runs SigLIP's pooling too, of which nothing is read: it is not counted")
    return told


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

LLAVA = Family(
    build=llava,
    kind="reader",
    summary="one square view, every CLIP patch through a two-layer MLP",
    stages="crop or pad → CLIP ViT → MLP → splice → Llama",
    fidelity="exact",
    source="LLaVA-1.5, arXiv:2310.03744",
    notes=_beyond,
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
