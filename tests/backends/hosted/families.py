"""Tiny random models of every hosted family, with processors of the library's own, made on the spot."""

from typing import Any

import torch
import transformers
from transformers import AutoModelForImageTextToText, PreTrainedModel

from tests.exact.kinds import KINDS
from tests.exact.reader import Theirs
from tests.parts import shake

WORDS = ("yes", "no", "Yes", "No", " yes", " no")
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}}
SIGLIP = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
          "initializer_range": 0.3}  # fmt: skip
QWEN = {"patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2, "in_channels": 3, "initializer_range": 0.3}
GREY = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
NATIVE = {"patch_size": 4, "merge_size": 2, "temporal_patch_size": 2, "min_pixels": 4 * 64, "max_pixels": 40 * 64,
          "size": {"shortest_edge": 4 * 64, "longest_edge": 40 * 64}, **GREY}  # fmt: skip
TILES = {
    "image_processor_type": "Idefics3ImageProcessor", "size": {"longest_edge": 64},
    "max_image_size": {"longest_edge": 16}, "do_image_splitting": True, "image_seq_len": 4, **GREY,
}  # fmt: skip

CONFIGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "llava": (
        {
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
                "num_attention_heads": 2, "image_size": 28, "patch_size": 7,
            },
            "text_config": {**TEXT, "model_type": "llama"},
        },
        {
            "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 28},
            "crop_size": {"height": 28, "width": 28}, "do_center_crop": True, "patch_size": 7,
            "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1, **GREY,
        },
    ),
    "qwen2_vl": (
        {
            "vision_config": {**QWEN, "depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
            "text_config": {**TEXT, **MROPE, "model_type": "qwen2_vl_text"},
        },
        NATIVE,
    ),
    "qwen2_5_vl": (
        {
            "vision_config": {
                **QWEN, "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "window_size": 16,
                "fullatt_block_indexes": [1], "out_hidden_size": 32,
            },
            "text_config": {**TEXT, **MROPE, "model_type": "qwen2_5_vl_text"},
        },
        NATIVE,
    ),
    "qwen3_vl": (
        {
            "vision_config": {
                **QWEN, "depth": 3, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
                "num_position_embeddings": 36, "deepstack_visual_indexes": [0, 1],
            },
            "text_config": {**TEXT, **MROPE, "model_type": "qwen3_vl_text"},
        },
        {**NATIVE, "image_processor_type": "Qwen2VLImageProcessor"},
    ),
    "gemma3": (
        {
            "vision_config": {**SIGLIP, "model_type": "siglip_vision_model", "image_size": 32, "patch_size": 4,
                              "vision_use_head": False},
            "text_config": {**TEXT, "model_type": "gemma3_text", "sliding_window": 1024, "sliding_window_pattern": 2},
            "mm_tokens_per_image": 16,
        },
        {
            "image_processor_type": "Gemma3ImageProcessor", "size": {"height": 32, "width": 32},
            "image_seq_length": 16, **GREY,
        },
    ),
    "idefics3": (
        {
            "vision_config": {**SIGLIP, "image_size": 16, "patch_size": 4},
            "text_config": {**TEXT, "model_type": "llama"},
            "scale_factor": 2,
        },
        TILES,
    ),
    "smolvlm": (
        {
            "vision_config": {**SIGLIP, "image_size": 16, "patch_size": 4},
            "text_config": {**TEXT, "model_type": "llama"},
            "scale_factor": 2,
        },
        TILES,
    ),
    "internvl": (
        {
            "vision_config": {
                "model_type": "internvl_vision", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
                "num_attention_heads": 2, "image_size": [16, 16], "patch_size": [4, 4], "initializer_range": 0.3,
            },
            "text_config": {**TEXT, "model_type": "qwen2"},
            "downsample_ratio": 0.5,
        },
        {
            "image_processor_type": "GotOcr2ImageProcessor", "size": {"height": 16, "width": 16},
            "crop_to_patches": True, "min_patches": 1, "max_patches": 6, "image_seq_length": 4, **GREY,
        },
    ),
    "paligemma": (
        {
            "vision_config": {**SIGLIP, "model_type": "siglip_vision_model", "image_size": 28, "patch_size": 7},
            "text_config": {**TEXT, "model_type": "gemma"},
            "projection_dim": 32,
        },
        {
            "image_processor_type": "SiglipImageProcessor", "size": {"height": 28, "width": 28},
            "image_seq_length": 16, **GREY,
        },
    ),
}  # fmt: skip

FAMILIES = tuple(kind for kind in CONFIGS if kind != "paligemma")
"""Those whose insides are known; of the other, nobody proved anything."""


def template(place: str) -> str:
    """A chat template that names the roles, shows pictures where they stand, and takes tools."""
    return (
        "{% if tools %}tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
        "<tool_call> as JSON </tool_call>\n{% endif %}"
        "{% for turn in messages %}{{ turn.role }}: {% for part in turn.content %}"
        f"{{% if part.type == 'image' %}}{place}{{% else %}}{{{{ part.text }}}}{{% endif %}}"
        "{% endfor %}{% for call in turn.tool_calls %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}\n"
        "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )


def made(kind: str, **text: Any) -> tuple[PreTrainedModel, Any]:
    """Model and processor; ``text`` changes the language model's config."""
    config, settings = CONFIGS[kind]
    known = KINDS["qwen2_5_vl" if kind == "qwen2_vl" else kind]
    theirs = Theirs({"config": {"model_type": kind, **config}, "processor": settings}, known, {})
    processor, tokenizer = theirs.processor, theirs.tokenizer
    tokenizer.add_tokens(list(WORDS))
    processor.chat_template = template(known.prompt.split("Describe")[0].strip().removeprefix("User:"))
    fields = {
        **config,
        "text_config": {**config["text_config"], "vocab_size": len(tokenizer), **text},
        "image_token_id": tokenizer.convert_tokens_to_ids(known.placeholder),
    }
    torch.manual_seed(3)
    model = AutoModelForImageTextToText.from_config(transformers.AutoConfig.for_model(kind, **fields)).float()
    shake(model)
    return model.eval(), processor
