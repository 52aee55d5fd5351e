"""Latent resamplers: published weight names to ours, strictly, for OpenFlamingo, IDEFICS and Idefics2.

OpenFlamingo keeps keys and values in one weight, as we do; the other two keep them apart, so that ours is theirs one
below the other: a tuple of names.
"""

from collections.abc import Iterable

from saccade.core.errors import SaccadeError
from saccade.specs.connectors.latents import LatentsSpec

Names = dict[str, str | tuple[str, ...]]
"""Our name → published name, or names of the weights that make up ours along the first axis."""


def open_flamingo(published: Iterable[str], spec: LatentsSpec, prefix: str = "perceiver.") -> Names:
    """Every weight of the resampler, whose published names start with ``prefix``; other names are another's.

    Raises SaccadeError for names under ``prefix`` that the resampler of ``spec`` does not have, and for missing ones.
    """
    layer: Names = {
        **_norm("norm_media", "0.norm_media", spec),
        **_norm("norm_latents", "0.norm_latents", spec),
        **_plain({"to_q": "0.to_q", "to_kv": "0.to_kv", "to_out": "0.to_out", "up": "1.1", "down": "1.3"}),
        **_norm("norm_feed", "1.0", spec),
    }
    tables: Names = {}
    if spec.frames:
        tables["frames"] = "frame_embs"
    if spec.pictures:
        tables["pictures"] = "media_time_embs"
    made: Names = {"latents": "latents", **tables, **_layers(layer, "layers", spec), **_norm("norm", "norm", spec)}
    return _checked(made, published, prefix)


def idefics(published: Iterable[str], spec: LatentsSpec, prefix: str = "model.perceiver_resampler.") -> Names:
    """As ``open_flamingo``, for IDEFICS."""
    layer: Names = {
        **_norm("norm_media", "0.context_layer_norm", spec),
        **_norm("norm_latents", "0.latents_layer_norm", spec),
        **_plain({"to_q": "0.q_proj", "to_out": "0.output_proj", "up": "1.fc", "down": "1.c_proj"}),
        "to_kv.weight": ("0.k_proj.weight", "0.v_proj.weight"),
        **_norm("norm_feed", "1.ln", spec),
    }
    if spec.qk_norm:
        layer |= _norm("norm_q", "0.q_layer_norm", spec) | _norm("norm_k", "0.k_layer_norm", spec)
    made: Names = {"latents": "latents", **_layers(layer, "blocks", spec), **_norm("norm", "layer_norm", spec)}
    return _checked(made, published, prefix)


def idefics2(published: Iterable[str], spec: LatentsSpec, prefix: str = "model.connector.") -> Names:
    """As ``open_flamingo``, for Idefics2; the projection in front too, where ``spec`` has one."""
    gated = {name: f"mlp.{name}_proj" for name in ("gate", "up", "down")}
    layer: Names = {
        **_norm("norm_media", "input_context_norm", spec),
        **_norm("norm_latents", "input_latents_norm", spec),
        **_plain({"to_q": "self_attn.q_proj", "to_out": "self_attn.o_proj", **gated}),
        "to_kv.weight": ("self_attn.k_proj.weight", "self_attn.v_proj.weight"),
        **_norm("norm_feed", "post_attention_layernorm", spec),
    }
    front = {f"front.{name}": f"modality_projection.{name}_proj" for name in ("gate", "up", "down") if spec.front}
    made: Names = {
        **_plain(front),
        "latents": "perceiver_resampler.latents",
        **_layers(layer, "perceiver_resampler.layers", spec),
        **_norm("norm", "perceiver_resampler.norm", spec),
    }
    return _checked(made, published, prefix)


def _plain(names: dict[str, str]) -> Names:
    return {f"{ours}.weight": f"{theirs}.weight" for ours, theirs in names.items()}


def _norm(ours: str, theirs: str, spec: LatentsSpec) -> Names:
    parts = ("weight", "bias") if spec.norm == "layer" else ("weight",)
    return {f"{ours}.{part}": f"{theirs}.{part}" for part in parts}


def _layers(layer: Names, theirs: str, spec: LatentsSpec) -> Names:
    return {
        f"layers.{number}.{ours}": _under(f"{theirs}.{number}.", names)
        for number in range(spec.depth)
        for ours, names in layer.items()
    }


def _under(prefix: str, names: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return prefix + names if isinstance(names, str) else tuple(prefix + name for name in names)


def _checked(made: Names, published: Iterable[str], prefix: str) -> Names:
    """``made`` under ``prefix``, where that is exactly what is there."""
    made = {ours: _under(prefix, names) for ours, names in made.items()}
    wanted = {name for names in made.values() for name in ((names,) if isinstance(names, str) else names)}
    found = {name for name in published if name.startswith(prefix)}
    for what, names in (("lacks", wanted - found), ("has left-over", found - wanted)):
        if names:
            shown = ", ".join(sorted(names)[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise SaccadeError(
                f"the resampler under {prefix!r} {what} {len(names)} of {len(wanted)} weights: {shown}; the config "
                "does not belong to these weights"
            )
    return made
