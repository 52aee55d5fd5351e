"""OpenFlamingo's checkpoints, which hold neither tower nor language model: a folder whose ``saccade.json`` names both.

    {
      "schema": "saccade.pieces/1",
      "kind": "openflamingo",
      "checkpoint": "checkpoint.pt",
      "tower": "openai/clip-vit-large-patch14",
      "language": "facebook/opt-1.3b"
    }

``checkpoint`` is a file in the folder, of torch's or safetensors. ``tower`` is a CLIP and ``language`` a causal
language model with its tokenizer, as transformers saves them: a folder (seen from this one) or a Hub id, with
``@revision`` where one is meant. May be added:

    "cross_attn_every_n_layers": 1      must then be what the checkpoint's blocks say
    "sees": "last"                      or "all": whether text reads all pictures before it, or the last alone
    "pickled": true                     tower and language model may be torch's own files, read as tensors alone

Tokens are added as OpenFlamingo adds them: ``<|endofchunk|>``, ``<image>``, and ``<PAD>`` where the tokenizer has none
for padding. Embeddings, and an output matrix of their size, are the checkpoint's.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from transformers import CLIPConfig, CLIPVisionConfig, PreTrainedConfig, PreTrainedTokenizerBase

from saccade.architectures.flamingo import weights as names
from saccade.architectures.flamingo.reader import CLOSING, flamingo, open_cross, open_latents
from saccade.core.errors import SaccadeError, unknown
from saccade.nn.hub import config_text, parse_config
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec
from saccade.weights import causal, clip, pieces
from saccade.weights.checkpoint import ComposedCheckpoint, config_of, ends_of, tokenizer_of
from saccade.weights.files import Source, listing, shapes, traced

IMAGE, PAD = "<image>", "<PAD>"
SAMPLE = (
    '{"schema": "saccade.pieces/1", "kind": "openflamingo", "checkpoint": "checkpoint.pt", '
    '"tower": "openai/clip-vit-large-patch14", "language": "facebook/opt-1.3b"}'
)
_FIELDS: dict[str, tuple[type, object]] = {
    "schema": (str, None),
    "kind": (str, None),
    "checkpoint": (str, None),
    "tower": (str, None),
    "language": (str, None),
    "cross_attn_every_n_layers": (int, 0),
    "sees": (str, "last"),
    "pickled": (bool, False),
}
"""Each key's type, and what it is where it is left out; None where it may not be."""


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The folders and the file that were named, and what was said of them."""

    checkpoint: Path
    tower: Path
    language: Path
    given: dict[str, Any]

    def weights(self, folder: Path) -> dict[str, Path]:
        """The files of a piece's weights."""
        return listing(folder, pickled=self.given["pickled"])


def composed(folder: Path, settings: dict[str, Any]) -> ComposedCheckpoint:
    """The pieces that ``settings``, the folder's ``saccade.json``, names, put together."""
    parts = _pieces(folder, settings)
    config = config_of(parts.language)
    if config.get("model_type") not in names.LAYERS:
        raise unknown("type of OpenFlamingo's language model", str(config.get("model_type")), names.LAYERS)
    held = names.held(shapes(parts.checkpoint), str(config["model_type"]))
    tokenizer = _tokenizer(parts, held)
    tower, language = _tower(parts), _language(parts, config, held, tokenizer)
    spec = _spec(parts, held, tower, language, tokenizer)
    return ComposedCheckpoint(spec, tokenizer, _sources(parts, held, spec))


def _pieces(folder: Path, settings: dict[str, Any]) -> _Pieces:
    given = pieces.given(settings, _FIELDS, SAMPLE)
    if given["sees"] not in ("last", "all"):
        raise SaccadeError(f"saccade.json: sees is 'last' or 'all', got {given['sees']!r}; a whole one reads: {SAMPLE}")
    checkpoint = pieces.weights_file(folder, given["checkpoint"], "checkpoint")
    more = pieces.PICKLES if given["pickled"] else ()
    tower, language = (pieces.piece(folder, given[name], more) for name in ("tower", "language"))
    return _Pieces(checkpoint, tower, language, given)


def _tokenizer(parts: _Pieces, held: names.HeldWeights) -> PreTrainedTokenizerBase:
    """The language model's, with the tokens that OpenFlamingo adds, in its order."""
    tokenizer = tokenizer_of(parts.language)
    tokenizer.add_tokens([CLOSING, IMAGE], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": PAD})
    if len(tokenizer) != held.table[0]:
        raise SaccadeError(
            f"the tokenizer in {parts.language} has {len(tokenizer)} tokens with those that OpenFlamingo adds, but "
            f"the checkpoint's embeddings have {held.table[0]} rows; name the language model that it was trained around"
        )
    return tokenizer


def _tower(parts: _Pieces) -> HubTowerSpec:
    """CLIP's patches at the last layer, before the norm that stands above it."""
    config = config_of(parts.tower)
    kind = config.get("model_type")
    if kind not in ("clip", "clip_vision_model"):
        raise SaccadeError(f"{parts.tower} holds a model of type {kind!r}; OpenFlamingo's tower is a 'clip'")
    if kind == "clip":
        vision = cast(PreTrainedConfig, CLIPConfig.from_dict(config).vision_config)
    else:
        vision = CLIPVisionConfig.from_dict(config)
    return HubTowerSpec(config=config_text(vision), layers=(-1,))


def _language(
    parts: _Pieces, config: dict[str, Any], held: names.HeldWeights, tokenizer: PreTrainedTokenizerBase
) -> DecoderSpec:
    """The language model with the checkpoint's number of tokens, whose answers end at a chunk's end too."""
    ends = ends_of(parts.language, config.get("eos_token_id"))
    several = ends if isinstance(ends, list) else [ends]
    found = [tokenizer.convert_tokens_to_ids(CLOSING), *several, tokenizer.eos_token_id]
    known = [end for end in dict.fromkeys(found) if isinstance(end, int)]
    text = json.dumps({**config, "vocab_size": held.table[0], "eos_token_id": known, "pad_token_id": None})
    spec = DecoderSpec(config=config_text(parse_config(text)))
    if spec.inner != spec.width:
        raise SaccadeError(
            f"the language model's embeddings have {spec.width} channels, its layers {spec.inner}; OpenFlamingo's have "
            "one width: name another language model"
        )
    if held.table[1] != spec.width:
        raise SaccadeError(
            f"the checkpoint's embeddings have {held.table[1]} channels, the language model in {parts.language} "
            f"{spec.width}; name the one that it was trained around"
        )
    return spec


def _spec(
    parts: _Pieces,
    held: names.HeldWeights,
    tower: HubTowerSpec,
    language: DecoderSpec,
    tokenizer: PreTrainedTokenizerBase,
) -> ReaderSpec:
    latents, width, depth, frames = held.resampler
    every = parts.given["cross_attn_every_n_layers"] or held.every
    if every != held.every:
        raise SaccadeError(
            f"saccade.json says cross_attn_every_n_layers {every}, the checkpoint's blocks stand before the last of "
            f"every {held.every} layers; leave it out, or set it to {held.every}"
        )
    if width != tower.width:
        raise SaccadeError(
            f"the checkpoint's resampler reads {width} channels, the tower in {parts.tower} puts out {tower.width}; "
            "name the tower that it was trained on"
        )
    resampler = replace(open_latents(width, latents=latents, depth=depth), frames=frames)
    cross = replace(open_cross(language, width, every), sees=parts.given["sees"])
    if len(cross.places) != len(held.blocks):
        raise SaccadeError(
            f"the checkpoint has {len(held.blocks)} gated blocks, a language model of {language.depth} layers with one "
            f"before the last of every {every} has {len(cross.places)}; name the one that it was trained around"
        )
    image = cast(int, tokenizer.convert_tokens_to_ids(IMAGE))
    return flamingo(tower=tower, language=language, latents=resampler, cross=cross, image_id=image)


def _sources(parts: _Pieces, held: names.HeldWeights, spec: ReaderSpec) -> dict[str, Source]:
    """Where each weight lies. The checkpoint's go before those of the other pieces."""
    towers, language = parts.weights(parts.tower), parts.weights(parts.language)
    kind, table = held.model_type, held.table
    assert isinstance(spec.connector, LatentsSpec)
    made = traced(clip.tower(name for name in towers if not clip.part_of_clip(name)), towers)
    made |= traced(causal.rename(language, kind), language)
    head = f"{causal.OURS}{causal.HEAD}.weight"
    if spec.language.tied:
        made.pop(head, None)  # it is the embeddings, of which the checkpoint's count
    elif held.head is None and head in made:
        file, name = cast(tuple[Path, str], made[head][0])
        rows = shapes(file)[name][0]
        if rows != table[0]:
            raise SaccadeError(
                f"the checkpoint's embeddings have {table[0]} rows, but it holds no output matrix, and {name} in "
                f"{parts.language} has {rows}: the new tokens have no scores. Resize the language model as it was "
                "trained (resize_token_embeddings) and save it"
            )
    checkpoint = dict.fromkeys(held.shapes, parts.checkpoint)
    return made | traced(names.rename(held, spec.connector), checkpoint)
