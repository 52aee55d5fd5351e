"""How transformers' processor of each type is put together, and which ids of its sequence belong to the picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OPTIONS: Mapping[str, str] = {
    "min_pixels": "min_pixels",
    "max_pixels": "max_pixels",
    "max_patches": "max_patches",
    "max_tiles": "max_patches",
    "pan_scan": "do_pan_and_scan",
    "max_crops": "pan_and_scan_max_num_crops",
    "split": "do_image_splitting",
    "crop": "crop_to_patches",
    "longest_edge": "size",
}
"""Our options and the setting of theirs that each of them is."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``named`` and ``more`` are special tokens of the tokenizer, with and without an attribute of their own.

    ``prompt`` stands for the picture as users write it. ``markers`` are slots too. ``at_call`` names the settings that
    their processor takes from the call before it looks at its image processor. ``counter`` says what their counter for
    servers means to count: "visual_tokens" or "slots".
    """

    processor: str = ""
    pixels: str = ""
    placeholder: str = "<image>"
    prompt: str = "<image>\nDescribe."
    markers: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    at_call: tuple[str, ...] = ()
    counter: str = "visual_tokens"

    def settings(self, options: Mapping[str, int | bool]) -> dict[str, Any]:
        """Our options in their words."""
        return {
            OPTIONS[key]: {"longest_edge": value} if key == "longest_edge" else value for key, value in options.items()
        }


_FAKE, _GLOBAL = "<fake_token_around_image>", "<global-img>"
_PLACES = tuple(f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7))
_TILED = {
    "processor": "Idefics3Processor",
    "prompt": "User:<image>Describe.",
    "markers": (_FAKE, _GLOBAL, *_PLACES, "\n", "\n\n"),
    "more": (_FAKE, _GLOBAL, "<end_of_utterance>", *_PLACES),
    "counter": "slots",
}
_QWEN = {
    "pixels": "Qwen2VLImageProcessor",
    "placeholder": "<|image_pad|>",
    "prompt": "<|vision_start|><|image_pad|><|vision_end|>Describe.",
    "markers": ("<|vision_start|>", "<|vision_end|>"),
    "named": {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
    "more": ("<|vision_start|>", "<|vision_end|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"),
}

KINDS: Mapping[str, Kind] = {
    "llava": Kind(processor="LlavaProcessor", named={"image_token": "<image>"}),
    "blip-2": Kind(processor="Blip2Processor", prompt="Describe."),
    "instructblip": Kind(processor="InstructBlipProcessor", prompt="Describe."),
    "idefics": Kind(processor="IdeficsProcessor", markers=(_FAKE,), more=(_FAKE,)),
    "idefics2": Kind(processor="Idefics2Processor", markers=(_FAKE,), more=(_FAKE,)),
    "idefics3": Kind(**_TILED),
    # Their own processor of SmolVLM needs a video part; that of Idefics3 writes the same text.
    "smolvlm": Kind(**_TILED),
    "gemma3": Kind(
        processor="Gemma3Processor",
        prompt="<start_of_image> Describe.",
        placeholder="<image_soft_token>",
        markers=("<start_of_image>", "<end_of_image>", "\n\n"),
        named={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
        at_call=("do_pan_and_scan", "pan_and_scan_max_num_crops"),
    ),
    "paligemma": Kind(processor="PaliGemmaProcessor", prompt="<image>Describe."),
    "colpali": Kind(processor="ColPaliProcessor"),
    "qwen2_5_vl": Kind(processor="Qwen2_5_VLProcessor", **_QWEN),
    "qwen3_vl": Kind(processor="Qwen3VLProcessor", **_QWEN),
    "colqwen2": Kind(processor="ColQwen2Processor", **_QWEN),
    "ovis2": Kind(
        processor="Ovis2Processor",
        placeholder="<IMG_ATOM>",
        markers=("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"),
        more=("<image>", "<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"),
        at_call=("max_patches",),
    ),
    "internvl": Kind(
        processor="InternVLProcessor",
        pixels="GotOcr2ImageProcessor",
        placeholder="<IMG_CONTEXT>",
        prompt="<IMG_CONTEXT>\nDescribe.",
        markers=("<img>", "</img>"),
        named={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        at_call=("max_patches",),
        counter="slots",
    ),
    "deepseek_ocr2": Kind(
        processor="DeepseekOcr2Processor",
        pixels="DeepseekOcr2ImageProcessor",
        named={"image_token": "<image>"},
        at_call=("max_patches", "crop_to_patches"),
        counter="slots",
    ),
    "kimi_k25": Kind(
        processor="Kimi_K25Processor",
        placeholder="<|media_pad|>",
        prompt="<|media_begin|>image<|media_content|><|media_pad|><|media_end|>Describe.",
        markers=("<|media_begin|>", "<|media_content|>", "<|media_end|>"),
        named={"image_token": "<|media_pad|>", "video_token": "<|kimi_k25_video_placeholder|>"},
        more=("<|media_begin|>", "<|media_content|>", "<|media_end|>"),
    ),
    "clip": Kind(),
    "align": Kind(),
    "perceiver": Kind(),
}
"""By ``model_type`` of a preset's config."""
