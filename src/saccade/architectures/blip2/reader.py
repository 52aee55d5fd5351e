"""BLIP-2: learned queries read a frozen tower; what they found stands before a frozen language model.

Law     32 visual tokens a picture, whatever it shows: 257 patches become 32, 8 to 1.
Used by BLIP-2, and the many systems that took its Q-Former over.
Loses   what no query asks for, exact places first; the queries do not know the question.
Source  arXiv:2301.12597; sizes and ids from the released config (Salesforce/blip2-opt-2.7b) and its transformers class.

Exact: checkpoints that ``transformers`` saved give the same logits. Its class starts all queries at zero, from where
they cannot be trained apart; here they are drawn.
"""

import json
from collections.abc import Callable

from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD
from saccade.core.size import Size
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.layouts.sequence import FrontSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

TEMPLATE = "<image>Question: {question} Answer:"
SHORT_TEMPLATE = "<image>Question: {question} Short answer:"
"""As the authors ask: before OPT, and before FLAN-T5."""


def blip2(
    *, tower: HubTowerSpec, connector: QFormerSpec, language: DecoderSpec, image_id: int, template: str = TEMPLATE
) -> ReaderSpec:
    """Picture → one stretched square → ``tower`` → Q-Former → in front of the prompt → ``language``."""
    return ReaderSpec(
        views=StretchSpec(size=Size(tower.side, tower.side)),
        tower=tower,
        connector=connector,
        sequence=FrontSequence(),
        language=language,
        template=template,
        image_id=image_id,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def eva(
    *, side: int, patch: int, width: int, middle: int, depth: int, heads: int, kind: str = "blip_2_vision_model"
) -> HubTowerSpec:
    """An EVA-CLIP tower, class token kept, every position through the norm behind the last layer."""
    config = {
        "model_type": kind,
        "image_size": side,
        "patch_size": patch,
        "hidden_size": width,
        "intermediate_size": middle,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
        "qkv_bias": True,
    }
    return HubTowerSpec(config=json.dumps(config), keep_class=True, final_norm=True)


def vit_g(kind: str = "blip_2_vision_model") -> HubTowerSpec:
    """ViT-g/14 at 224 px without its last layer."""
    return eva(side=224, patch=14, width=1408, middle=6144, depth=39, heads=16, kind=kind)


def opt(*, width: int, middle: int, depth: int, heads: int, vocabulary: int, context: int, end: int) -> DecoderSpec:
    """An OPT language model; ``end`` is the id that ends an answer, BLIP-2's is a line break."""
    config = {
        "model_type": "opt",
        "hidden_size": width,
        "word_embed_proj_dim": width,
        "ffn_dim": middle,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        "eos_token_id": end,
        "bos_token_id": None,
        "pad_token_id": None,
        "tie_word_embeddings": True,
    }
    return DecoderSpec(config=json.dumps(config))


def tiny() -> ReaderSpec:
    """4 queries for a view of 28 px; bytes 0 to 255, then the end marker and the placeholder."""
    tower = eva(side=28, patch=7, width=16, middle=32, depth=2, heads=2)
    language = opt(width=16, middle=32, depth=2, heads=2, vocabulary=258, context=1024, end=256)
    return blip2(tower=tower, connector=few(), language=language, image_id=257)


def few(vocabulary: int = 0, positions: int = 512, text: int = 0) -> QFormerSpec:
    """A small Q-Former of 4 queries."""
    return QFormerSpec(
        width_in=16, width_out=16, queries=4, depth=2, width=16, heads=2, middle=32, vocabulary=vocabulary,
        positions=positions, text=text,
    )  # fmt: skip


def opt_27b() -> ReaderSpec:
    """BLIP-2 before OPT-2.7B, with the embeddings that were added for the placeholder."""
    language = opt(width=2560, middle=10_240, depth=32, heads=32, vocabulary=50_304, context=2048, end=50_118)
    connector = QFormerSpec(width_in=1408, width_out=language.width)
    return blip2(tower=vit_g(), connector=connector, language=language, image_id=50_265)


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "opt-2.7b": opt_27b}
