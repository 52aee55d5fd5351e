"""The families whose insides are known: what their language models want to be told beside the tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from saccade.core.errors import SaccadeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One family. ``processor`` is the class that writes its prompts; ``axis`` counts the views along an axis of its
    pixels; its tower's tokens come ``listed`` a picture, or as one tensor. ``axes`` are those of a position: time, row
    and column where there are three. In ``blocks``, the tokens of a picture attend to each other in both directions.
    """

    processor: str
    axis: int = 0
    listed: bool = True
    axes: int = 1
    blocks: bool = False


KINDS: Mapping[str, Kind] = {
    "llava": Kind(processor="LlavaProcessor"),
    "qwen2_vl": Kind(processor="Qwen2VLProcessor", axes=3),
    "qwen2_5_vl": Kind(processor="Qwen2_5_VLProcessor", axes=3),
    "qwen3_vl": Kind(processor="Qwen3VLProcessor", axes=3),
    "gemma3": Kind(processor="Gemma3Processor", listed=False, blocks=True),
    "idefics3": Kind(processor="Idefics3Processor", axis=1),
    # Its own class needs packages for videos; this one writes the same text.
    "smolvlm": Kind(processor="Idefics3Processor", axis=1),
    "internvl": Kind(processor="InternVLProcessor", listed=False),
}
"""By ``model_type``. Each is held to its class and its processor by the tests of every mechanism."""

Mechanism = Literal["resizing", "token selection", "shared prefix", "attention", "cached values"]
ALL = ("llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "gemma3", "idefics3", "smolvlm", "internvl")
PROVED: Mapping[Mechanism, tuple[str, ...]] = {
    # Pictures within a budget take as many tokens as planned; Gemma 3's number is fixed.
    "resizing": tuple(kind for kind in ALL if kind != "gemma3"),
    # What is dropped equals what is masked in every layer, at prefill and while an answer is written.
    "token selection": ALL,
    # Two questions over one prefill were held to a fresh prefill of each.
    "shared prefix": ALL,
    # The probe was held to eager attention.
    "attention": ALL,
    # The values were held to those that the layers' own projections put out.
    "cached values": ALL,
}
"""The families for which each mechanism that reaches inside was proved by a test."""
ANSWERS = ("idefics2", "paligemma", "kimi_k25", "ovis2")
"""Families of the planner that the library runs, and of which nothing more is known than their answers."""

PIXELS = ("pixel_values", "pixel_attention_mask", "image_grid_thw")
"""What towers are handed of a picture."""


def proved(mechanism: str, kind: str, families: Sequence[str]) -> None:
    """Raises SaccadeError where a mechanism was not proved for a family."""
    if kind not in families:
        raise SaccadeError(
            f"{mechanism} is not proved for models of type {kind!r}; it is for {', '.join(families)}: take one of "
            "those, or a policy that only asks"
        )
