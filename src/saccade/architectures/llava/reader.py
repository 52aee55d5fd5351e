"""LLaVA-1.5: one square view, CLIP patches, a two-layer MLP, all of them spliced into the prompt.

Law     (side / patch)² visual tokens for every picture: 576 for 336 px and 14 px patches.
Used by LLaVA-1.5, and as the base that most other readers are compared with.
Loses   what is smaller than a view pixel; padding to a square spends tokens on empty canvas.
Source  arXiv:2310.03744; sizes from the released configs (openai/clip-vit-large-patch14-336, lmsys/vicuna-*-v1.5,
        llava-hf/llava-1.5-*-hf).

Exact: a checkpoint that ``transformers`` saved gives the same logits. Assumed: the presets pad to a square as the
authors do; the processor that comes with the converted checkpoints crops, and loading one follows its files.
"""

import json
from collections.abc import Callable

from saccade.core.size import Size
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.resize import PadSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
TEMPLATE = "USER: <image>\n{question} ASSISTANT:"
"""One turn as LLaVA-1.5 was trained on it, without the system prompt that some of its tools put in front."""


def llava(*, tower: HubTowerSpec, language: DecoderSpec, image_id: int, template: str = TEMPLATE) -> ReaderSpec:
    """Picture → one padded square → ``tower`` → MLP → splice → ``language``."""
    return ReaderSpec(
        views=PadSpec(size=Size(tower.side, tower.side)),
        tower=tower,
        connector=MlpSpec(width_in=tower.width, width_out=language.width, extra=tower.extra),
        sequence=PlainSequence(),
        language=language,
        template=template,
        image_id=image_id,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def clip(*, side: int, patch: int, width: int, depth: int, heads: int, layers: tuple[int, ...] = (-2,)) -> HubTowerSpec:
    """A CLIP tower with its class token dropped; ``layers`` as in ``HubTowerSpec``."""
    config = {
        "model_type": "clip_vision_model",
        "image_size": side,
        "patch_size": patch,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    }
    return HubTowerSpec(config=json.dumps(config), layers=layers)


def llama(
    *, width: int, mlp: int, depth: int, heads: int, vocabulary: int, context: int, end: int = 2,
    pairs: int | None = None, theta: float = 10_000.0,
) -> DecoderSpec:  # fmt: skip
    """A Llama language model with separate input and output embeddings; ``pairs`` key-value heads, ``end`` token id."""
    config = {
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": mlp,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "num_key_value_heads": heads if pairs is None else pairs,
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "tie_word_embeddings": False,
        "eos_token_id": end,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    return DecoderSpec(config=json.dumps(config))


def tiny() -> ReaderSpec:
    """16 tokens from a 28 px view; bytes 0 to 255, then the end marker and the placeholder."""
    tower = clip(side=28, patch=7, width=16, depth=3, heads=2)
    language = llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256)
    return llava(tower=tower, language=language, image_id=257)


def llava_7b() -> ReaderSpec:
    """LLaVA-1.5-7B: CLIP-ViT-L/14 at 336 px, Vicuna-7B."""
    return llava(tower=clip_large(), language=vicuna_7b(), image_id=32_000)


def llava_13b() -> ReaderSpec:
    """LLaVA-1.5-13B: CLIP-ViT-L/14 at 336 px, Vicuna-13B."""
    return llava(tower=clip_large(), language=vicuna_13b(), image_id=32_000)


def clip_large() -> HubTowerSpec:
    """CLIP-ViT-L/14 at 336 px, its second to last layer."""
    return clip(side=336, patch=14, width=1024, depth=24, heads=16)


def vicuna_7b() -> DecoderSpec:
    """Vicuna-7B v1.5 with the 64 extra embeddings of the converted checkpoints."""
    return llama(width=4096, mlp=11_008, depth=32, heads=32, vocabulary=32_064, context=4096)


def vicuna_13b() -> DecoderSpec:
    """Vicuna-13B v1.5 with the 64 extra embeddings of the converted checkpoints."""
    return llama(width=5120, mlp=13_824, depth=40, heads=40, vocabulary=32_064, context=4096)


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "1.5-7b": llava_7b, "1.5-13b": llava_13b}
