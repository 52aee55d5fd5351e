"""Tiny Perceivers of transformers' seven classes, as it saves them, and what they are fed."""

from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from tests.parts import shake

SMALL: dict[str, Any] = {
    "num_latents": 6, "d_latents": 16, "d_model": 24, "num_blocks": 2, "num_self_attends_per_block": 2,
    "num_self_attention_heads": 2, "num_cross_attention_heads": 1, "vocab_size": 262, "max_position_embeddings": 20,
    "num_labels": 5, "attention_probs_dropout_prob": 0.0, "self_attention_widening_factor": 2, "train_size": [12, 14],
    "num_frames": 2, "audio_samples_per_frame": 24, "samples_per_patch": 4, "output_shape": [1, 2, 8, 8],
    "output_num_channels": 10, "_label_trainable_num_channels": 12, "image_size": 12,
}  # fmt: skip
PICTURES = ("Fourier", "Learned", "ConvProcessing")


def checkpoint(folder: Path, kind: str, **options: Any) -> nn.Module:
    """``PerceiverFor…`` with weights off their first values, and its folder."""
    config = transformers.PerceiverConfig(**(SMALL | options))
    model = getattr(transformers, f"PerceiverFor{kind}")(config).eval()
    shake(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    model.save_pretrained(folder)
    return model


def pixels(side: int = 12, views: int = 2) -> Tensor:
    return torch.randn(views, 3, side, side + 4, generator=torch.Generator().manual_seed(1))


def texts() -> tuple[Tensor, Tensor]:
    """Three texts of up to nine ids, two of them padded."""
    ids = torch.randint(6, 262, (3, 9), generator=torch.Generator().manual_seed(1))
    real = torch.arange(9) < torch.tensor([9, 5, 2])[:, None]
    return torch.where(real, ids, 0), real


def clips() -> dict[str, Tensor]:
    """Sound of 12 runs, two frames of 8 × 8 pixels, no label."""
    drawn = torch.Generator().manual_seed(1)
    return {"sound": torch.randn(2, 48, generator=drawn), "image": torch.randn(2, 2, 3, 8, 8, generator=drawn)}
