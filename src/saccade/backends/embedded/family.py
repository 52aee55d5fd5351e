"""The embedded family: very small readers that share one tower and one language model, one per architecture.

They were trained by this repository (``saccade train``) on the generated exam, and lie in the package
``saccade-embedded``: each part once, named by the hash of its bytes; ``manifest.json`` says which parts make which
reader, and the hash of every file.
They answer the exam's kinds of question about the exam's kinds of picture, and nothing else well.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from operator import attrgetter
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from saccade.backends.embedded.manifest import SCHEMA, TYPES, cards, checked
from saccade.core.caps import Cap
from saccade.core.errors import unknown
from saccade.core.records.recipe import to_dict
from saccade.core.size import Size
from saccade.runtime.about import About
from saccade.runtime.reader import Reader
from saccade.specs.connectors.compress import CompressSpec
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.connectors.hiwin import HiwinSpec
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.connectors.merge import MergeSpec
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.perceiver_connector import PerceiverConnectorSpec
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.connectors.region_tokens import RegionsSpec
from saccade.specs.connectors.resampler import ResamplerSpec
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.language.cross import CrossSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.laws.perceiver import AttendSpec, PerceiverSpec
from saccade.specs.layouts.cells import BudgetRule
from saccade.specs.layouts.resize import PadSpec
from saccade.specs.layouts.sequence import CalledSequence, PlainSequence, SeparatedSequence, TaggedSequence
from saccade.specs.layouts.slices import ArxivSliceSpec, EccvSliceSpec
from saccade.specs.layouts.tiles import TileSpec
from saccade.specs.matcher import MatcherSpec
from saccade.specs.parts import ConnectorSpec, SequenceSpec, TowerSpec, ViewsSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.regions import RegionTowerSpec
from saccade.specs.towers.vit import StemTowerSpec
from saccade.towers.regions import RegionTower

WIDTH = 128
SIDE = 128
TEMPLATE = "<image>{question}\n"
TOWER = StemTowerSpec(width=WIDTH, depth=4, heads=4, mlp=512, side=SIDE)
LANGUAGE = DecoderSpec(
    config=json.dumps(
        {
            "model_type": "qwen3",
            "hidden_size": WIDTH,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 32,
            "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"},
            "vocab_size": 448,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "initializer_range": 0.1,
        }
    )
)
IDS = {"image": 3, "edge": 4, "whole": 5, "tiles": 6, "comma": 33, "newline": 220}
"""Ids of the shared tokenizer; the tile markers start at ``tiles``, four to a row."""


LATENTS = (4, 16, 64, 256)
"""How many latents the Perceivers have: the bottleneck's width, from far too narrow to as many as patches."""
QUERIES = QFormerSpec(
    width_in=WIDTH, width_out=WIDTH, queries=32, depth=4, width=WIDTH, heads=4, middle=4 * WIDTH, extra=0
)
"""BLIP-2's queries, an eighth of the patches as there."""
MATCHER = MatcherSpec(
    qformer=replace(QUERIES, width_out=0, vocabulary=LANGUAGE.vocabulary, positions=32), embed=WIDTH, cls=1, dec=447
)
"""What they are trained in first, with words of the shared tokenizer and the last id that it leaves free."""


def family() -> dict[str, ReaderSpec]:
    """Every embedded reader's path, by name."""
    frame = PadSpec(size=Size(SIDE, SIDE), colour=(127, 127, 127))
    heads = 4
    connectors: dict[str, ConnectorSpec] = {
        "llava": MlpSpec(width_in=WIDTH, width_out=WIDTH),
        "shuffle-64": PixelShuffleSpec(width_in=WIDTH, width_out=WIDTH, ratio=2),
        "pool-16": PoolSpec(width_in=WIDTH, width_out=WIDTH, rows=4, cols=4),
        "pool-4": PoolSpec(width_in=WIDTH, width_out=WIDTH, rows=2, cols=2),
        "resampler-16": ResamplerSpec(width_in=WIDTH, width_out=WIDTH, queries=16, heads=heads),
        "resampler-4": ResamplerSpec(width_in=WIDTH, width_out=WIDTH, queries=4, heads=heads),
        "merge-16": MergeSpec(width_in=WIDTH, width_out=WIDTH, budget=16),
    }
    paths = {name: _path(frame, connector, PlainSequence()) for name, connector in connectors.items()}
    slices = ArxivSliceSpec(side=SIDE, patch=TOWER.patch, max_slices=6)
    separated = SeparatedSequence(comma=IDS["comma"], newline=IDS["newline"])
    paths["llava-uhd"] = _path(
        slices, ResamplerSpec(width_in=WIDTH, width_out=WIDTH, queries=36, heads=heads), separated
    )
    places = tuple(tuple(IDS["tiles"] + row * 4 + col for col in range(4)) for row in range(4))
    tagged = TaggedSequence(
        edge=IDS["edge"], whole=IDS["whole"], newline=(IDS["newline"],), gap=(IDS["newline"],) * 2, places=places
    )
    tiles = TileSpec(tile=SIDE, longest_edge=2 * SIDE)
    paths["idefics"] = _path(tiles, PixelShuffleSpec(width_in=WIDTH, width_out=WIDTH, ratio=2), tagged)
    paths["flamingo"] = paths["flamingo-single"] = replace(
        _path(
            frame,
            LatentsSpec(width_in=WIDTH, width_out=WIDTH, latents=64, depth=3, heads=heads, head=32, middle=4 * WIDTH),
            CalledSequence(image=IDS["image"]),
            CrossSpec(width=WIDTH, source=WIDTH, depth=LANGUAGE.depth, heads=heads, head=32, middle=4 * WIDTH),
        ),
        closing="</s>",
    )
    paths["blip2"] = _path(frame, QUERIES, PlainSequence())
    paths |= {f"perceiver-{latents}": _path(frame, _perceiver(latents), PlainSequence()) for latents in LATENTS}
    sliced = EccvSliceSpec(side=SIDE, patch=TOWER.patch)
    paths["llava-uhd-144"] = _path(
        sliced, WindowsSpec(width_in=WIDTH, width_out=WIDTH, heads=heads, queries=36), separated
    )
    pyramid = HiwinSpec(
        width_in=WIDTH, width_out=WIDTH, heads=heads, queries=36, levels=(1, 2), pyramid="bilinear"
    )  # fmt: skip
    paths["llava-uhd-v2"] = _path(sliced, pyramid, separated)
    compress = CompressSpec(width_in=WIDTH, width_out=WIDTH, channels=(160, 192), depth=2, heads=heads)
    paths["deepseek-16"] = _path(frame, compress, PlainSequence())
    foveal = FovealSpec(
        width_in=WIDTH,
        width_out=WIDTH,
        rule=BudgetRule(tokens=64, root=8),
        words=448,
        asked=WIDTH,
        text=16,
        heads=heads,
    )
    objects = RegionTowerSpec(inner=TOWER, most=30, side=SIDE // 4, raster=12)
    pooled = RegionsSpec(features=objects.features, width_out=WIDTH, raster=objects.raster)
    paths["object-centric"] = _path(frame, pooled, PlainSequence(), tower=objects)
    paths["foveated"] = _path(replace(frame, size=Size(2 * SIDE, 2 * SIDE)), foveal, PlainSequence())
    return paths


def _perceiver(latents: int) -> PerceiverConnectorSpec:
    """Latents that read once and think in two layers."""
    read = AttendSpec(width=WIDTH, source=WIDTH, heads=4, widen=2)
    layer = AttendSpec(width=WIDTH, heads=4, widen=2)
    return PerceiverConnectorSpec(
        encoder=PerceiverSpec(latents=latents, read=read, layer=layer, layers=2), width_out=WIDTH
    )


def _path(
    views: ViewsSpec,
    connector: ConnectorSpec,
    sequence: SequenceSpec,
    cross: CrossSpec | None = None,
    tower: TowerSpec = TOWER,
) -> ReaderSpec:
    return ReaderSpec(
        views=views,
        tower=tower,
        connector=connector,
        sequence=sequence,
        language=LANGUAGE,
        template=TEMPLATE,
        image_id=IDS["image"],
        cross=cross,
    )


def embedded(name: str, folder: Path | None = None) -> Reader:
    """One reader of the family with its trained weights, float32."""
    known = cards(folder)
    if name not in known:
        raise unknown("embedded reader", name, known)
    card = known[name]
    reader = Reader(card.spec, _tokenizer(folder))
    # Only those with cross-attention were trained on several pictures, and none on instructions.
    several = Cap.MULTI_IMAGE if isinstance(card.spec.cross, CrossSpec) else Cap(0)
    reader.about = About(card.fidelity, several, card.trained)
    for part, file in card.parts.items():
        weights = {key: value.float() for key, value in load(_file(file, folder).read_bytes()).items()}
        attrgetter(part)(reader).load_state_dict(weights)
    return reader.eval()


def pack(
    folder: Path,
    readers: Mapping[str, Reader],
    tokenizer: PreTrainedTokenizerBase,
    notes: Mapping[str, tuple[str, str, int]],
    recipe: Mapping[str, object],
) -> None:
    """Write a family: each part once in half precision under the hash of its bytes, the manifest last.

    ``notes`` gives each reader's fidelity, how it was trained, and its seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    entries = {}
    for name, reader in readers.items():
        tower = "tower.inner" if isinstance(reader.tower, RegionTower) else "tower"  # the tower that all share
        names = (tower, "connector", "language", *(("cross",) if reader.cross is not None else ()))
        parts = {part: _store(folder, attrgetter(part)(reader)) for part in names}
        fidelity, trained, seed = notes[name]
        spec = to_dict(reader.spec, TYPES)
        entries[name] = {"spec": spec, "parts": parts, "fidelity": fidelity, "trained": trained, "seed": seed}
    kept = {file for card in entries.values() for file in card["parts"].values()}
    kept |= {file.name for file in folder.glob("tokenizer*.json")}
    files = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in sorted(kept)}
    manifest = {"schema": SCHEMA, "recipe": dict(recipe), "readers": entries, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def _store(folder: Path, module: nn.Module) -> str:
    weights = {name: weight.to(torch.float16).contiguous() for name, weight in module.state_dict().items()}
    data = save(weights)
    name = f"{hashlib.sha256(data).hexdigest()[:16]}.safetensors"
    (folder / name).write_bytes(data)
    return name


def _file(file: str, folder: Path | None) -> Path:
    """A file of the embedded family, or of one in ``folder``."""
    return checked(file) if folder is None else folder / file


@cache
def _tokenizer(folder: Path | None) -> PreTrainedTokenizerBase:
    _file("tokenizer_config.json", folder)
    return AutoTokenizer.from_pretrained(str(_file("tokenizer.json", folder).parent))
