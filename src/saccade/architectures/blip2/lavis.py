"""BLIP-2's and InstructBLIP's first releases, which hold no language model: a folder whose ``saccade.json`` names it.

    {
      "schema": "saccade.pieces/1",
      "kind": "lavis-blip2",
      "checkpoint": "blip2_pretrained_opt2.7b.pth",
      "language": "facebook/opt-2.7b"
    }

``checkpoint`` is a file in the folder, of torch's or safetensors; what it is, its weights tell:

    first stage, or retrieval    has the heads of contrast and match; loads as a retriever, and needs "words"
    BLIP-2                       needs "language": an OPT or a T5
    InstructBLIP                 needs "language", a Llama (Vicuna) or a T5, and "words"

``language`` and ``words`` (BERT's tokenizer, bert-base-uncased) are folders, seen from this one, or Hub ids, with
``@revision`` where one is meant. May be added:

    "tower": "eva_vit_g.pth"     the file of EVA-CLIP, where the checkpoint leaves it out
    "heads": 16                  heads of the tower, one for 88 channels unless said
    "qformer_heads": 12          and of the Q-Former, one for 64
    "pickled": true              the language model may be torch's own file, read as tensors alone
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import Blip2VisionConfig, PreTrainedConfig, PreTrainedTokenizerBase

from saccade.architectures.blip2 import lavis_weights as lavis
from saccade.architectures.blip2.checkpoint import INSTRUCTION, image_id_of, language_of, special, template_of
from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.nn.hub import config_text, parse_config
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.language.seq2seq import Seq2SeqSpec
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.layouts.sequence import FrontSequence
from saccade.specs.matcher import MatcherSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.retriever import RetrieverSpec
from saccade.specs.towers.vit import HubTowerSpec
from saccade.weights import causal, pieces, qformer
from saccade.weights.checkpoint import ComposedCheckpoint, config_of, tokenizer_of
from saccade.weights.files import Source, listing, shapes, traced

DEC = "[DEC]"
LN_VISION_EPS = 1e-5
"""LAVIS' norm behind the tower has torch's own epsilon, the tower's blocks have 1e-6."""
SAMPLE = (
    '{"schema": "saccade.pieces/1", "kind": "lavis-blip2", "checkpoint": "blip2_pretrained_opt2.7b.pth", '
    '"language": "facebook/opt-2.7b"}'
)
_FIELDS: dict[str, tuple[type, object]] = {
    "schema": (str, None), "kind": (str, None), "checkpoint": (str, None), "language": (str, ""), "words": (str, ""),
    "tower": (str, ""), "heads": (int, 0), "qformer_heads": (int, 0), "pickled": (bool, False),
}  # fmt: skip
_LAYER = re.compile(r"Qformer\.bert\.encoder\.layer\.(\d+)\.(crossattention)?")


def composed(folder: Path, settings: dict[str, Any]) -> ComposedCheckpoint:
    """The pieces that ``settings``, the folder's ``saccade.json``, names, put together."""
    given = pieces.given(settings, _FIELDS, SAMPLE)
    checkpoint = pieces.weights_file(folder, given["checkpoint"], "checkpoint")
    held = shapes(checkpoint)
    if "query_tokens" not in held:
        raise SaccadeError(f"{checkpoint} holds no query_tokens, so it is no BLIP-2 of LAVIS; name a released file")
    tower, sources = _tower(folder, given, checkpoint, held)
    first = lavis.CONTRAST in held
    worded = lavis.WORDS in held
    words = _words(folder, given, held) if first or worded else None
    inner = _qformer(given, held, tower)
    if first:
        assert words is not None
        return _first_stage(checkpoint, held, tower, inner, words, sources)
    return _second_stage(folder, given, checkpoint, tower, inner, words, sources)


def _first_stage(
    checkpoint: Path, held: lavis.Shapes, tower: HubTowerSpec, inner: QFormerSpec, words: PreTrainedTokenizerBase,
    sources: dict[str, Source],
) -> ComposedCheckpoint:  # fmt: skip
    dec = words.convert_tokens_to_ids(DEC) if "temp" in held else None
    assert not isinstance(dec, list)
    matcher = MatcherSpec(
        qformer=inner, embed=held[lavis.CONTRAST][0], pad=special(words, "pad_token_id"),
        cls=special(words, "cls_token_id"), dec=dec,
    )  # fmt: skip
    names = {f"matcher.{ours}": theirs for ours, theirs in qformer.rename_matcher(held, inner).items()}
    spec = RetrieverSpec(tower=tower, matcher=matcher, **_views(tower))
    return ComposedCheckpoint(spec, words, sources | traced(names, dict.fromkeys(held, checkpoint)))


def _second_stage(
    folder: Path, given: Mapping[str, Any], checkpoint: Path, tower: HubTowerSpec, inner: QFormerSpec,
    words: PreTrainedTokenizerBase | None, sources: dict[str, Source],
) -> ComposedCheckpoint:  # fmt: skip
    if not given["language"]:
        raise SaccadeError(
            f"{checkpoint.name} was trained around a language model and holds none; name it in saccade.json, for "
            f'example "language": "facebook/opt-2.7b"; a whole one reads: {SAMPLE}'
        )
    place = pieces.piece(folder, given["language"], pieces.PICKLES if given["pickled"] else ())
    tokenizer = tokenizer_of(place)
    language = _language(place, tokenizer)
    if inner.width_out != language.width:
        raise SaccadeError(
            f"the checkpoint's projection puts out {inner.width_out} channels, the language model in {place} takes "
            f"{language.width}; name the one that it was trained around"
        )
    files = listing(place, pickled=given["pickled"])
    spoken = (
        causal.rename(files, language.model_type)
        if isinstance(language, DecoderSpec)
        else {f"language.model.{name}": name for name in files}
    )
    held = dict.fromkeys(shapes(checkpoint), checkpoint)
    names = {f"connector.{ours}": theirs for ours, theirs in qformer.rename(held, inner).items()}
    spec = ReaderSpec(
        tower=tower, connector=inner, sequence=FrontSequence(), language=language,
        template=template_of(language, instructed=words is not None),
        image_id=image_id_of(None, tokenizer, language), **_views(tower),
    )  # fmt: skip
    return ComposedCheckpoint(spec, tokenizer, sources | traced(names, held) | traced(spoken, files), words)


def _tower(
    folder: Path, given: Mapping[str, Any], checkpoint: Path, held: lavis.Shapes
) -> tuple[HubTowerSpec, dict[str, Source]]:
    """The tower's spec, and where its weights lie: the norm behind it is always in the checkpoint."""
    alone = bool(given["tower"])
    file = pieces.weights_file(folder, given["tower"], "tower") if alone else checkpoint
    inside = shapes(file) if alone else held
    found = lavis.eyes(inside, alone=alone)
    config = Blip2VisionConfig(
        hidden_size=found.width, intermediate_size=found.middle, num_hidden_layers=found.depth,
        num_attention_heads=_heads(given["heads"], found.width, 88, "heads"), image_size=found.side,
        patch_size=found.patch, layer_norm_eps=1e-6,
    )  # fmt: skip
    spec = HubTowerSpec(config=config_text(config), keep_class=True, final_norm=True, norm_eps=LN_VISION_EPS)
    behind = {name: checkpoint for name in held if name.startswith("ln_vision.")}
    files = {**dict.fromkeys(inside, file), **behind}
    return spec, traced(lavis.rename_tower(files, found.depth, alone=alone), files)


def _qformer(given: Mapping[str, Any], held: lavis.Shapes, tower: HubTowerSpec) -> QFormerSpec:
    """The Q-Former, every size from its weights."""
    _, queries, width = held["query_tokens"]
    layers = {int(found[1]) for name in held if (found := _LAYER.match(name))}
    reading = sorted({int(found[1]) for name in held if (found := _LAYER.match(name)) and found[2]})
    projections = [shape[0] for name, shape in held.items() if lavis.PROJECTION.match(name)]
    first, worded = lavis.CONTRAST in held, lavis.WORDS in held
    if not first and len(projections) != 1:
        raise SaccadeError(
            f"a BLIP-2 of LAVIS has one of opt_proj, t5_proj and llm_proj before its language model, or the heads of "
            f"its first stage; got {len(projections)} of them: name a released file"
        )
    return QFormerSpec(
        width_in=tower.width,
        width_out=0 if first else projections[0],
        queries=queries,
        depth=len(layers),
        width=width,
        heads=_heads(given["qformer_heads"], width, 64, "qformer_heads"),
        middle=held["Qformer.bert.encoder.layer.0.intermediate_query.dense.weight"][0],
        every=reading[1] - reading[0] if len(reading) > 1 else len(layers),
        vocabulary=held[lavis.WORDS][0] if worded else 0,
        positions=held["Qformer.bert.embeddings.position_embeddings.weight"][0] if worded else 512,
        text=INSTRUCTION if worded and not first else 0,
    )


def _words(folder: Path, given: Mapping[str, Any], held: lavis.Shapes) -> PreTrainedTokenizerBase:
    """BERT's tokenizer with the token that LAVIS adds: it begins what is written."""
    if not given["words"]:
        raise SaccadeError(
            "the checkpoint's Q-Former reads words; name BERT's tokenizer in saccade.json: "
            '"words": "bert-base-uncased", or its folder'
        )
    place = pieces.piece(folder, given["words"])
    tokenizer = tokenizer_of(place)
    tokenizer.add_special_tokens({"bos_token": DEC})
    if len(tokenizer) != held[lavis.WORDS][0]:
        raise SaccadeError(
            f"the tokenizer in {place} has {len(tokenizer)} words with {DEC}, which LAVIS adds, the checkpoint's table "
            f"has {held[lavis.WORDS][0]}; take the tokenizer of bert-base-uncased"
        )
    return tokenizer


def _language(place: Path, tokenizer: PreTrainedTokenizerBase) -> DecoderSpec | Seq2SeqSpec:
    """The language model as LAVIS ran it: an OPT answers up to the end of a line, a T5 has the exact GELU, and a
    Llama's texts begin with the token that ends them.
    """
    config: PreTrainedConfig = parse_config(json.dumps(config_of(place)))
    if config.model_type == "opt":
        config.eos_token_id = tokenizer("\n", add_special_tokens=False)["input_ids"][0]
    if config.model_type == "t5":
        config.dense_act_fn = "gelu"
    if config.model_type == "llama" and tokenizer("a")["input_ids"][0] != tokenizer.eos_token_id:
        raise SaccadeError(
            f"LAVIS trained Vicuna with texts that begin with {tokenizer.eos_token}, those of the tokenizer in {place} "
            f'begin otherwise; load it with bos_token="{tokenizer.eos_token}" and save it there again'
        )
    return language_of(place, config)


def _heads(given: int, width: int, each: int, key: str) -> int:
    """Heads as told, or one for ``each`` channels."""
    heads = given or width // each
    if heads < 1 or width % heads:
        raise SaccadeError(
            f"{width} channels do not part into {heads} heads; say in saccade.json how many there are: {key}"
        )
    return heads


def _views(tower: HubTowerSpec) -> dict[str, Any]:
    """Pictures as LAVIS evaluates them."""
    return {"views": StretchSpec(size=Size(tower.side, tower.side)), "mean": CLIP_MEAN, "std": CLIP_STD}
