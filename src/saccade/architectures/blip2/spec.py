"""BLIP-2 and InstructBLIP: one stretched view, a Q-Former whose 32 queries read all patches.

Source: BLIP-2, arXiv:2301.12597; InstructBLIP, arXiv:2305.06500; the transformers classes.
"""

from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields, Json
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import sized
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.markers import MarkedSequence
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.planner.system import Checkpoint, Family, Option

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
