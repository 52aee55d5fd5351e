"""Perceivers: published weight names to ours, strictly, as transformers' six classes write them.

Names are made from our spec, so every published weight is asked for by name: what is missing and what is left over is
told by whoever compares both lists.
"""

from collections.abc import Callable

from saccade.architectures.perceiver.inputs_spec import (
    ByteInputSpec,
    InputSpec,
    MixedInputSpec,
    PatchInputSpec,
    PixelInputSpec,
    StemInputSpec,
    TableInputSpec,
)
from saccade.architectures.perceiver.io_spec import PerceiverIOSpec
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec, distinct

Names = dict[str, str | tuple[str, ...]]
"""Our name → published name, or names of the weights that make up ours along the first axis."""

BLOCK: dict[str, str | tuple[str, str]] = {
    "norm": "attention.self.layernorm1",
    "norm_source": "attention.self.layernorm2",
    "query": "attention.self.query",
    "pair": ("attention.self.key", "attention.self.value"),
    "out": "attention.output.dense",
    "norm_feed": "layernorm",
    "widen": "mlp.dense1",
    "narrow": "mlp.dense2",
}
KINDS = ("audio", "image", "label")
"""What their multimodal model calls sound, pictures and label, in the order in which it joins them."""
OURS = ("sound", "image", "label")


def io_names(spec: PerceiverIOSpec, decoder: str) -> Names:
    """Of a whole Perceiver IO, whose decoder's last part is published under ``perceiver.`` and ``decoder``."""
    return {
        **under("inputs.", "perceiver.input_preprocessor.", input_names(spec.inputs)),
        **under("encoder.", "perceiver.", core_names(spec.encoder)),
        **under("decoder.", f"perceiver.{decoder}", decoder_names(spec.decoder)),
    }


def core_names(spec: PerceiverSpec) -> Names:
    """Of latents that read once and repeat one block: no class of theirs does more."""
    assert spec.reads == distinct(spec.share, spec.blocks) == 1
    layers = [
        under(f"blocks.0.{at}.", f"encoder.self_attends.{at}.", block_names(spec.layer)) for at in range(spec.layers)
    ]
    read = under("reads.0.", "encoder.cross_attention.", block_names(spec.read))
    return (
        {"latents": "embeddings.latents"} | read | {ours: theirs for layer in layers for ours, theirs in layer.items()}
    )


def decoder_names(spec: DecodeSpec) -> Names:
    """Of queries and what they read latents with."""
    made = under("block.", "decoding_cross_attention.", block_names(spec.block))
    if spec.queries:
        made["queries"] = "output_position_encodings.position_embeddings"
    return made | (both("out", "final_layer") if spec.out else {})


def block_names(spec: AttendSpec) -> Names:
    """Of one block."""
    found: Names = {}
    for ours, theirs in BLOCK.items():
        if ours != "norm_source" or spec.source is not None:
            found |= both(ours, theirs)
    return found


def input_names(spec: InputSpec) -> Names:
    """Of what makes tokens of an input."""
    match spec:
        case PixelInputSpec():
            return {}
        case TableInputSpec():
            table = {"table": "position_embeddings.position_embeddings"}
            return both("mix", "convnet_1x1") | both("project", "positions_projection") | table
        case StemInputSpec():
            kept = {f"norm.{one}": f"convnet.batchnorm.{one}" for one in ("running_mean", "running_var")}
            counted = {"norm.num_batches_tracked": "convnet.batchnorm.num_batches_tracked"}
            return {"conv.weight": "convnet.conv.weight"} | both("norm", "convnet.batchnorm") | kept | counted
        case PatchInputSpec():
            return both("project", "conv_after_patches") if spec.features else {}
        case ByteInputSpec():
            return {"words.weight": "embeddings.weight", "places.weight": "position_embeddings.weight"}
        case MixedInputSpec():
            kinds = list(zip(OURS, KINDS, strict=True))
            filled = {f"padding.{ours}": f"padding.{theirs}" for ours, theirs in kinds}
            masks = {f"mask.{ours}": f"mask.{theirs}" for ours, theirs in kinds}
            return filled | masks | under("image.", "modalities.image.", input_names(spec.image))


def both(ours: str, theirs: str | tuple[str, ...]) -> Names:
    """A weight and a bias."""
    return {f"{ours}.{kind}": _each(theirs, lambda one, kind=kind: f"{one}.{kind}") for kind in ("weight", "bias")}


def under(ours: str, theirs: str, names: Names) -> Names:
    """The same names further in."""
    return {ours + mine: _each(other, lambda one: theirs + one) for mine, other in names.items()}


def _each(names: str | tuple[str, ...], change: Callable[[str], str]) -> str | tuple[str, ...]:
    return change(names) if isinstance(names, str) else tuple(map(change, names))
