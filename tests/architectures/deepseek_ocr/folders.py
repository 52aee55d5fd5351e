"""Tiny DeepSeek-OCR checkpoints as they lie on disk, with random weights, and what others make of them."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    DeepseekOcr2Config,
    DeepseekOcr2ForConditionalGeneration,
    DeepseekOcr2ImageProcessorPil,
    DeepseekOcr2Processor,
    DeepseekOcr2TextModel,
)
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2TextConfig

from tests.architectures.llava.folders import tokenizer
from tests.parts import shake

BEGIN, END, IMAGE = 256, 257, 260
TEXT = {
    "vocab_size": 262, "hidden_size": 16, "intermediate_size": 24, "moe_intermediate_size": 12,
    "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2, "n_routed_experts": 4,
    "n_shared_experts": 2, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "topk_method": "greedy",
    "max_position_embeddings": 2048, "bos_token_id": BEGIN, "eos_token_id": END,
}  # fmt: skip
SAM = {"width": 12, "layers": 3, "heads": 2, "global_attn_indexes": [1], "downsample_channels": [7, 16]}
CLIP = {"width": 16, "layers": 2, "heads": 4, "image_size": 56, "patch_size": 14}
FIRST: dict[str, Any] = {
    "model_type": "deepseek_vl_v2",
    "language_config": {**TEXT, "use_mla": False, "first_k_dense_replace": 1, "kv_lora_rank": None},
    "projector_config": {"input_dim": 32, "n_embed": 16, "projector_type": "linear", "model_type": "mlp_projector"},
    "vision_config": {
        "image_size": 1024, "mlp_ratio": 3.7362, "model_name": "deeplip_b_l",
        "width": {"clip-l-14-224": CLIP, "sam_vit_b": SAM},
    },
}  # fmt: skip
SECOND: dict[str, Any] = {
    **FIRST,
    "projector_config": {"input_dim": 128, "n_embed": 16, "projector_type": "linear", "model_type": "mlp_projector"},
    # As published, the channels are wrong here too.
    "vision_config": {"model_name": "deepencoderv2", "width": {"qwen2-0-5b": {"dim": 128}, "sam_vit_b": SAM}},
}
BACK = (
    (r"vision_tower\.sam_encoder\.layers\.(\d+)\.layer_norm", r"sam_model.blocks.\1.norm"),
    (r"vision_tower\.sam_encoder\.layers\.", "sam_model.blocks."),
    (r"vision_tower\.sam_encoder\.patch_embed\.projection", "sam_model.patch_embed.proj"),
    (r"vision_tower\.sam_encoder\.pos_embed", "sam_model.pos_embed"),
    (r"vision_tower\.sam_encoder\.neck\.conv1", "sam_model.neck.0"),
    (r"vision_tower\.sam_encoder\.neck\.layer_norm1", "sam_model.neck.1"),
    (r"vision_tower\.sam_encoder\.neck\.conv2", "sam_model.neck.2"),
    (r"vision_tower\.sam_encoder\.neck\.layer_norm2", "sam_model.neck.3"),
    (r"vision_tower\.sam_encoder\.proj\.conv1", "sam_model.net_2"),
    (r"vision_tower\.sam_encoder\.proj\.conv2", "sam_model.net_3"),
    (r"vision_tower\.vision_encoder\.", "qwen2_model.model.model."),
    (r"vision_tower\.query_(\d+)_resolution", r"qwen2_model.query_\1"),
    (r"multi_modal_projector", "projector.layers"),
    (r"view_separator", "view_seperator"),
    (r"language_model\.", ""),
)
"""Names of transformers' class, as the authors' files have them: c.6 read backwards."""


def unpacked(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stacks of experts as the authors' matrices."""
    made = {}
    for name, tensor in weights.items():
        found = re.match(r"(.*\.experts\.)(gate_up|down)_proj$", name)
        if found is None:
            made[name] = tensor
            continue
        for number, one in enumerate(tensor):
            if found[2] == "down":
                made[f"{found[1]}{number}.down_proj.weight"] = one.clone()
            else:
                for side, half in zip(("gate", "up"), one.chunk(2), strict=True):
                    made[f"{found[1]}{number}.{side}_proj.weight"] = half.clone()
    return made


def second(folder: Path, layout: str) -> tuple[DeepseekOcr2ForConditionalGeneration, DeepseekOcr2Processor]:
    """DeepSeek-OCR-2: ``saved`` by transformers, by the names of its ``class``, or as its ``authors`` publish it."""
    text = {**TEXT, "mlp_layer_types": ["dense", "sparse", "sparse"]}
    config = DeepseekOcr2Config(
        vision_config={
            "sam_config": {
                "hidden_size": 12, "output_channels": 6, "num_hidden_layers": 3, "num_attention_heads": 2,
                "image_size": 128, "patch_size": 4, "window_size": 5, "global_attn_indexes": [1], "mlp_dim": 20,
                "downsample_channels": [7, 128],
            },
            "encoder_config": {
                "hidden_size": 128, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
                "num_key_value_heads": 1, "vocab_size": 1,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            },
        },
        text_config=text, image_token_id=IMAGE,
    )  # fmt: skip
    model = DeepseekOcr2ForConditionalGeneration(config).eval()
    shake(model)
    folder.mkdir(parents=True, exist_ok=True)
    if layout == "saved":
        model.save_pretrained(folder)
    else:
        config.save_pretrained(folder)
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if layout == "authors":
            weights = unpacked(weights)
            for pattern, name in BACK:
                weights = {re.sub(pattern, name, old): tensor for old, tensor in weights.items()}
            (folder / "config.json").write_text(json.dumps(SECOND))
        save_file(weights, folder / "model.safetensors")
    pixels = DeepseekOcr2ImageProcessorPil(size={"height": 256, "width": 256}, tile_size=192)
    processor = DeepseekOcr2Processor(pixels, tokenizer(), patch_size=4)
    processor.save_pretrained(folder)
    return model, processor


def theirs(
    model: DeepseekOcr2ForConditionalGeneration, processor: DeepseekOcr2Processor, images: Sequence[Image.Image],
    text: str,
) -> Tensor:  # fmt: skip
    """transformers' logits over the expanded prompt."""
    given = processor(images=list(images) or None, text=[text], return_tensors="pt")
    with torch.inference_mode():
        return model(**given).logits[0]


def first(folder: Path, **changes: Any) -> dict[str, Tensor]:
    """DeepSeek-OCR, which its authors alone publish: names and shapes as in c.3, in small."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.image_newline": (16,), "model.view_seperator": (16,),
        "model.projector.layers.weight": (16, 32), "model.projector.layers.bias": (16,),
        "model.embed_tokens.weight": (262, 16), "model.norm.weight": (16,), "lm_head.weight": (262, 16),
        "model.sam_model.pos_embed": (1, 8, 8, 12), "model.sam_model.patch_embed.proj.weight": (12, 3, 4, 4),
        "model.sam_model.patch_embed.proj.bias": (12,), "model.sam_model.neck.0.weight": (6, 12, 1, 1),
        "model.sam_model.neck.2.weight": (6, 6, 3, 3), "model.sam_model.net_2.weight": (7, 6, 3, 3),
        "model.sam_model.net_3.weight": (16, 7, 3, 3), "model.vision_model.embeddings.class_embedding": (16,),
        "model.vision_model.embeddings.patch_embedding.weight": (16, 3, 14, 14),
        "model.vision_model.embeddings.position_embedding.weight": (17, 16),
    }  # fmt: skip
    norms = {"model.sam_model.neck.1": 6, "model.sam_model.neck.3": 6, "model.vision_model.pre_layrnorm": 16}
    pairs: dict[str, tuple[int, int]] = {}
    for layer in range(3):
        at, table = f"model.sam_model.blocks.{layer}.", 2 * 8 - 1 if layer == 1 else 2 * 3 - 1
        norms |= {f"{at}norm1": 12, f"{at}norm2": 12}
        pairs |= {f"{at}attn.qkv": (36, 12), f"{at}attn.proj": (12, 12)}
        pairs |= {f"{at}mlp.lin1": (20, 12), f"{at}mlp.lin2": (12, 20)}
        shapes |= {f"{at}attn.rel_pos_h": (table, 6), f"{at}attn.rel_pos_w": (table, 6)}
    for layer in range(2):
        at = f"model.vision_model.transformer.layers.{layer}."
        norms |= {f"{at}layer_norm1": 16, f"{at}layer_norm2": 16}
        pairs |= {f"{at}self_attn.qkv_proj": (48, 16), f"{at}self_attn.out_proj": (16, 16)}
        pairs |= {f"{at}mlp.fc1": (24, 16), f"{at}mlp.fc2": (16, 24)}
    shapes |= {f"{name}.{part}": (width,) for name, width in norms.items() for part in ("weight", "bias")}
    shapes |= {f"{name}.weight": shape for name, shape in pairs.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in pairs.items()}
    for layer in range(3):
        at = f"model.layers.{layer}."
        shapes |= {f"{at}input_layernorm.weight": (16,), f"{at}post_attention_layernorm.weight": (16,)}
        shapes |= {f"{at}self_attn.{name}_proj.weight": (16, 16) for name in "qkvo"}
        places = {f"{at}mlp.": 24} if layer == 0 else {f"{at}mlp.shared_experts.": 24}
        places |= {f"{at}mlp.experts.{number}.": 12 for number in range(4 if layer else 0)}
        for place, middle in places.items():
            shapes |= {f"{place}gate_proj.weight": (middle, 16), f"{place}up_proj.weight": (middle, 16)}
            shapes |= {f"{place}down_proj.weight": (16, middle)}
        if layer:
            shapes[f"{at}mlp.gate.weight"] = (4, 16)
    weights = {name: (len(shape) == 1) * 0.5 + 0.3 * torch.randn(shape) for name, shape in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**FIRST, **changes}))
    tokenizer().save_pretrained(folder)
    return weights


def scores(weights: dict[str, Tensor], vectors: Tensor) -> Tensor:
    """The language model's, by transformers' class for the same layers, its experts stacked here by hand."""
    config = DeepseekOcr2TextConfig(**TEXT, mlp_layer_types=["dense", "sparse", "sparse"])
    model = DeepseekOcr2TextModel(config).eval()
    held = {
        name.removeprefix("model."): tensor
        for name, tensor in weights.items()
        if re.match(r"model\.(layers|norm|embed_tokens)\.", name) and ".experts." not in name.replace("shared_", "")
    }
    for layer in (1, 2):
        at = f"layers.{layer}.mlp.experts."
        each = [{side: weights[f"model.{at}{one}.{side}_proj.weight"] for side in ("gate", "up", "down")}
                for one in range(4)]  # fmt: skip
        held[f"{at}gate_up_proj"] = torch.stack([torch.cat([one["gate"], one["up"]]) for one in each])
        held[f"{at}down_proj"] = torch.stack([one["down"] for one in each])
    shared = {name.removeprefix("model."): tensor for name, tensor in weights.items() if ".shared_experts." in name}
    model.load_state_dict({**held, **shared})
    with torch.inference_mode():
        return F.linear(model(inputs_embeds=vectors[None]).last_hidden_state[0], weights["lm_head.weight"])
