"""OpenFlamingo checkpoints: published weight names to ours, strictly.

The file holds what was trained: the resampler, the blocks, and the language model's embeddings, which have rows for
tokens of its own. Saved without a filter, it holds blocks and layers a second time under the lists of its class, and
the tower, which it never trains.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.specs.connectors.latents import LatentsSpec
from saccade.weights import causal, latents
from saccade.weights.files import Published

LANGUAGE, LATENTS = "lang_encoder.", "perceiver."
LAYERS = {
    "llama": "model.layers", "opt": "model.decoder.layers", "gpt_neox": "gpt_neox.layers",
    "gptj": "transformer.h", "mpt": "transformer.blocks",
}  # fmt: skip
"""Where each type of language model keeps its layers."""
TABLES = {
    "llama": "model.embed_tokens", "opt": "model.decoder.embed_tokens", "gpt_neox": "gpt_neox.embed_in",
    "gptj": "transformer.wte", "mpt": "transformer.wte",
}  # fmt: skip
"""And its embeddings."""
_TWICE = re.compile(r"lang_encoder\.(gated_cross_attn_layers|old_decoder_blocks)\.|vision_encoder\.")
_BLOCK = {
    "attn_gate": "gate_attention", "ff_gate": "gate_feed", "attn.norm.weight": "norm.weight",
    "attn.norm.bias": "norm.bias", "attn.to_q.weight": "to_q.weight", "attn.to_kv.weight": "to_kv.weight",
    "attn.to_out.weight": "to_out.weight", "ff.0.weight": "norm_feed.weight", "ff.0.bias": "norm_feed.bias",
    "ff.1.weight": "widen.weight", "ff.3.weight": "narrow.weight",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeldWeights:
    """The weights of a checkpoint by what they are of; ``shapes`` by their names in the file."""

    model_type: str
    shapes: Mapping[str, tuple[int, ...]]
    latents: Mapping[str, str]
    blocks: Mapping[int, Mapping[str, str]]
    language: Mapping[str, str]

    @property
    def table(self) -> tuple[int, ...]:
        """The shape of the embeddings. Raises SaccadeError where the file has none."""
        return self._shape(self.language, f"{TABLES[self.model_type]}.weight", "embeddings")

    @property
    def head(self) -> tuple[int, ...] | None:
        """The shape of the output matrix; None where the file has none."""
        name = self.language.get(f"{causal.HEAD}.weight")
        return None if name is None else self.shapes[name]

    @property
    def every(self) -> int:
        """Blocks stand before the last of this many layers. Raises SaccadeError where they stand otherwise."""
        numbers = sorted(self.blocks)
        every = numbers[0] + 1 if numbers else 0
        if not numbers or any((number + 1) % every for number in numbers):
            raise SaccadeError(
                f"the checkpoint has gated blocks before layers {numbers}, expected the last of every n layers of "
                f"{LANGUAGE}{LAYERS[self.model_type]}; it is not OpenFlamingo's, or its language model is no "
                f"{self.model_type}"
            )
        return every

    @property
    def resampler(self) -> tuple[int, int, int, int]:
        """Latents, their width, layers, and rows of the frames' table (0 for none)."""
        number, width, *_ = self._shape(self.latents, "latents", "latents")
        depth = 1 + max((int(name.split(".")[1]) for name in self.latents if name.startswith("layers.")), default=-1)
        frames = self.latents.get("frame_embs")
        return number, width, depth, 0 if frames is None else self.shapes[frames][0]

    def _shape(self, names: Mapping[str, str], name: str, what: str) -> tuple[int, ...]:
        if name not in names:
            raise SaccadeError(f"the checkpoint holds no {what} (… {name}); get the whole file again")
        return self.shapes[names[name]]


def held(shapes: Mapping[str, tuple[int, ...]], model_type: str) -> HeldWeights:
    """Sorts the names in a checkpoint around a language model of ``model_type``.

    Dropped by name, and nothing else: the second copies and the tower. Raises SaccadeError for other names.
    """
    resampler: dict[str, str] = {}
    blocks: dict[int, dict[str, str]] = {}
    language: dict[str, str] = {}
    strange: list[str] = []
    inside = re.compile(re.escape(LAYERS[model_type]) + r"\.(\d+)\.gated_cross_attn_layer\.(.+)")
    for name in shapes:
        plain = name.removeprefix("module.")
        if plain.startswith(LATENTS):
            resampler[plain.removeprefix(LATENTS)] = name
        elif _TWICE.match(plain):
            continue
        elif not plain.startswith(LANGUAGE):
            strange.append(name)
        elif found := inside.match(plain.removeprefix(LANGUAGE)):
            blocks.setdefault(int(found[1]), {})[found[2]] = name
        elif ".gated_cross_attn_layer." in plain:
            strange.append(name)
        elif not causal.counted(plain):
            inner = plain.removeprefix(LANGUAGE).replace(".decoder_layer.", ".")
            language[causal.spelt(inner, model_type)] = name
    if strange:
        raise SaccadeError(
            f"{len(strange)} weights have names that no OpenFlamingo around a language model of type {model_type!r} "
            f"has: {', '.join(sorted(strange)[:8])}; check the checkpoint and the language model"
        )
    return HeldWeights(model_type, shapes, resampler, blocks, language)


def rename(found: HeldWeights, spec: LatentsSpec) -> dict[str, Published]:
    """Our name → name in the checkpoint. Raises SaccadeError for weights of blocks that are missing or left over."""
    names = {LATENTS + inner: name for inner, name in found.latents.items()}
    made: dict[str, Published] = {}
    for ours, theirs in latents.open_flamingo(names, spec, LATENTS).items():
        made[f"connector.{ours}"] = names[theirs] if isinstance(theirs, str) else tuple(names[part] for part in theirs)
    for place, (number, block) in enumerate(sorted(found.blocks.items())):
        if block.keys() != _BLOCK.keys():
            lacks, more = sorted(_BLOCK.keys() - block.keys()), sorted(block.keys() - _BLOCK.keys())
            raise SaccadeError(
                f"the gated block before layer {number} lacks {lacks} and has left over {more}; get the whole file"
            )
        made |= {f"cross.blocks.{place}.{_BLOCK[theirs]}": name for theirs, name in block.items()}
    return made | {causal.OURS + inner: name for inner, name in found.language.items()}
