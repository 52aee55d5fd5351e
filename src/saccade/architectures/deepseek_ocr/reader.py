"""DeepSeek-OCR and DeepSeek-OCR-2: a page and its tiles through SAM, a 16× convolution and a second transformer.

Law     v1: (side / 64)² tokens a view, a newline a row of the woven map, one separator: 73 to 421 slots a page without
        tiles. OCR-2: 144 a tile, 256 the whole, one separator.
Used by DeepSeek-OCR (second tower: CLIP-L), DeepSeek-OCR-2 (second: Qwen2's layers with learned queries).
Loses   what 64 pixels of a side cannot say in one vector; the aspect of tiles, and of Tiny and Small.
Source  arXiv:2510.18234, arXiv:2601.20552, the released code and weight shapes; transformers' ``deepseek_ocr2``.

OCR-2 is exact: a checkpoint gives the same logits as transformers' class, and answers are its greedy ones. v1 is
faithful: no class runs it, outputs are held to a transcription. Both sets of authors decode with no-repeat n-grams
(20 or 35 tokens, 30 in a window of 90 under vLLM), which is not applied here.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from saccade.architectures.deepseek_ocr.spec import pages
from saccade.specs.connectors.linear import LinearSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.canvas import PagesSpec
from saccade.specs.layouts.sequence import WovenSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.sam import SamSpec
from saccade.specs.towers.serial import CausalFlowSpec, ClipBodySpec, SerialSpec

TEMPLATE = "<image>\n{question}"
"""The question is the whole prompt: one of those that the authors trained with, or one's own."""
PROMPTS: dict[str, str] = {
    "text": "Free OCR.",
    "markdown": "<|grounding|>Convert the document to markdown.",
    "figure": "Parse the figure.",
    "caption": "Describe this image in detail.",
    "locate": "Locate <|ref|>{}<|/ref|> in the image.",
}
"""Tasks, and how DeepSeek-OCR is asked for them."""
ASSUMPTIONS = (
    "v1 pads a page by Pillow's rounding and begins a prompt with the start token, as its released code was remembered "
    "to do; neither could be run against it",
    "no-repeat n-grams, with which both sets of authors decode, are not applied",
    "the embedded `deepseek-16` is the compression alone: two halvings and a second transformer behind the family's "
    "own tower, one size of page, no newlines",
)
HELD = 2**22
"""Numbers of bias, and inside the feed-forward, that SAM's layers hold at once: 16 MiB, which a CPU's caches help with
and which an allocator gives again without asking the system.
"""


def deepseek_ocr(
    *, tower: SerialSpec, language: DecoderSpec, image_id: int, views: PagesSpec | None = None,
    opening: str | None = None,
) -> ReaderSpec:  # fmt: skip
    """Page → tiles and whole → ``tower`` → one matrix → splice with vectors → ``language``; Gundam unless told."""
    newlines = isinstance(tower.second, ClipBodySpec)
    sequence = WovenSequence(newlines=newlines)
    return ReaderSpec(
        views=views or (pages("gundam") if newlines else PagesSpec(base=1024, tile=768, most=6)),
        tower=replace(tower, sam=replace(tower.sam, held=HELD)),
        connector=LinearSpec(width_in=tower.width, width_out=language.width, vectors=sequence.vectors),
        sequence=sequence,
        language=language,
        template=TEMPLATE,
        image_id=image_id,
        opening=opening,
    )


def experts(
    *, width: int, middle: int, dense: int, depth: int, heads: int, experts: int, active: int, shared: int,
    vocabulary: int, context: int, end: int = 1, first: int = 1,
) -> DecoderSpec:  # fmt: skip
    """DeepSeek's language model: ``first`` layers with a ``dense`` feed-forward, then routed experts of ``middle``."""
    config = {
        "model_type": "deepseek_ocr2_text",
        "hidden_size": width,
        "intermediate_size": dense,
        "moe_intermediate_size": middle,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "n_routed_experts": experts,
        "n_shared_experts": shared,
        "num_experts_per_tok": active,
        "mlp_layer_types": ["dense"] * first + ["sparse"] * (depth - first),
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "tie_word_embeddings": False,
        "eos_token_id": end,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    return DecoderSpec(config=json.dumps(config))


def sam_base(channels: tuple[int, int]) -> SamSpec:
    """SAM-B at 1024 px."""
    return SamSpec(
        width=768, depth=12, heads=12, middle=3072, patch=16, side=1024, window=14, full=(2, 5, 8, 11), neck=256,
        channels=channels,
    )  # fmt: skip


def words() -> DecoderSpec:
    """The language model of both: 3 B parameters, of which 0.6 B run a token."""
    return experts(
        width=1280, middle=896, dense=6848, depth=12, heads=10, experts=64, active=6, shared=2, vocabulary=129_280,
        context=8192,
    )  # fmt: skip


def tiny() -> ReaderSpec:
    """Tiles of 2 × 2 tokens and a whole of 3 × 3; bytes 0 to 255, then the end marker and the placeholder."""
    sam = SamSpec(
        width=12, depth=2, heads=2, middle=20, patch=4, side=32, window=3, full=(1,), neck=6, channels=(8, 16)
    )  # fmt: skip
    return deepseek_ocr(
        tower=SerialSpec(sam=sam, second=ClipBodySpec(width=16, depth=2, heads=2, middle=24, places=4)),
        language=_tiny_words(),
        image_id=257,
        views=PagesSpec(base=48, tile=32, most=6, even=True),
    )


def tiny_2() -> ReaderSpec:
    """Tiles of 4 queries and a whole of 9."""
    made = tiny()
    assert isinstance(made.tower, SerialSpec)
    second = CausalFlowSpec(width=16, depth=2, heads=2, pairs=1, middle=24, queries=(4, 9))
    tower = replace(made.tower, second=second)
    return deepseek_ocr(tower=tower, language=_tiny_words(), image_id=257, views=PagesSpec(base=48, tile=32, most=6))


def _tiny_words() -> DecoderSpec:
    return experts(
        width=16, middle=12, dense=32, depth=2, heads=2, experts=4, active=2, shared=1, vocabulary=258, context=1024,
        end=256,
    )  # fmt: skip


def deepseek_ocr_3b() -> ReaderSpec:
    """DeepSeek-OCR as released, in Gundam mode with at most 9 tiles; ``seeing(pages(mode))`` for the others."""
    second = ClipBodySpec(width=1024, depth=24, heads=16, middle=4096, places=16)
    tower = SerialSpec(sam=sam_base((512, 1024)), second=second)
    return deepseek_ocr(tower=tower, language=words(), image_id=128_815)


def deepseek_ocr2_3b() -> ReaderSpec:
    """DeepSeek-OCR-2 as released."""
    second = CausalFlowSpec(width=896, depth=24, heads=14, pairs=2, middle=4864, queries=(144, 256))
    return deepseek_ocr(
        tower=SerialSpec(sam=sam_base((512, 896)), second=second), language=words(), image_id=128_815
    )  # fmt: skip


PRESETS: dict[str, Callable[[], ReaderSpec]] = {
    "tiny": tiny, "tiny-2": tiny_2, "3b": deepseek_ocr_3b, "2-3b": deepseek_ocr2_3b,
}  # fmt: skip
