"""Tiny IDEFICS checkpoints as they lie on disk, with random weights, and transformers' own answers on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import IdeficsConfig, IdeficsForVisionText2Text, IdeficsImageProcessorPil, IdeficsProcessor

from tests.architectures.llava.folders import tokenizer
from tests.parts import picture, shake

Item = str | Image.Image
END, IMAGE, EDGE, OVER = 257, 260, 261, 262
"""Ids of </s>, <image>, <fake_token_around_image>, <end_of_utterance>."""
VISION = {
    "embed_dim": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 7,
    "hidden_act": "gelu",
}
LATENTS = {
    "use_resampler": True,
    "resampler_n_latents": 3,
    "resampler_depth": 2,
    "resampler_n_heads": 3,
    "resampler_head_dim": 4,
}


def checkpoint(
    folder: Path, *, instructed: bool = False, image: dict[str, Any] | None = None,
    vision: dict[str, Any] | None = None, latents: dict[str, Any] | None = None, **options: Any,
) -> tuple[IdeficsForVisionText2Text, IdeficsProcessor]:  # fmt: skip
    """An IDEFICS saved by transformers; ``options`` go to its config."""
    options = {"use_resampler": True, "additional_vocab_size": 2, "qk_layer_norms": True, **options}
    rows = 263 if instructed else 262
    config = IdeficsConfig(
        vision_config={**VISION, **(vision or {})},
        perceiver_config={**LATENTS, "qk_layer_norms_perceiver": True, **(latents or {})},
        **{
            "vocab_size": rows - options["additional_vocab_size"],
            "hidden_size": 16,
            "intermediate_size": 20,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
            "initializer_range": 0.1,
            "bos_token_id": 256,
            "eos_token_id": END,
            "pad_token_id": 258,
            "cross_layer_interval": 2,
            **options,
        },
    )
    model = IdeficsForVisionText2Text(config).eval()
    shake(model)
    model.save_pretrained(folder)
    words = tokenizer(["<fake_token_around_image>", *(["<end_of_utterance>"] if instructed else [])])
    processor = IdeficsProcessor(IdeficsImageProcessorPil(**(image or {"image_size": 28})), words)
    processor.save_pretrained(folder)
    return model, processor


def inputs(processor: IdeficsProcessor, rows: Sequence[Sequence[Item]]) -> dict[str, Tensor]:
    """What their processor makes of texts and pictures in turn, a list a row."""
    return dict(processor(text=[list(row) for row in rows], return_tensors="pt"))


def theirs(
    model: IdeficsForVisionText2Text, processor: IdeficsProcessor, rows: Sequence[Sequence[Item]]
) -> list[Tensor]:
    """transformers' logits over each expanded prompt, padding cut off."""
    given = inputs(processor, rows)
    with torch.inference_mode():
        scores = model(**given).logits
    return [row[mask.bool()] for row, mask in zip(scores, given["attention_mask"], strict=True)]


def ours(row: Sequence[Item]) -> tuple[list[Image.Image], str]:
    """The same row as pictures and a prompt with placeholders."""
    images = [item for item in row if isinstance(item, Image.Image)]
    return images, "".join(item if isinstance(item, str) else "<image>" for item in row)


def rows() -> list[list[Item]]:
    """One picture; several between text; two side by side; text first; none."""
    one, two, three = picture(40, 30), picture(31, 67), picture(28, 28)
    return [
        [one, "what is it?"],
        ["User: ", one, "a cat.\nUser:", two, " and this? ", three, "both?\nAssistant:"],
        ["compare", two, three, "which is larger?"],
        ["a long text stands before the only picture", one, "."],
        ["no picture at all"],
        ["one document", one, "ends here</s>another has", two, "too</s>and the last has none"],
    ]
