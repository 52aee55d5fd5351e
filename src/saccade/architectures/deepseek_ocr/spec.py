"""DeepSeek-OCR and DeepSeek-OCR-2: SAM's encoder, one patch in sixteen kept, a second transformer over those.

Source: DeepSeek-OCR, arXiv:2510.18234 and its code; DeepSeek-OCR-2, arXiv:2601.20552 and its transformers class.
"""

from collections.abc import Sequence

from saccade.core.errors import SaccadeError, unknown
from saccade.specs.connectors.linear import LinearSpec
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.hf_config.language import DEFAULTS, language
from saccade.specs.laws.layer import AttentionSpec, FeedForwardSpec
from saccade.specs.laws.path import Media, PathSpec
from saccade.specs.layouts.canvas import PagesSpec
from saccade.specs.layouts.sequence import WovenSequence
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option
from saccade.specs.towers.sam import SamSpec
from saccade.specs.towers.serial import CausalFlowSpec, ClipBodySpec, SerialSpec

MODES: dict[str, tuple[int, int, bool]] = {
    "tiny": (512, 0, True),
    "small": (640, 0, True),
    "base": (1024, 0, False),
    "large": (1280, 0, False),
    "gundam": (1024, 640, False),
    "gundam-m": (1280, 1024, False),
}
"""Side of the whole view, side of a tile (0: none), and whether the whole is stretched instead of padded."""

SAM: Json = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "patch_size": 16, "image_size": 1024,
    "window_size": 14, "global_attn_indexes": [2, 5, 8, 11], "output_channels": 256, "mlp_ratio": 4.0,
}  # fmt: skip


def sam(fields: Fields, channels: tuple[int, ...] = ()) -> SamSpec:
    """SAM's encoder by its JSON, halved to ``channels``."""
    fields = fields.like(SAM)
    width = fields.positive("hidden_size")
    return SamSpec(
        width=width,
        depth=fields.positive("num_hidden_layers"),
        heads=fields.positive("num_attention_heads"),
        middle=fields.number("intermediate_size", "mlp_dim", default=int(width * fields.real("mlp_ratio"))),
        patch=fields.side("patch_size"),
        side=fields.side("image_size"),
        window=fields.positive("window_size"),
        full=fields.numbers("global_attn_indexes"),
        neck=fields.positive("output_channels"),
        channels=channels,
    )


def _channels(fields: Fields, default: tuple[int, int]) -> tuple[int, int]:
    found = fields.numbers("downsample_channels") or default
    if len(found) != 2:
        raise SaccadeError(f"{fields.place} needs 2 numbers in 'downsample_channels', got {len(found)}")
    return found[0], found[1]


def deepseek_ocr(made: Checkpoint) -> PathSpec:
    """SAM's map and CLIP's side by side; a newline after every row."""
    vision, text = made.config.sub("vision_config"), made.config.sub("text_config")
    sam_fields, clip = vision.sub("sam_config"), vision.sub("clip_config")
    encoder = sam(sam_fields, _channels(sam_fields, (512, 1024)))
    width, patch = clip.positive("hidden_size"), clip.side("patch_size")
    second = ClipBodySpec(
        width=width,
        depth=clip.positive("num_hidden_layers"),
        heads=clip.positive("num_attention_heads"),
        middle=clip.positive("intermediate_size"),
        places=clip.side("image_size") // patch,
        unused=3 * patch**2 * width,
    )
    tower = SerialSpec(sam=encoder, second=second)
    spoken = language(text, "deepseek_ocr2_text", tied=made.config.flag("tie_word_embeddings"))
    most = made.whole("max_tiles", made.processor.positive("max_crops", default=9))
    return PathSpec(
        views=pages(made.choice("mode", "gundam"), most),
        tower=tower,
        connector=LinearSpec(width_in=tower.width, width_out=spoken.width, vectors=2),
        sequence=WovenSequence(),
        language=spoken,
    )


def pages(mode: str, most: int = 9) -> PagesSpec:
    """How DeepSeek-OCR looks at a picture in ``mode``, cut into ``most`` tiles at most where it cuts at all."""
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    base, tile, stretched = MODES[mode]
    return PagesSpec(base=base, tile=tile, least=min(2, most), most=most, stretched=stretched, even=True)


def deepseek_ocr2(made: Checkpoint) -> PathSpec:
    """A language model's layers as second tower: as many learned queries as tokens, read causally."""
    vision, text = made.config.sub("vision_config"), made.config.sub("text_config")
    sam_fields = vision.sub("sam_config")
    encoder = sam(sam_fields, _channels(sam_fields, (512, 896)))
    inner = language(vision.sub("encoder_config").like(DEFAULTS["qwen2"]), "qwen2")
    ((depth, layer),) = inner.layers
    assert isinstance(layer.attention, AttentionSpec)
    assert isinstance(layer.feed, FeedForwardSpec)
    tile = made.processor.positive("tile_size", default=768)
    base = made.processor.sub("size", {"height": 1024}).positive("height")
    second = CausalFlowSpec(
        width=inner.width,
        depth=depth,
        heads=layer.attention.heads,
        pairs=layer.attention.kv_heads,
        middle=layer.feed.middle,
        queries=tuple((side // encoder.reduction) ** 2 for side in (tile, base)),
    )
    tower = SerialSpec(sam=encoder, second=second)
    spoken = language(text, text.text("model_type", "deepseek_ocr2_text"), tied=made.config.flag("tie_word_embeddings"))
    crop = made.switch("crop", made.processor.flag("crop_to_patches", True))
    most = made.whole("max_tiles", made.processor.positive("max_patches", default=6))
    least = min(most, made.processor.positive("min_patches", default=2))
    return PathSpec(
        # Without tiles the whole is shown at a tile's size: what its processor does.
        views=PagesSpec(base=base, tile=tile, least=least, most=most) if crop else PagesSpec(base=tile),
        tower=tower,
        connector=LinearSpec(width_in=tower.width, width_out=spoken.width, vectors=1),
        sequence=WovenSequence(newlines=False),
        language=spoken,
    )


def _counter(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    if made.switch("crop", made.processor.flag("crop_to_patches", True)):
        return []
    plan = path.plan(media, 0)
    return [
        f"transformers' own formula says 257 positions a picture without tiles, its processor feeds the encoder a view "
        f"that makes {plan.slots // len(media)}, as counted here: the two do not match, and the model refuses them"
    ]


def _merged(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del path, media
    if made.choice("mode", "gundam") != "gundam-m":
        return []
    return ["Gundam-M was trained by the authors and is not among the open checkpoint's modes"]


TILES = Option(name="max_tiles", kind=int, help="tiles at most, the whole page apart")

DEEPSEEK_OCR = Family(
    build=deepseek_ocr,
    kind="reader",
    summary="SAM's encoder, 16× fewer patches, CLIP over those; six modes from 64 tokens a page",
    stages="pages and tiles → SAM → 16× convolution → CLIP → linear → splice with newlines → DeepSeek MoE",
    fidelity="faithful",
    source="DeepSeek-OCR, arXiv:2510.18234",
    options=(Option(name="mode", kind=str, help="size of the page and of tiles", choices=tuple(MODES)), TILES),
    knobs=(Knob(option="mode", values=lambda made, media: tuple(MODES)[:5]),),
    notes=_merged,
)
DEEPSEEK_OCR2 = Family(
    build=deepseek_ocr2,
    kind="reader",
    summary="DeepSeek-OCR with learned queries that a language model's layers read causally",
    stages="pages and tiles → SAM → 16× convolution → Qwen2 with queries → linear → splice → DeepSeek MoE",
    fidelity="exact",
    source="DeepSeek-OCR-2, arXiv:2601.20552",
    options=(Option(name="crop", kind=bool, help="cut large pages into tiles"), TILES),
    knobs=(Knob(option="max_tiles", values=lambda made, media: range(2, made.processor.positive("max_patches") + 1)),),
    notes=_counter,
)
