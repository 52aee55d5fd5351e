"""BLIP-2 and InstructBLIP; Flamingo's kin OpenFlamingo and IDEFICS: one stretched or cropped view, learned queries.

Source: BLIP-2, arXiv:2301.12597; InstructBLIP, arXiv:2305.06500; Flamingo, arXiv:2204.14198; OpenFlamingo's code; the
transformers classes.
"""

from collections.abc import Sequence
from dataclasses import replace

from saccade.core.size import Size
from saccade.specs import vision as towers
from saccade.specs.dialects import DEFAULTS, language
from saccade.specs.families.llava import one_view, sized
from saccade.specs.fields import Fields, Json
from saccade.specs.language import LanguageSpec
from saccade.specs.latents import LatentsSpec
from saccade.specs.layer import AttentionSpec, FeedForwardSpec, LayerSpec
from saccade.specs.markers import MarkedSequence, PlaceholderSequence
from saccade.specs.path import Media, PathSpec
from saccade.specs.qformer import QFormerSpec
from saccade.specs.resize import StretchSpec
from saccade.specs.system import Checkpoint, Family, Option

QFORMER: Json = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "cross_attention_frequency": 2, "encoder_hidden_size": 1408, "vocab_size": 30_522, "max_position_embeddings": 512,
}  # fmt: skip


def _qformer(fields: Fields, queries: int, width_out: int, *, text: int, texted: bool) -> QFormerSpec:
    fields = fields.like(QFORMER)
    width, heads, middle = (
        fields.positive(name) for name in ("hidden_size", "num_attention_heads", "intermediate_size")
    )
    words, positions = fields.positive("vocab_size"), fields.positive("max_position_embeddings")
    return QFormerSpec(
        width_in=fields.positive("encoder_hidden_size"),
        width_out=width_out,
        queries=queries,
        depth=fields.positive("num_hidden_layers"),
        width=width,
        heads=heads,
        middle=middle,
        every=fields.positive("cross_attention_frequency"),
        vocabulary=words if texted else 0,
        positions=positions,
        text=text,
        lean=False,
    )


def blip2(made: Checkpoint) -> PathSpec:
    """32 queries, the question unseen."""
    text = made.config.sub("text_config")
    spoken = language(text, text.text("model_type", "opt"), tied=text.flag("tie_word_embeddings", True))
    return PathSpec(
        views=StretchSpec(size=sized(made.processor)),
        tower=towers.eva(made.config.sub("vision_config")),
        connector=_qformer(
            made.config.sub("qformer_config"), made.config.positive("num_query_tokens", default=32), spoken.width,
            text=0, texted=False,
        ),
        sequence=MarkedSequence(),
        language=spoken,
    )  # fmt: skip


def instructblip(made: Checkpoint) -> PathSpec:
    """32 queries that read the instruction too."""
    text = made.config.sub("text_config")
    spoken = language(text, text.text("model_type", "llama"), tied=text.flag("tie_word_embeddings"))
    return PathSpec(
        views=StretchSpec(size=sized(made.processor)),
        tower=towers.eva(made.config.sub("vision_config")),
        connector=_qformer(
            made.config.sub("qformer_config").like({**QFORMER, "vocab_size": 30_523}),
            made.config.positive("num_query_tokens", default=32), spoken.width,
            text=made.whole("instruction", 32), texted=True,
        ),
        sequence=MarkedSequence(),
        language=spoken,
    )  # fmt: skip


def open_flamingo(made: Checkpoint) -> PathSpec:
    """64 latents a picture, read by gated cross-attention before every few layers of a frozen language model."""
    config = made.config
    tower = towers.clip(config.sub("vision_config"))
    text, latent, crossed = config.sub("text_config"), config.sub("perceiver_config"), config.sub("xattn_config")
    spoken = language(text, text.text("model_type"), tied=text.flag("tie_word_embeddings", True))
    width, heads, head = tower.width, latent.positive("heads"), latent.positive("dim_head")
    connector = LatentsSpec(
        width_in=width,
        width_out=width,
        latents=latent.positive("num_latents"),
        depth=latent.positive("depth"),
        heads=heads,
        head=head,
        middle=width * latent.positive("ff_mult"),
    )
    cross = LayerSpec(
        attention=AttentionSpec(
            width=spoken.width,
            heads=crossed.positive("heads"),
            head=crossed.positive("dim_head"),
            kv_heads=crossed.positive("heads"),
            source=width,
        ),
        feed=FeedForwardSpec(width=spoken.width, middle=spoken.width * crossed.positive("ff_mult")),
        norms=4 * spoken.width + 2,
    )
    count = spoken.depth // config.positive("cross_attn_every_n_layers")
    return PathSpec(
        views=one_view(made.processor),
        tower=tower,
        connector=connector,
        sequence=PlaceholderSequence(count=1),
        language=replace(spoken, cross=(count, cross)),
        cross=True,
    )


def idefics(made: Checkpoint) -> PathSpec:
    """Flamingo rebuilt over Llama: latents, and gated layers whose feed-forward is the language model's."""
    config = made.config.like({**DEFAULTS["llama"], "additional_vocab_size": 0, "cross_layer_interval": 1})
    tower = towers.idefics(config.sub("vision_config"))
    latent = config.sub("perceiver_config", {
        "resampler_n_latents": 64, "resampler_depth": 6, "resampler_n_heads": 16, "resampler_head_dim": 96,
    })  # fmt: skip
    width, heads, head = tower.width, latent.positive("resampler_n_heads"), latent.positive("resampler_head_dim")
    connector = LatentsSpec(
        width_in=width,
        width_out=width,
        latents=latent.positive("resampler_n_latents"),
        depth=latent.positive("resampler_depth"),
        heads=heads,
        head=head,
        middle=4 * width,
        act="relu",
        qk_norm=latent.flag("qk_layer_norms_perceiver"),
        extra=1,
    )
    spoken = _idefics_language(config)
    size = config.sub("vision_config", towers.IDEFICS).side("image_size")
    side = made.processor.positive("image_size", default=size)
    return PathSpec(
        views=StretchSpec(size=Size(side, side)),
        tower=tower,
        connector=connector,
        sequence=PlaceholderSequence(count=3),
        language=replace(spoken, cross=_idefics_cross(config, spoken, width)),
        cross=True,
    )


def _idefics_language(config: Fields) -> LanguageSpec:
    """Llama with a second table and head for the few tokens that were added."""
    spoken = language(config, "llama", tied=config.flag("tie_word_embeddings"))
    added = config.number("additional_vocab_size")
    return replace(spoken, vocabulary=spoken.vocabulary + added, held=spoken.held + added * spoken.width)


def _idefics_cross(config: Fields, spoken: LanguageSpec, source: int) -> tuple[int, LayerSpec]:
    (_, layer), *_ = spoken.layers
    heads = config.positive("num_attention_heads")
    head = spoken.width // heads
    attention = AttentionSpec(width=spoken.width, heads=heads, head=head, kv_heads=heads, source=source)
    gates = 2 if config.text("alpha_type", "float") == "float" else 2 * spoken.width
    norms = 2 * spoken.width + gates + (2 * head if config.flag("qk_layer_norms") else 0)
    every = config.positive("cross_layer_interval")
    return -(-spoken.depth // every), LayerSpec(attention=attention, feed=layer.feed, norms=norms)


def _reprojected(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    del made, path, media
    return [
        "a token's cost holds with keys and values of the pictures cached; the published code makes them again for "
        "every token"
    ]


INSTRUCTION = Option(name="instruction", kind=int, help="positions of the instruction in the Q-Former (32 unless set)")

BLIP2 = Family(
    build=blip2,
    kind="reader",
    summary="32 learned queries compress EVA-CLIP's patches for a frozen language model",
    stages="stretch → EVA-CLIP ViT-g → Q-Former → splice → OPT",
    fidelity="exact",
    source="BLIP-2, arXiv:2301.12597",
)
INSTRUCTBLIP = Family(
    build=instructblip,
    kind="reader",
    summary="BLIP-2 whose queries read the instruction",
    stages="stretch → EVA-CLIP ViT-g → Q-Former with instruction → splice → Vicuna",
    fidelity="exact",
    source="InstructBLIP, arXiv:2305.06500",
    options=(INSTRUCTION,),
)
OPEN_FLAMINGO = Family(
    build=open_flamingo,
    kind="reader",
    summary="64 latents a picture, read by gated cross-attention; one position a picture in the sequence",
    stages="crop → CLIP ViT → Perceiver resampler → gated cross-attention → MPT",
    fidelity="faithful",
    source="Flamingo, arXiv:2204.14198; OpenFlamingo, arXiv:2308.01390",
    notes=_reprojected,
)
IDEFICS = Family(
    build=idefics,
    kind="reader",
    summary="Flamingo rebuilt over Llama: 64 latents a picture, three positions in the sequence",
    stages="stretch → CLIP ViT-H → Perceiver resampler → gated cross-attention → Llama",
    fidelity="exact",
    source="IDEFICS, as in its transformers class; after arXiv:2204.14198",
    notes=_reprojected,
)
