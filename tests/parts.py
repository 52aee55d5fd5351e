"""What tests of parts share: pictures, the tolerance of the house, torch's own count of FLOPs."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from saccade.core.plan import Cost

CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 7,
}
SIGLIP = {**CLIP, "model_type": "siglip_vision_model"}
DINOV2 = {
    **{key: value for key, value in CLIP.items() if key != "intermediate_size"},
    "model_type": "dinov2",
    "mlp_ratio": 3,
}
VIT = {**CLIP, "model_type": "vit"}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 270,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "initializer_range": 0.5,
    "eos_token_id": 256,
    "bos_token_id": None,
    "pad_token_id": None,
}


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise over a few large patches: both fine and coarse detail, so that no token equals another."""
    random = np.random.default_rng([seed, width, height])
    coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((width, height))
    fine = random.integers(-40, 41, (height, width, 3))
    return Image.fromarray((np.asarray(coarse) + fine).clip(0, 255).astype(np.uint8))


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Parity as the house defines it."""
    ours, theirs = ours.detach(), theirs.detach()
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= tolerance * (1 + float(theirs.abs().max()))


def shake(module: nn.Module) -> None:
    """Random values everywhere, so that zeros and ones of an initialisation hide nothing."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.2 * torch.randn_like(weight))


def counted(make: Callable[[], nn.Module], run: Callable[[nn.Module], object]) -> Cost:
    """FLOPs by torch's counter and weights, on the meta device: on a CPU it counts attention as nothing."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module = make()
        run(module)
    return Cost(counter.get_total_flops(), sum(weight.numel() for weight in module.parameters()))
