"""Tiny checkpoints as LAVIS lays them out: transformers' weights under LAVIS' names, in torch's own file."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from saccade.weights.files import SINGLE
from tests.architectures.blip2.folders import bert

EPS = 1e-5
"""Of the norm behind the tower, in LAVIS."""


def pieces(folder: Path, model: Any, *, tower: bool = False, **settings: object) -> Path:
    """A LAVIS folder of ``model``, which transformers made; the tower in a file of its own, with a block more."""
    folder.mkdir()
    state = {
        name: tensor.clone() for name, tensor in model.state_dict().items() if not name.startswith("language_model.")
    }
    made = {ours: tensor for name, tensor in state.items() for ours, tensor in renamed(name, tensor).items()}
    alone = {
        name.removeprefix("visual_encoder."): made.pop(name)
        for name in list(made)
        if tower and name.startswith("visual")
    }
    if alone:
        last = 1 + max(int(name.split(".")[1]) for name in alone if name.startswith("blocks."))
        alone |= {
            name.replace("blocks.0.", f"blocks.{last}."): tensor + 1
            for name, tensor in alone.items()
            if "blocks.0." in name
        }
        torch.save({**alone, "norm.weight": torch.ones(16), "head.bias": torch.ones(3)}, folder / "eva.pth")
        settings["tower"] = "eva.pth"
    heads = {"heads": 2, "qformer_heads": 2}
    told = {"schema": "saccade.pieces/1", "kind": "lavis-blip2", "checkpoint": "blip2.pth", **heads, **settings}
    torch.save({"model": made}, folder / "blip2.pth")
    (folder / "saccade.json").write_text(json.dumps(told))
    return folder


def renamed(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One weight of transformers' as LAVIS has it."""
    parts = name.split(".")
    if parts[0] == "vision_model":
        return seen(parts[1:], tensor)
    if parts[0] == "qformer" and parts[1] == "layernorm":
        return {f"Qformer.bert.embeddings.LayerNorm.{parts[2]}": tensor}
    if parts[0] == "embeddings" or parts[:2] == ["qformer", "embeddings"]:
        inside = ".".join(parts[parts.index("embeddings") + 1 :]).replace("layernorm", "LayerNorm")
        return {f"Qformer.bert.embeddings.{inside}": tensor}
    if parts[0] == "qformer":
        inside = ".".join(parts[1:]).replace(".attention.attention.", ".attention.self.")
        return {"Qformer.bert." + inside.replace(".crossattention.attention.", ".crossattention.self."): tensor}
    heads = {"vision_projection": "vision_proj", "text_projection": "text_proj", "language_projection": "opt_proj"}
    return {".".join([heads.get(parts[0], parts[0]), *parts[1:]]): tensor}


def seen(parts: list[str], tensor: Tensor) -> dict[str, Tensor]:
    """A weight of the tower."""
    outside = {
        "embeddings.class_embedding": "cls_token", "embeddings.position_embedding": "pos_embed",
        "embeddings.patch_embedding.weight": "patch_embed.proj.weight",
        "embeddings.patch_embedding.bias": "patch_embed.proj.bias",
    }  # fmt: skip
    name = ".".join(parts)
    if parts[0] == "post_layernorm":
        return {f"ln_vision.{parts[1]}": tensor}
    if name in outside:
        return {f"visual_encoder.{outside[name]}": tensor}
    block, inside = f"visual_encoder.blocks.{parts[2]}", ".".join(parts[3:])
    if inside == "self_attn.qkv.bias":
        query, _, value = tensor.chunk(3)
        return {f"{block}.attn.q_bias": query.clone(), f"{block}.attn.v_bias": value.clone()}
    inside = inside.replace("self_attn.qkv", "attn.qkv").replace("self_attn.projection", "attn.proj")
    return {f"{block}.{inside.replace('layer_norm', 'norm')}": tensor}


def as_lavis(model: Any) -> Any:
    """``model`` as LAVIS runs it: no bias of keys in the tower, and another epsilon behind it."""
    with torch.no_grad():
        for layer in model.vision_model.encoder.layers:
            bias = layer.self_attn.qkv.bias
            bias[len(bias) // 3 : 2 * len(bias) // 3] = 0
    model.vision_model.post_layernorm.eps = EPS
    return model


def language(folder: Path, model: Any, saved: Path) -> Path:
    """The language model of ``model`` in a folder of its own, with the tokenizer that lies in ``saved``."""
    inner = model.language_model
    inner.config.save_pretrained(folder)
    tied = inner.config.tie_word_embeddings
    state = {name: tensor for name, tensor in inner.state_dict().items() if not (tied and name == "lm_head.weight")}
    second = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
    save_file({name: tensor.contiguous() for name, tensor in state.items() if name not in second}, folder / SINGLE)
    for file in saved.glob("tokenizer*"):
        shutil.copy(file, folder / file.name)
    return folder


def words(folder: Path) -> Path:
    """BERT's tokenizer in a folder of its own."""
    bert().save_pretrained(folder)
    return folder
