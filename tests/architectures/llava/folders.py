"""Tiny LLaVA checkpoints as they lie on disk, with random weights, and transformers' own answers on them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from transformers import (
    AutoConfig,
    CLIPImageProcessorPil,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
)

from saccade.backends.store import load
from tests.parts import CLIP, LLAMA, SIGLIP, close, picture, shake

IMAGE = 260
SIZES = [(28, 28), (40, 30), (31, 67), (90, 33)]


def tokenizer(named: Sequence[str] = (), first: int = 256) -> PreTrainedTokenizerFast:
    """Byte-level BPE without merges; an opening token is put in front, as Llama's tokenizers do."""
    names = ["<s>", "</s>", "<pad>", "<unk>", "<image>", *named]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {**{letter: number for number, letter in enumerate(alphabet)}}
    vocabulary |= {name: first + number for number, name in enumerate(names)}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", first)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side="left",
    )


def checkpoint(
    folder: Path, *, siglip: bool = False, text: dict[str, Any] | None = None, image: dict[str, Any] | None = None,
    shards: str | None = None, **options: object,
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:  # fmt: skip
    """A LLaVA saved by transformers; ``options`` go to its config, ``image`` to its image processor."""
    vision = dict(SIGLIP if siglip else CLIP)
    language = {**LLAMA, "eos_token_id": 257, "bos_token_id": 256, **(text or {})}
    if siglip:
        options.setdefault("vision_feature_select_strategy", "full")
    config = LlavaConfig(
        vision_config=AutoConfig.for_model(**vision),
        text_config=AutoConfig.for_model(**language),
        image_token_index=IMAGE,
        **options,
    )
    model = LlavaForConditionalGeneration(config).eval()
    shake(model)
    model.save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
    processor = LlavaProcessor(
        (SiglipImageProcessorPil if siglip else CLIPImageProcessorPil)(**(image or _image(siglip))),
        tokenizer(),
        patch_size=vision["patch_size"],
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=0 if siglip else 1,
    )
    processor.save_pretrained(folder)
    return model, processor


def _image(siglip: bool) -> dict[str, Any]:
    square = {"height": 28, "width": 28}
    return {"size": square} if siglip else {"size": {"shortest_edge": 28}, "crop_size": square}


def theirs(
    model: LlavaForConditionalGeneration, processor: LlavaProcessor, images: list[list[Image.Image]], prompts: list[str]
) -> list[Tensor]:
    """transformers' logits over each expanded prompt, padding cut off."""
    flat = [image for row in images for image in row]
    inputs = processor(images=flat or None, text=prompts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        scores = model(**inputs).logits
    return [row[mask.bool()] for row, mask in zip(scores, inputs["attention_mask"], strict=True)]


def relabel(folder: Path, rules: Sequence[tuple[str, str]]) -> None:
    """Write the weights under other names: the first rule (old start, new start) that fits."""
    weights = load_file(folder / "model.safetensors")

    def renamed(name: str) -> str:
        return next((new + name[len(old) :] for old, new in rules if name.startswith(old)), name)

    save_file({renamed(name): tensor for name, tensor in weights.items()}, folder / "model.safetensors")


def edit(file: Path, **changes: object) -> None:
    """Set keys of a JSON file."""
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, **changes}))


def same(folder: Path, model: Any, processor: Any) -> None:
    """Alone, and in a batch with several pictures, none, and padding."""
    reader = load(folder)
    for size in SIZES:
        image = picture(*size)
        prompt = "USER: <image>\nwhat is it? ASSISTANT:"
        close(reader.logits([image], prompt), theirs(model, processor, [[image]], [prompt])[0])
    images = [[picture(28, 28)], [picture(*size) for size in SIZES[1:3]], []]
    prompts = ["<image>", "first <image> then <image>, which is larger?", "no picture at all"]
    for ours, reference in zip(reader.logits(images, prompts), theirs(model, processor, images, prompts), strict=True):
        close(ours, reference)
