"""The survey's object-centric reader, which it takes for DeepSeek-OCR: SAM's masks, CLIP's embeddings, 144 tokens.

Source: the survey; SAM, arXiv:2304.02643, and CLIP, arXiv:2103.00020, as transformers runs them. What DeepSeek-OCR is:
arXiv:2510.18234, and ``deepseek`` beside this file.
"""

from collections.abc import Sequence

from saccade.architectures.deepseek_ocr.spec import sam
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.specs.connectors.region_tokens import RegionsSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import Media, PathSpec
from saccade.specs.layouts.resize import PadSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.planner.system import Checkpoint, Family, Option
from saccade.specs.towers.objects import ObjectTowerSpec, SamDecoderSpec

DECODER: Json = {
    "hidden_size": 256, "mlp_dim": 2048, "num_hidden_layers": 2, "num_attention_heads": 8,
    "attention_downsample_rate": 2, "num_multimask_outputs": 3, "iou_head_depth": 3, "iou_head_hidden_dim": 256,
}  # fmt: skip


def object_centric(made: Checkpoint) -> PathSpec:
    """Masks, a crop and an embedding each, spread over a raster."""
    config = made.config
    masks, vision, text = config.sub("sam_config"), config.sub("vision_config"), config.sub("text_config")
    encoder = sam(masks.sub("vision_config"))
    joint, raster = config.positive("projection_dim"), config.positive("raster")
    spoken = language(text, text.text("model_type", "llama"))
    tower = ObjectTowerSpec(
        sam=encoder,
        decoder=decoder(masks),
        points=made.whole("points", made.processor.positive("points_per_side")),
        at_once=made.processor.positive("points_per_batch"),
        reader=towers.clip(vision),
        side=sized(made.processor, "crop_size").width,
        joint=joint,
        most=made.whole("regions", made.processor.positive("max_regions")),
        raster=raster,
    )
    return PathSpec(
        views=PadSpec(size=Size(encoder.side, encoder.side)),
        tower=tower,
        connector=RegionsSpec(features=joint, width_out=spoken.width, raster=raster),
        sequence=PlainSequence(),
        language=spoken,
    )


def decoder(fields: Fields) -> SamDecoderSpec:
    """SAM's prompt encoder and mask decoder as ``SamConfig`` writes them."""
    found = fields.sub("mask_decoder_config", DECODER)
    return SamDecoderSpec(
        width=found.positive("hidden_size"),
        heads=found.positive("num_attention_heads"),
        middle=found.positive("mlp_dim"),
        depth=found.positive("num_hidden_layers"),
        rate=found.positive("attention_downsample_rate"),
        masks=found.positive("num_multimask_outputs"),
        estimate=found.positive("iou_head_hidden_dim"),
        estimate_depth=found.positive("iou_head_depth"),
        drawn=fields.sub("prompt_encoder_config").positive("mask_input_channels", default=16),
        waves=fields.sub("vision_config").positive("num_pos_feats", default=128),
    )


def _not_deepseek(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del made, media
    tower = path.tower
    assert isinstance(tower, ObjectTowerSpec)
    share = tower.masks.flops / tower.cost(Grid(tower.most + 1, 1)).flops
    return [
        "the survey's variant, which it takes for DeepSeek-OCR's; that makes no masks: plan deepseek-ocr",
        f"{share:.0%} of the tower's work finds masks; rows without a region cost what the others do",
        "print gets no masks of its own, so there is little to read it from",
    ]


OBJECT_CENTRIC = Family(
    build=object_centric,
    kind="reader",
    summary="masks of objects, one CLIP embedding each, spread over a raster of 144 tokens",
    stages="square → SAM's automatic masks → CLIP a masked crop → raster → splice → Llama",
    fidelity="survey",
    source="the survey's description; SAM, arXiv:2304.02643",
    options=(
        Option(name="regions", kind=int, help="regions at most, the whole picture apart"),
        Option(name="points", kind=int, help="points a side at which SAM is asked"),
    ),
    notes=_not_deepseek,
)
