"""InstructBLIP: BLIP-2 whose queries read the instruction beside the picture, and find what it asks for.

Law     32 visual tokens a picture, whatever it shows; they are others for every instruction.
Used by InstructBLIP, before Vicuna and FLAN-T5.
Loses   what neither a query nor the instruction asks for, exact places first; no token serves a second
        question.
Source  arXiv:2305.06500; sizes and ids from the released config (Salesforce/instructblip-vicuna-7b) and its
        transformers class.

Exact: checkpoints that ``transformers`` saved give the same logits. In a batch, its processor pads instructions on the
side that the language model wants, which moves the words of the shorter ones; here padding changes nothing.
"""

from collections.abc import Callable

from saccade.architectures.blip2.reader import blip2, eva, few, vit_g
from saccade.architectures.llava.reader import llama
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.reader import ReaderSpec

TEMPLATE = "<image>{question}"


def tiny() -> ReaderSpec:
    """4 queries that read bytes of instruction, for a view of 28 px, before a Llama."""
    tower = eva(side=28, patch=7, width=16, middle=32, depth=2, heads=2, kind="instructblip_vision_model")
    language = llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256)
    return blip2(
        tower=tower, connector=few(vocabulary=258, positions=1024, text=8), language=language, image_id=257,
        template=TEMPLATE,
    )  # fmt: skip


def vicuna_7b() -> ReaderSpec:
    """InstructBLIP before Vicuna-7B; the placeholder's id lies behind its vocabulary of 32,001, since it has none."""
    language = llama(width=4096, mlp=11_008, depth=32, heads=32, vocabulary=32_001, context=2048)
    connector = QFormerSpec(width_in=1408, width_out=language.width, vocabulary=30_523, text=32)
    tower = vit_g("instructblip_vision_model")
    return blip2(tower=tower, connector=connector, language=language, image_id=32_001, template=TEMPLATE)


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "vicuna-7b": vicuna_7b}
