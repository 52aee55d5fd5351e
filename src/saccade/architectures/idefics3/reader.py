"""Idefics3 and SmolVLM: square tiles and a global view, SigLIP patches folded by pixel shuffle, tagged by place.

Law     (tile / patch / ratio)² visual tokens a tile, tiles + 1 times; every tile adds two markers, every row a newline.
Used by Idefics3, SmolVLM, SmolVLM2.
Loses   the exact aspect; a thumbnail costs as much as a page of the same shape.
Source  arXiv:2408.12637, arXiv:2504.05299; sizes and ids from the released config and tokenizer of
        HuggingFaceTB/SmolVLM-256M-Instruct.

Faithful: tower, shuffle, connector and placeholder sequence equal ``transformers``' own in tests; pixels do not quite,
since each tile is resampled once from the picture here and twice there.
"""

import json
from collections.abc import Callable

from saccade.architectures.llava.reader import llama
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.sequence import TaggedSequence
from saccade.specs.layouts.tiles import TileSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

ASSUMPTIONS = (
    "each tile is resampled once from the picture; the published processor resizes twice",
    "smolvlm-256m: the id of two line breaks, one token, is unverified; counts do not depend on it",
)
TEMPLATE = "<|im_start|>User:<image>{question}<end_of_utterance>\nAssistant:"


def idefics(
    *,
    tower: HubTowerSpec,
    ratio: int,
    longest_edge: int,
    sequence: TaggedSequence,
    language: DecoderSpec,
    image_id: int,
) -> ReaderSpec:
    """Picture → tiles and global view → ``tower`` → pixel shuffle → splice with tags → ``language``."""
    return ReaderSpec(
        views=TileSpec(tile=tower.side, longest_edge=longest_edge),
        tower=tower,
        connector=PixelShuffleSpec(width_in=tower.width, width_out=language.width, ratio=ratio),
        sequence=sequence,
        language=language,
        template=TEMPLATE,
        image_id=image_id,
        resample="lanczos",
    )


def siglip(*, side: int, patch: int, width: int, depth: int, heads: int) -> HubTowerSpec:
    """A SigLIP tower, its last layer after the final norm."""
    config = {
        "model_type": "siglip_vision_model",
        "image_size": side,
        "patch_size": patch,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
    }
    return HubTowerSpec(config=json.dumps(config), final_norm=True)


def places(first: int, side: int) -> tuple[tuple[int, ...], ...]:
    """The ids of ``<row_r_col_c>`` for ``side`` rows and columns, in row order from ``first`` on."""
    return tuple(tuple(range(first + row * side, first + (row + 1) * side)) for row in range(side))


def tiny() -> ReaderSpec:
    """4 tokens a tile of 32 px, at most 2 × 2 tiles; bytes 0 to 255, then the markers."""
    newline = ord("\n")
    return idefics(
        tower=siglip(side=32, patch=8, width=16, depth=2, heads=2),
        ratio=2,
        longest_edge=64,
        sequence=TaggedSequence(
            edge=258, whole=259, newline=(newline,), gap=(newline, newline), places=places(first=260, side=2)
        ),
        language=llama(width=16, mlp=32, depth=2, heads=2, pairs=1, vocabulary=264, context=1024, end=256),
        image_id=257,
    )


def smolvlm_256m() -> ReaderSpec:
    """SmolVLM-256M-Instruct: SigLIP-B/16 at 512 px, 64 tokens a tile, SmolLM2-135M."""
    return idefics(
        tower=siglip(side=512, patch=16, width=768, depth=12, heads=12),
        ratio=4,
        longest_edge=2048,
        sequence=TaggedSequence(
            edge=49_189, whole=49_152, newline=(198,), gap=(1116,), places=places(first=49_153, side=6)
        ),
        language=llama(
            width=576,
            mlp=1536,
            depth=30,
            heads=9,
            pairs=3,
            vocabulary=49_280,
            context=8192,
            end=49_279,
            theta=100_000.0,
        ),
        image_id=49_190,
    )


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "smolvlm-256m": smolvlm_256m}
