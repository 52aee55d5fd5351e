"""LLaVA-UHD v2: slices and an overview, 144 tokens each, condensed from windows of an inverse pyramid.

Law     144 × (slices + 1) visual tokens, and one separator a slice; an uncut picture has the overview alone.
Used by LLaVA-UHD v2 (levels 1, 2 and 4 in the paper; 1 and 4 in the released Qwen2-7B and Vicuna-13B).
Loses   what lies beside a query's window or between its places; detail beyond seven slices of 336² pixels. It makes no
        fewer tokens than LLaVA-UHD 144: finer levels cost FLOPs, and are read from the view's pixels, not from a larger
        view.
Source  arXiv:2412.13871; branch LLaVA-UHD-v2 of thunlp/LLaVA-UHD. At most 7 slices in training, 9 in the released
        evaluation scripts: ``max_slices``.

Faithful: held to formulas that were written down from the released code, which does not run here. Assumed: all in
single precision, where the released code rounds to bfloat16 between its steps; no dropout; no level of 8, which the
released code builds and never runs; token maps are not stitched to one map ("spatially consistent organisation" is
switched off in the released forward).
"""

import json
from collections.abc import Callable

from saccade.architectures.llava.reader import clip, clip_large, llama
from saccade.architectures.llava_uhd.reader import TEMPLATE
from saccade.architectures.llava_uhd.reader_144 import MAX_SLICES, sliced, vicuna_13b
from saccade.specs.connectors.hiwin import HiwinSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.reader import ReaderSpec

CHATML = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\n{question}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
"""One turn in Qwen's form."""
ASSUMPTIONS = (
    "single precision throughout; the released code rounds windows, maps and kernels to bfloat16 between its steps",
    "one separator after every slice, by the ids 29892 and 13, the overview last",
    "levels of 1, 2 and 4: the released code builds one of 8 and never runs it",
)


def tiny() -> ReaderSpec:
    """9 queries for views of about 56² pixels; bytes 0 to 255, then the end marker and the placeholder."""
    tower = clip(side=56, patch=7, width=16, depth=3, heads=2)
    return sliced(
        tower=tower,
        connector=HiwinSpec(width_in=tower.width, width_out=16, heads=2, queries=9, levels=(1, 2, 4), keys=8),
        language=llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256),
        image_id=257,
        comma=ord(","),
        newline=ord("\n"),
    )


def published(
    language: DecoderSpec, levels: tuple[int, ...], *, max_slices: int = MAX_SLICES, template: str = TEMPLATE
) -> ReaderSpec:
    """CLIP-ViT-L/14 at 336 px, heads of 128 channels, before ``language``."""
    tower, width = clip_large(), language.width
    return sliced(
        tower=tower,
        connector=HiwinSpec(width_in=tower.width, width_out=width, heads=width // 128, levels=levels),
        language=language,
        image_id=language.vocabulary,
        max_slices=max_slices,
        template=template,
    )


def vicuna_7b() -> DecoderSpec:
    """Vicuna-7B v1.5 as published, without extra embeddings."""
    return llama(width=4096, mlp=11_008, depth=32, heads=32, vocabulary=32_000, context=4096)


def qwen2_7b() -> DecoderSpec:
    """Qwen2-7B; its sizes are the public ones, not seen in a file of this checkpoint."""
    config = {
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152_064,
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
        "tie_word_embeddings": False,
        "eos_token_id": 151_645,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    return DecoderSpec(config=json.dumps(config))


PRESETS: dict[str, Callable[[], ReaderSpec]] = {
    "tiny": tiny,
    "v2-7b": lambda: published(vicuna_7b(), (1, 2, 4)),
    "v2-7b-9-slices": lambda: published(vicuna_7b(), (1, 2, 4), max_slices=9),
    "v2-13b": lambda: published(vicuna_13b(), (1, 4)),
    "v2-qwen2-7b": lambda: published(qwen2_7b(), (1, 4), template=CHATML),
}
