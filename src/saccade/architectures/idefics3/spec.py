"""Idefics2: native shapes and 64 latents. Idefics3 and SmolVLM: square tiles folded by pixel shuffle.

Source: Idefics2, arXiv:2405.02246; Idefics3, arXiv:2408.12637; SmolVLM, arXiv:2504.05299; the transformers classes.
"""

from collections.abc import Sequence

from saccade.core.size import Size
from saccade.specs.connectors.fold import FoldSpec
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import language
from saccade.specs.laws.path import Media, PathSpec, VideoPath
from saccade.specs.layouts.crops import QuartersSpec
from saccade.specs.layouts.frames import SameFramesSpec, SampleSpec
from saccade.specs.layouts.markers import MarkedSequence, TaggedCount
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.layouts.tiles import TileSpec
from saccade.specs.planner.system import Checkpoint, Family, Knob, Option


def idefics2(made: Checkpoint) -> PathSpec:
    """Four quarters and the whole (or the whole alone), 64 latents each."""
    config = made.config
    tower = towers.siglip(config.sub("vision_config"), defaults={**towers.SIGLIP, "patch_size": 32})
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "mistral"), tied=config.flag("tie_word_embeddings"))
    latent = config.sub("perceiver_config", {
        "resampler_n_latents": 64, "resampler_depth": 3, "resampler_n_heads": 16, "resampler_head_dim": 96,
        "num_key_value_heads": 4,
    })  # fmt: skip
    width = spoken.width
    connector = LatentsSpec(
        width_in=tower.width,
        width_out=width,
        latents=latent.positive("resampler_n_latents"),
        depth=latent.positive("resampler_depth"),
        heads=latent.positive("resampler_n_heads"),
        head=latent.positive("resampler_head_dim"),
        kv_heads=latent.positive("num_key_value_heads"),
        middle=4 * width,
        act="silu",
        gated=True,
        norm="rms",
        eps=1e-6,
        front=text.positive("intermediate_size", default=14_336),
    )
    size = made.processor.sub("size", {"shortest_edge": 378, "longest_edge": 980})
    return PathSpec(
        views=QuartersSpec(
            low=size.positive("shortest_edge"),
            high=made.whole("longest_edge", size.positive("longest_edge")),
            split=made.switch("split", made.processor.flag("do_image_splitting")),
        ),
        tower=tower,
        connector=connector,
        sequence=MarkedSequence(each=1, whole=1),
        language=spoken,
    )


def idefics3(made: Checkpoint) -> PathSpec:
    """Tiles and a global view, each folded to a fixed number of tokens."""
    config = made.config
    vision = config.sub("vision_config", towers.SMOLVLM if config.text("model_type") == "smolvlm" else towers.IDEFICS3)
    tower = towers.siglip(vision, defaults=vision.defaults or {})
    text = config.sub("text_config")
    spoken = language(text, text.text("model_type", "llama"), tied=config.flag("tie_word_embeddings"))
    ratio = config.positive("scale_factor", default=2)
    tile = _longest(made.processor, "max_image_size", 364)
    square = Size(tile, tile)
    whole = StretchSpec(size=square)
    edge = made.whole("longest_edge", _longest(made.processor, "size", 4 * 364))
    split = made.switch("split", made.processor.flag("do_image_splitting", True))
    return PathSpec(
        views=TileSpec(tile=tile, longest_edge=edge) if split else whole,
        tower=tower,
        connector=FoldSpec(width_in=tower.width, widths=(spoken.width,), ratio=ratio, bias=False),
        sequence=TaggedCount(),
        language=spoken,
        video=_video(made, whole),
    )


def _longest(processor: Fields, name: str, default: int) -> int:
    return processor.sub(name, {"longest_edge": default}).positive("longest_edge")


def _video(made: Checkpoint, whole: StretchSpec) -> VideoPath | None:
    """SmolVLM2: frames stretched to one tile each; the clock between them is text."""
    if not made.processor.has("video_sampling"):
        return None
    given = made.processor.sub("video_sampling")
    sample = SampleSpec(
        fps=made.rate("sample_fps", given.real("fps")),
        least=1,
        most=made.whole("max_frames", given.positive("max_frames")),
        nearest=True,
    )
    return VideoPath(sampling=SameFramesSpec(sample=sample, views=whole), sequence=MarkedSequence(each=3))


def _edges(made: Checkpoint, media: Sequence[Media]) -> list[int]:
    """Whole tiles along the long side, one to as many as the checkpoint was made for."""
    del media
    tile, edge = _longest(made.processor, "max_image_size", 364), _longest(made.processor, "size", 4 * 364)
    return [tile * count for count in range(1, edge // tile + 1)]


def _uneven(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    """Where transformers' counter and its processor part."""
    del made, media
    if not isinstance(path.views, TileSpec) or path.views.longest_edge % path.views.tile == 0:
        return []
    return [
        f"at a longest edge of {path.views.longest_edge}, no multiple of the {path.views.tile} px tile, transformers' "
        "own counter disagrees with its processor; the processor is followed here"
    ]


SPLIT = Option(name="split", kind=bool, help="cut the picture into tiles (true) or show it once (false)")
EDGE = Option(name="longest_edge", kind=int, help="pixels of the long side after resizing")

IDEFICS2 = Family(
    build=idefics2,
    kind="reader",
    summary="the picture in its own shape, with or without its four quarters, 64 latents each",
    stages="native shape → SigLIP → Perceiver resampler → splice → Mistral",
    fidelity="exact",
    source="Idefics2, arXiv:2405.02246",
    options=(SPLIT, EDGE),
    knobs=(Knob(option="split", values=lambda made, media: (False, True)),),
)
IDEFICS3 = Family(
    build=idefics3,
    kind="reader",
    summary="square tiles and a global view, SigLIP patches folded by pixel shuffle",
    stages="tiles → SigLIP → pixel shuffle → splice with markers → Llama",
    fidelity="exact",
    source="Idefics3, arXiv:2408.12637; SmolVLM, arXiv:2504.05299",
    options=(SPLIT, EDGE),
    knobs=(Knob(option="longest_edge", values=_edges),),
    notes=_uneven,
)
SMOLVLM = Family(
    build=idefics3,
    kind="reader",
    summary="small Idefics3 with stronger folding, and videos a tile a frame",
    stages="tiles or frames → SigLIP → pixel shuffle → splice with markers → SmolLM2",
    fidelity="exact",
    source="SmolVLM, arXiv:2504.05299",
    options=(
        SPLIT,
        EDGE,
        Option(name="sample_fps", kind=float, help="frames a second that are sampled"),
        Option(name="max_frames", kind=int, help="frames at most"),
    ),
    knobs=(
        Knob(option="longest_edge", values=_edges),
        Knob(option="max_frames", values=lambda made, media: range(1, 65)),
    ),
    notes=_uneven,
)
