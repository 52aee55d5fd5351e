"""A reader's path in words: what each part is called, and the numbers that make it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from saccade.core.registry.kinds import Kinds
from saccade.specs.layouts.cells import BudgetRule, SquareRule
from saccade.specs.reader import PARTS, ReaderSpec

STAGES = ("views", "tower", "connector", "sequence", "cross", "language")
NAMES = {
    "clip_vision_model": "CLIP",
    "siglip_vision_model": "SigLIP",
    "dinov2": "DINOv2",
    "vit": "ViT",
    "blip_2_vision_model": "EVA-CLIP",
    "instructblip_vision_model": "EVA-CLIP",
    "llama": "Llama",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "mistral": "Mistral",
    "opt": "OPT",
    "mpt": "MPT",
    "t5": "T5",
}
"""Model types as people write them."""

Words = tuple[str, str]
"""A part's name, and its numbers."""


def _tower(spec: Any) -> Words:  # noqa: ANN401 - a part of the kind that the table names
    read = ", ".join(str(state) for state in spec.states)
    numbers = f"{spec.depth} layers of {spec.inner:,}, hidden state {read} read; patches of {spec.patch} px"
    return f"{_name(spec.model_type)} tower", numbers


def _regions(spec: Any) -> Words:  # noqa: ANN401
    name, numbers = words_of(spec.inner)
    return f"regions, each through the {name}", f"{spec.most} at most and the whole at {spec.side} px; {numbers}"


def _decoder(spec: Any) -> Words:  # noqa: ANN401
    numbers = f"{spec.depth} layers of {spec.width:,}; {spec.vocabulary:,} ids; window {spec.context:,}"
    return _name(spec.model_type), numbers


def _seq2seq(spec: Any) -> Words:  # noqa: ANN401
    read, write = spec.depths
    numbers = f"{read} layers that read and {write} that write, of {spec.width:,}; {spec.vocabulary:,} ids"
    return _name(str(spec.fields.data.get("model_type"))), numbers


def _name(model_type: str) -> str:
    return NAMES.get(model_type, model_type)


def _cells(rule: Any) -> str:  # noqa: ANN401
    if isinstance(rule, BudgetRule):
        return f"{rule.tokens} squares of 1 to {rule.root} patches a side"
    if isinstance(rule, SquareRule):
        return f"squares of 1 to {rule.root} patches a side, radii {', '.join(map(str, rule.radii))}"
    return f"rings {rule.growth} times wider each, {rule.wedges} wedges"


def _widths(spec: Any) -> str:  # noqa: ANN401
    return f"{spec.width_in:,} → {spec.width_out:,}"


WORDS: Mapping[str, Callable[[Any], Words]] = {
    "stretch": lambda spec: ("one stretched view", f"{spec.size} px"),
    "crop": lambda spec: ("one cropped view", f"{spec.size} px"),
    "pad": lambda spec: ("one padded view", f"{spec.size} px"),
    "slices.arxiv": lambda spec: (
        "slices and an overview",
        f"about {spec.side}² px each, at most {spec.max_slices} slices",
    ),
    "slices.eccv": lambda spec: (
        "slices and an overview",
        f"about {spec.side}² px each, at most {spec.max_slices} slices",
    ),
    "tiles": lambda spec: ("tiles and the whole", f"{spec.tile} px a tile, long side {spec.longest_edge:,} px"),
    "tower.hub": _tower,
    "tower.stem": lambda spec: (
        "convolutional tower",
        f"{spec.depth} layers of {spec.width:,} after a convolutional stem; patches of {spec.patch} px",
    ),
    "pages": lambda spec: (
        "tiles and a page" if spec.tile else "one page",
        f"a page of {spec.base:,} px" + (f", at most {spec.most} tiles of {spec.tile} px" if spec.tile else ""),
    ),
    "tower.serial": lambda spec: (
        "SAM's encoder, convolutions, a second transformer",
        f"{spec.sam.depth} layers of {spec.sam.width:,}, {len(spec.sam.full)} of them beyond their windows, then "
        f"{spec.second.depth} of {spec.second.width:,}; a token for {spec.patch} px a side",
    ),
    "tower.regions": _regions,
    "mlp": lambda spec: ("MLP", f"{_widths(spec)}, one token a patch"),
    "linear": lambda spec: ("one matrix", _widths(spec)),
    "pixel_shuffle": lambda spec: (
        "pixel shuffle",
        f"{spec.ratio}×{spec.ratio} patches a token, {spec.width_in * spec.ratio**2:,} → {spec.width_out:,}",
    ),
    "pool": lambda spec: ("average pooling, MLP", f"{spec.rows}×{spec.cols} tokens, {_widths(spec)}"),
    "resampler": lambda spec: (
        f"{spec.queries} learned queries",
        f"one layer of cross-attention, {spec.heads} heads, {_widths(spec)}",
    ),
    "windows": lambda spec: (
        f"{spec.queries} learned queries, each on its window",
        f"one layer of cross-attention, {spec.heads} heads, {_widths(spec)}",
    ),
    "hiwin": lambda spec: (
        f"{spec.queries} learned queries, each on its window of a pyramid",
        f"levels {', '.join(map(str, spec.levels))} of a {spec.pyramid} pyramid, {spec.sets} sets of queries, one "
        f"layer of cross-attention, {spec.heads} heads, {_widths(spec)}",
    ),
    "compress": lambda spec: (
        f"{len(spec.channels)} halvings, {spec.depth} layers, both side by side",
        f"layers of {spec.width:,}, {_widths(spec)}, one token of {4 ** len(spec.channels)} patches",
    ),
    "foveal": lambda spec: (
        "cells around where the question looks, MLP" if spec.asked else "cells around the middle, MLP",
        f"{_cells(spec.rule)}, {_widths(spec)}",
    ),
    "merge": lambda spec: ("like patches merged, MLP", f"{spec.budget} tokens, {_widths(spec)}"),
    "latents": lambda spec: (
        f"{spec.latents} latents",
        f"{spec.depth} layers, {spec.heads} heads of {spec.head}, {_widths(spec)}",
    ),
    "perceiver": lambda spec: (
        f"{spec.queries or spec.encoder.latents} {'queries' if spec.queries else 'latents'} of a Perceiver",
        f"patches read before {spec.encoder.reads} of {spec.encoder.blocks} blocks of {spec.encoder.layers} layers of "
        f"{spec.encoder.width:,}, {_widths(spec)}",
    ),
    "qformer": lambda spec: (
        f"{spec.queries} queries of a Q-Former",
        f"{spec.depth} layers of {spec.width:,}, patches read every {spec.every} layers, {_widths(spec)}",
    ),
    "regions": lambda spec: (
        f"a raster of {spec.raster}×{spec.raster}",
        f"regions by coverage and score over the whole view, MLP, {spec.features:,} → {spec.width_out:,}",
    ),
    "regions.queries": lambda spec: (
        f"{spec.queries} learned queries over regions",
        f"one layer of cross-attention, {spec.heads} heads, {spec.features:,} → {spec.width_out:,}",
    ),
    "regions.list": lambda spec: ("one token a region", f"MLP, {spec.features:,} → {spec.width_out:,}"),
    "sequence.plain": lambda spec: ("into the sequence", "views one after the other"),
    "sequence.front": lambda spec: ("in front of the text", "views one after the other"),
    "sequence.separated": lambda spec: ("into the sequence, with separators", "one separator a slice, overview last"),
    "sequence.tagged": lambda spec: ("into the sequence, with place markers", "a marker before and after each tile"),
    "sequence.woven": lambda spec: (
        "into the sequence, tiles woven" if spec.newlines else "into the sequence, tile by tile",
        "a learned newline after every row, a learned separator" if spec.newlines else "a learned separator",
    ),
    "sequence.called": lambda spec: ("one position in the sequence", "the tokens stay outside"),
    "cross": lambda spec: (
        "gated cross-attention",
        f"{len(spec.places)} blocks, one every {spec.every} layers from layer {spec.offset} on; "
        f"{spec.heads} heads of {spec.head}",
    ),
    "decoder": _decoder,
    "seq2seq": _seq2seq,
}
"""How each kind of part is told; a kind that is not here is told by its name and its whole numbers."""


def words_of(part: object) -> Words:
    """A part's name and numbers."""
    kind = Kinds(PARTS, "saccade.parts").name_of(type(part))
    if kind in WORDS:
        return WORDS[kind](part)
    numbers = {field.name: getattr(part, field.name) for field in fields(part)}  # pyright: ignore[reportArgumentType]
    told = [f"{name.replace('_', ' ')} {value:,}" for name, value in numbers.items() if type(value) is int]
    return kind.replace("_", " ").replace(".", " "), ", ".join(told)


def parts_of(spec: ReaderSpec) -> dict[str, object]:
    """The parts of a path by stage, in order; those it does not have are left out."""
    found = {stage: getattr(spec, stage, None) for stage in STAGES}
    return {stage: part for stage, part in found.items() if part is not None}


def path_of(spec: ReaderSpec) -> str:
    """The path in one line."""
    return " → ".join(words_of(part)[0] for part in parts_of(spec).values())
