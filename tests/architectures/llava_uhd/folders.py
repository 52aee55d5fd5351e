"""Tiny LLaVA-UHD checkpoints as their authors write them, with random weights, and what they make of prompts.

The reference shares nothing with saccade: the language model and the tower are transformers' classes, slices are cut as
the released code cuts them (arXiv:2403.11703), the connectors are `tests/architectures/llava_uhd/small.py`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from tests.architectures.llava.folders import tokenizer
from tests.architectures.llava_uhd import small as uhd
from tests.parts import shake

SIDE, PATCH, WIDE, WIDTH, SETS = 56, 7, 16, 256, 4
"""Of the views, the tower's patches and channels, the language model's channels; and sets of queries."""
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
COMMA, NEWLINE = 29_892, 13


@dataclass
class Made:
    """A checkpoint and the classes that its weights came from."""

    tower: CLIPVisionModel
    language: nn.Module
    projector: dict[str, Tensor]
    levels: tuple[int, ...]

    @torch.no_grad()
    def tokens(self, picture: Image.Image, max_slices: int) -> tuple[list[Tensor], tuple[int, int] | None]:
        """Each view's tokens, and columns and rows of slices."""
        views, grid = sliced(picture, max_slices)
        made = []
        for view in views:
            array = torch.from_numpy(np.array(view)).permute(2, 0, 1) / 255
            pixels = (array - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
            seen = self.tower(pixels[None], output_hidden_states=True, interpolate_pos_encoding=True)
            patches = seen.hidden_states[-2][0, 1:]
            rows, cols = pixels.shape[1] // PATCH, pixels.shape[2] // PATCH
            if self.levels:
                made.append(uhd.uhd_v2(self.projector, patches, rows, cols, pixels, WIDTH // 128, self.levels))
            else:
                made.append(uhd.uhd_144(self.projector, patches, rows, cols, WIDTH // 128))
        return made, grid

    @torch.no_grad()
    def logits(self, pictures: Sequence[Image.Image], prompt: str, max_slices: int = 7) -> Tensor:
        """Scores over the whole expanded prompt."""
        spell, table = tokenizer(), self.language.get_input_embeddings()
        first, *following = prompt.split("<image>")
        parts = [table(torch.tensor(spell(first)["input_ids"]))]
        for picture, text in zip(pictures, following, strict=True):
            views, grid = self.tokens(picture, max_slices)
            for number, tokens in enumerate(views):
                parts.append(tokens)
                if grid is not None and number < grid[0] * grid[1]:
                    last = (number + 1) % grid[0] == 0
                    parts.append(table(torch.tensor([NEWLINE if last else COMMA])))
            parts.append(table(torch.tensor(spell(text, add_special_tokens=False)["input_ids"], dtype=torch.long)))
        return self.language(inputs_embeds=torch.cat(parts)[None]).logits[0]


def fitted(width: float, height: float) -> tuple[int, int]:
    """About SIDE² pixels in this shape, whole patches."""
    ratio = width / height
    tall = int(SIDE / math.sqrt(ratio))
    wide = int(tall * ratio)
    return max(wide // PATCH, 1) * PATCH, max(tall // PATCH, 1) * PATCH


def sliced(picture: Image.Image, most: int) -> tuple[list[Image.Image], tuple[int, int] | None]:
    """Slices in row order and the overview behind them; columns and rows where there are slices."""
    width, height = picture.size
    ideal = min(math.ceil(width * height / SIDE**2), most)
    overview = picture.resize(fitted(width, height), Image.Resampling.BICUBIC)
    if ideal <= 1:
        return [overview], None
    best, error = (1, 1), math.inf
    for count in (ideal - 1, ideal, ideal + 1):
        for cols in range(1, count + 1):
            if count != 1 and count <= most and count % cols == 0:
                off = abs(math.log(width / height) - math.log(cols / (count // cols)))
                if off < error:
                    best, error = (cols, count // cols), off
    cols, rows = best
    wide, tall = fitted(width // cols, height // rows)
    whole = picture.resize((wide * cols, tall * rows), Image.Resampling.BICUBIC)
    cells = [(col * wide, row * tall) for row in range(rows) for col in range(cols)]
    return [*(whole.crop((x, y, x + wide, y + tall)) for x, y in cells), overview], best


def checkpoint(
    folder: Path, *, version: int = 1, kind: str = "llama", mask: int | None = None, queries: int = 144, **config: Any
) -> Made:
    """Write a checkpoint; ``config`` is put over its ``config.json``."""
    levels = () if version == 1 else tuple(level for level in (1, 2, 4) if (7 if mask is None else mask) & level)
    plain = {
        "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 29_900, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False, "eos_token_id": 257, "bos_token_id": 256, "pad_token_id": 258,
    }  # fmt: skip
    if kind == "llama":
        language = LlamaForCausalLM(LlamaConfig(**plain, attn_implementation="sdpa")).eval()
    else:
        turned = {"rope_type": "default", "rope_theta": 1e6}
        language = Qwen2ForCausalLM(Qwen2Config(**plain, rope_parameters=turned, attn_implementation="sdpa")).eval()
    seen = {
        "hidden_size": WIDE, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
        "image_size": SIDE, "patch_size": PATCH,
    }  # fmt: skip
    tower = CLIPVisionModel(CLIPVisionConfig(**seen)).eval()
    shake(tower)
    projector = weights(queries, levels)
    held = dict(language.state_dict())
    for name, tensor in tower.state_dict().items():
        held[f"model.vision_tower.vision_tower.vision_model.{name.removeprefix('vision_model.')}"] = tensor
    held["model.vision_tower.vision_tower.vision_model.embeddings.position_ids"] = torch.arange(65)[None]
    held |= {f"model.mm_projector.{name}": tensor for name, tensor in projector.items()}
    if levels:
        held["model.mm_projector.upsampler.model.0.model.class_embedding"] = torch.ones(3)
        held["model.image_newline"] = torch.ones(WIDTH)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in held.items()}, folder / "model.safetensors")
    (folder / "tower").mkdir(exist_ok=True)
    (folder / "tower" / "config.json").write_text(json.dumps({"model_type": "clip_vision_model", **seen}))
    written = {
        **plain, "model_type": f"llava_{kind if kind == 'llama' else 'qwen'}", "architectures": ["Llava"],
        "rope_theta": 10_000.0 if kind == "llama" else 1e6, "mm_hidden_size": WIDE, "mm_vision_tower": "tower",
        "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch", "mm_use_im_start_end": False,
        "mm_projector_type": "adapt_spatial_resampler" if version == 1 else "adapt_spatial_resampler_v2",
        **({} if mask is None else {"feature_scale_mask": mask}), **config,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(written))
    tokenizer().save_pretrained(folder)
    return Made(tower, language, projector, levels)


def weights(queries: int, levels: tuple[int, ...]) -> dict[str, Tensor]:
    """The connector under its published names: of the second version all that its class makes, read or not."""

    def matrix(rows: int, cols: int) -> Tensor:
        return torch.randn(rows, cols) / math.sqrt(cols)

    made = {
        "pos_embed": uhd.table(math.isqrt(queries), WIDTH), "query": torch.randn(queries, WIDTH),
        "kv_proj.weight": matrix(WIDTH, WIDE), "attn.in_proj_weight": matrix(3 * WIDTH, WIDTH),
        "attn.in_proj_bias": torch.randn(3 * WIDTH), "attn.out_proj.weight": matrix(WIDTH, WIDTH),
        "attn.out_proj.bias": torch.randn(WIDTH), "proj": matrix(WIDTH, WIDTH),
    }  # fmt: skip
    for name in ("ln_q", "ln_kv", "ln_post", *(("ln_proj",) if levels else ())):
        made |= {f"{name}.weight": 1 + 0.3 * torch.randn(WIDTH), f"{name}.bias": 0.3 * torch.randn(WIDTH)}
    if not levels:
        return made
    made |= {f"query_{number}": torch.randn(queries, WIDTH) for number in range(1, SETS + 1)}
    made |= {"cat_proj.weight": matrix(WIDTH, SETS * WIDTH), "cat_proj.bias": torch.randn(WIDTH)}
    for level in (1, 2, 4, 8):
        made[f"feature_{level}x_embedding"] = torch.randn(1, 1, WIDTH)
        made |= {f"features_{level}x_projector.weight": matrix(WIDTH, WIDE)}
        made |= {f"features_{level}x_projector.bias": torch.randn(WIDTH)}
    up = "upsampler.upsampler."
    for step in range(1, max(levels).bit_length()):
        made |= {f"{up}up{step}.range_temp": torch.tensor(0.4), f"{up}up{step}.sigma_spatial": torch.tensor(0.8)}
        for part, width_in, width in (("range_proj", 3, 32), ("fixup_proj", 52, 49)):
            for place, inner in ((0, width_in), (3, width)):
                made[f"{up}up{step}.{part}.{place}.weight"] = matrix(width, inner)[:, :, None, None]
                made[f"{up}up{step}.{part}.{place}.bias"] = 0.3 * torch.randn(width)
    if max(levels) > 1:
        made[f"{up}fixup_proj.1.weight"] = matrix(WIDE, WIDE)[:, :, None, None]
        made[f"{up}fixup_proj.1.bias"] = torch.randn(WIDE)
    return made
