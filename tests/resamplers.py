"""Tiny latent resamplers as published: transformers' with random weights, and OpenFlamingo's as names and shapes."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import Idefics2Config, IdeficsConfig
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler
from transformers.models.idefics2.modeling_idefics2 import Idefics2Connector

from saccade.connectors.latents import Latents
from saccade.specs.connectors.latents import LatentsSpec
from saccade.weights.latents import Names, idefics, idefics2, open_flamingo
from tests.parts import shake

FLAMINGO = LatentsSpec(width_in=12, width_out=12, latents=5, depth=3, heads=3, head=7, middle=20, frames=4, pictures=6)
IDEFICS = LatentsSpec(
    width_in=12, width_out=12, latents=5, depth=3, heads=3, head=7, middle=48, act="relu", qk_norm=True, extra=1
)
IDEFICS2 = LatentsSpec(
    width_in=10, width_out=12, latents=5, depth=3, heads=6, head=7, kv_heads=2, middle=48, act="silu", gated=True,
    norm="rms", eps=1e-6, front=14,
)  # fmt: skip


def their_idefics(spec: LatentsSpec) -> IdeficsPerceiverResampler:
    """IDEFICS' class in the sizes of ``spec``, shaken."""
    config = IdeficsConfig(
        perceiver_config={"qk_layer_norms_perceiver": spec.qk_norm}, vision_config={"embed_dim": spec.width_in}
    )
    made = IdeficsPerceiverResampler(config, spec.width_in, spec.depth, spec.heads, spec.head, spec.latents)
    shake(made)
    return made.eval()


def their_idefics2(spec: LatentsSpec) -> Idefics2Connector:
    """Idefics2's class in the sizes of ``spec``, shaken."""
    perceiver = {
        "hidden_size": spec.width_out, "resampler_n_latents": spec.latents, "resampler_depth": spec.depth,
        "resampler_n_heads": spec.heads, "resampler_head_dim": spec.head, "num_key_value_heads": spec.kv_heads,
    }  # fmt: skip
    config = Idefics2Config(
        perceiver_config=perceiver,
        vision_config={"hidden_size": spec.width_in, "num_attention_heads": 2},
        text_config={
            "model_type": "mistral", "hidden_size": spec.width_out, "intermediate_size": spec.front,
            "num_attention_heads": 2, "num_key_value_heads": 2,
        },
    )  # fmt: skip
    made = Idefics2Connector(config)
    shake(made)
    return made.eval()


def published_flamingo(spec: LatentsSpec) -> dict[str, Tensor]:
    """OpenFlamingo's names and shapes, with random values."""
    width, inner = spec.width_in, spec.heads * spec.head
    shapes: dict[str, tuple[int, ...]] = {"latents": (spec.latents, width)}
    if spec.frames:
        shapes["frame_embs"] = (spec.frames, width)
    if spec.pictures:
        shapes["media_time_embs"] = (spec.pictures, 1, width)
    norms = ["norm"]
    for number in range(spec.depth):
        read, feed = f"layers.{number}.0", f"layers.{number}.1"
        norms += [f"{read}.norm_media", f"{read}.norm_latents", f"{feed}.0"]
        shapes |= {
            f"{read}.to_q.weight": (inner, width),
            f"{read}.to_kv.weight": (2 * inner, width),
            f"{read}.to_out.weight": (width, inner),
            f"{feed}.1.weight": (spec.middle, width),
            f"{feed}.3.weight": (width, spec.middle),
        }
    shapes |= {f"{norm}.{part}": (width,) for norm in norms for part in ("weight", "bias")}
    return {f"perceiver.{name}": 0.4 * torch.randn(shape) for name, shape in shapes.items()}


def carry(part: nn.Module, published: Mapping[str, Tensor], names: Names) -> None:
    """Copy published weights into ours, strictly; a tuple of names is one weight."""
    part.load_state_dict(
        {
            ours: published[theirs] if isinstance(theirs, str) else torch.cat([published[name] for name in theirs])
            for ours, theirs in names.items()
        }
    )


def ours_of(theirs: nn.Module, spec: LatentsSpec) -> Latents:
    """Our module with the weights of one of transformers'."""
    part, published = Latents(spec), theirs.state_dict()
    rename = idefics if isinstance(theirs, IdeficsPerceiverResampler) else idefics2
    carry(part, published, rename(published, spec, ""))
    return part.eval()


def flamingo_of(published: Mapping[str, Tensor], spec: LatentsSpec) -> Latents:
    """Our module with OpenFlamingo's weights."""
    part = Latents(spec)
    carry(part, published, open_flamingo(published, spec))
    return part.eval()
