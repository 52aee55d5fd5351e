"""Numbers that the pages print about published models: counted when a page is written, never typed.

A claim's truth names them in braces. Whole numbers are printed in full, others with three digits that count.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from string import Formatter

from saccade.architectures import PRESETS
from saccade.architectures.catalogue import system
from saccade.backends.embedded.manifest import cards
from saccade.core.errors import unknown
from saccade.core.grid import Grid
from saccade.core.plan import Plan
from saccade.core.size import Size
from saccade.report import formatting as words
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.hf_config.fields import Fields
from saccade.specs.language.language import LanguageSpec
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.cells import centre, square_cells
from saccade.specs.towers.objects import ObjectTowerSpec
from saccade.specs.towers.serial import SerialSpec

Figures = dict[str, int | float | str]
LLAVA, UHD_64, UHD_144, UHD_2 = "llava-1.5-7b", "llava-uhd-64", "llava-uhd-144", "llava-uhd-v2-7b"
OCR = "deepseek-ocr"
FOVEAL_RADII = ((2, 4, 8), (9, 14, 20))
"""Radii of square cells, from where few patches stay by themselves to where most do."""
OPEN_FLAMINGO, IDEFICS_1, BLIP_2, INSTRUCT_BLIP = "openflamingo-9b", "idefics-9b", "blip2-opt-2.7b", "instructblip-7b"
FLAMINGO_SIZES = {"paper_3b": (1.2, 3.2), "paper_9b": (1.6, 9.3), "paper_80b": (10, 80)}
"""Billions of weights in the gated blocks, and in all, as arXiv:2204.14198 gives them; its resampler has 0.194."""


def fill(text: str) -> str:
    """``text`` with its figures. Raises SaccadeError with near matches for one that is not known."""
    known = figures()
    for name in names(text):
        if name not in known:
            raise unknown("figure", name, known)
    return text.format_map(known)


def names(text: str) -> list[str]:
    """The figures that ``text`` asks for."""
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]


@cache
def figures() -> Mapping[str, str]:
    """Every figure by name."""
    made = {
        **_squares(),
        **_pairs(),
        **_llava(),
        **_slices(),
        **_tiles(),
        **_flamingo(),
        **_blip(),
        **_spliced(),
        **_foveal(),
        **_deepseek(),
        **_objects(),
    }
    return {name: _written(value) for name, value in made.items()}


def _written(value: int | float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else words.significant(value)


def _plan(name: str, side: int = 336, text: int = 64, height: int | None = None, **options: object) -> Plan:
    return system(name).plan([Size(side, height or side)], text=text, options=options)


def _language(path: PathSpec) -> LanguageSpec:
    assert path.language is not None
    return path.language


def _squares() -> Figures:
    """Patches of square views."""
    counted: Figures = {
        f"patches_{side}_{patch}": (side // patch) ** 2 for side in (224, 336, 1024) for patch in (14, 16)
    }
    lists = {
        f"sides_{patch}": ", ".join(f"{(side // patch) ** 2:,}" for side in (224, 336, 672, 1024)) for patch in (14, 16)
    }
    return {**counted, **lists, "shrink_1024": (1024 / 336) ** 2}


def _pairs() -> Figures:
    """Scores of attention, one head and one layer unless the name says more, and what caches hold instead."""
    pairs = (576 + 512) ** 2
    spoken = _language(system(LLAVA).path())
    (layers, layer), *_ = spoken.layers
    batch, number, before, after = 8, 2, 2560, 576
    long, short = (batch * spoken.kv_bytes(length, number) / 1e9 for length in (before, after))
    return {
        "pairs_1088": pairs,
        "pairs_1088_layers": f"{words.mega(layers * pairs)} M",
        "pairs_1088_heads": f"{words.giga(layers * layer.attention.heads * pairs)} G",
        "mix_1088": layers * layer.attention.mix(pairs).flops / 1e12,
        "pairs_2560": before**2,
        "pairs_512": 512**2,
        "pairs_ratio": before**2 // 512**2,
        "scores_2560": batch * before**2 * layers * 4 / 1e9,
        "scores_576": batch * after**2 * layers * 4 / 1e9,
        "cache_2560": long,
        "cache_576": short,
        "cache_ratio": long / short,
        "cross_pairs": 512 * 2048 + 512**2,
        "cross_ratio": before**2 // (512 * 2048 + 512**2),
        "blip_pairs": 32 * 2048 + (32 + 512) ** 2,
    }


def _llava() -> Figures:
    tokens, window = _plan(LLAVA).visual_tokens, _language(system(LLAVA).path()).context
    return {
        "llava_tokens": tokens,
        "llava_context": window,
        "llava_window": 100 * tokens / window,
        "window_32k": 100 * 4096 / 32_768,
    }


def _slices() -> Figures:
    """LLaVA-UHD's versions over one square picture, and a frame of video."""
    few, many = _plan(UHD_64, 1024), _plan(UHD_144, 1024)
    nine, ninth = _plan(UHD_2, 1024, max_slices=9), _plan(UHD_144, 1024, max_slices=9)
    assert few.patches == many.patches == _plan(UHD_2, 1024).patches
    return {
        "uhd_64_fold": few.patches / few.visual_tokens,
        "uhd_144_fold": many.patches / many.visual_tokens,
        "uhd_slice": str(many.views[0].size),
        "uhd_patches": many.patches,
        "uhd_64_tokens": few.visual_tokens,
        "uhd_144_tokens": many.visual_tokens,
        "uhd_144_2048": _plan(UHD_144, 2048).visual_tokens,
        "uhd_nine_patches": nine.patches,
        "uhd_v2_nine": nine.visual_tokens,
        "uhd_144_nine": ninth.visual_tokens,
        "uhd_v2_work": _plan(UHD_2, 640, height=480).flops / _plan(LLAVA, 640, height=480).flops,
    }


def _tiles() -> Figures:
    """Idefics3 and SmolVLM."""
    models = {"fold_idefics3": "idefics3-8b", "fold_smol_2b": "smolvlm-2.2b", "fold_smol_256m": "smolvlm-256m"}
    plans = {name: _plan(model, 1024) for name, model in models.items()}
    small = plans["fold_smol_256m"]
    return {
        **{name: plan.patches // plan.visual_tokens for name, plan in plans.items()},
        "smol_context": _language(system("smolvlm-256m").path()).context,
        "smol_slots": small.slots,
        "smol_weights": round(small.params / 1e6),
        "smol_bytes": small.param_bytes / 1e9,
    }


def _foveal() -> Figures:
    """Cells of the embedded reader and of a map of 24 × 24."""
    grid, reader = Grid(24, 24), cards()["foveated"].spec
    cells = [len(square_cells(grid, (centre(grid),), radii, 8)) for radii in FOVEAL_RADII]
    assert isinstance(reader.connector, FovealSpec)
    (seen,) = reader.grids(reader.views.layout(Size(640, 480)))
    sizes = set(reader.connector.cells(seen).sizes.tolist())
    return {"fov_few": min(cells), "fov_many": max(cells), "fov_sides": len(sizes)}


def _deepseek() -> Figures:
    """Modes of DeepSeek-OCR."""
    modes = [_plan(OCR, 4000, mode=mode).visual_tokens for mode in ("tiny", "small", "base", "large")]
    tiled = [
        _plan(OCR, side, mode="gundam", height=height).visual_tokens for side, height in ((500, None), (3000, 3000))
    ]
    serial = system(OCR).path({"mode": "base"}).tower
    assert isinstance(serial, SerialSpec)
    return {
        "ocr_modes": ", ".join(map(str, modes[:-1])) + f" and {modes[-1]}",
        "ocr_base": modes[2],
        "ocr_least": tiled[0],
        "ocr_most": tiled[1],
        "ocr_sam": serial.sam.cost(1024).flops / 1e12,
    }


def _flamingo() -> Figures:
    spoken = _language(system(OPEN_FLAMINGO).path())
    plan, kin, kin_new = _plan(OPEN_FLAMINGO), _plan(IDEFICS_1), _new(IDEFICS_1)
    assert spoken.cross is not None
    return {
        "flamingo_tokens": plan.visual_tokens,
        "flamingo_patches": plan.patches,
        "idefics9_patches": kin.patches,
        "flamingo_blocks": spoken.cross[0],
        "flamingo_depth": spoken.depth,
        "flamingo_block_weights": (_new(OPEN_FLAMINGO) - plan.connector.params) / 1e9,
        "flamingo_new": _new(OPEN_FLAMINGO) / 1e9,
        "flamingo_weights": plan.params / 1e9,
        "flamingo_share": 100 * _new(OPEN_FLAMINGO) / plan.params,
        "idefics9_share": 100 * kin_new / kin.params,
        **{name: round(100 * (blocks + 0.194) / whole) for name, (blocks, whole) in FLAMINGO_SIZES.items()},
        "flamingo_memory_64": plan.memory_bytes / _plan(LLAVA).memory_bytes,
        **_beside_llava("flamingo", OPEN_FLAMINGO),
    }


def _new(name: str) -> int:
    """Weights that stand between a vision tower and a language model that were there before."""
    path = system(name).path()
    spoken = _language(path)
    blocks = spoken.cost(1).params - replace(spoken, cross=None).cost(1).params
    return _plan(name).connector.params + blocks


def _beside_llava(short: str, name: str) -> Figures:
    """FLOPs and caches relative to LLaVA-1.5, with little and with more text."""
    made: Figures = {}
    for text in (64, 512):
        ours, theirs = _plan(name, text=text), _plan(LLAVA, text=text)
        made[f"{short}_flops_{text}"] = ours.flops / theirs.flops
        made[f"{short}_cache_{text}"] = ours.kv_bytes / theirs.kv_bytes
    return made


def _blip() -> Figures:
    plan, reader = _plan(BLIP_2), Fields(system(BLIP_2).config).sub("qformer_config")
    depth = reader.positive("num_hidden_layers")
    return {
        "blip_tokens": plan.visual_tokens,
        "blip_patches": plan.patches,
        "blip_fold": plan.patches / plan.visual_tokens,
        "blip_depth": depth,
        "blip_crossing": -(-depth // reader.positive("cross_attention_frequency")),
        "blip_new": words.mega(plan.connector.params),
        "blip_weights": f"{plan.params / 1e6:,.0f}",
        "blip_share": 100 * plan.connector.params / plan.params,
        "blip_encoder": plan.vision.params / 1e9,
        "blip_encoder_work": round(plan.vision.flops / plan.connector.flops),
        **_beside_llava("blip", INSTRUCT_BLIP),
    }


def _spliced() -> Figures:
    """How the published readers join pictures to text."""
    known = [system(name) for name in PRESETS]
    joined = [one.path().cross for one in known if one.family.kind == "reader" and one.family.fidelity != "survey"]
    return {"readers": len(joined), "crossed": sum(joined), "spliced": len(joined) - sum(joined)}


def _objects() -> Figures:
    """What the survey describes as DeepSeek-OCR's, beside DeepSeek-OCR, for a square page."""
    ours, theirs = _plan("object-centric", 1024), _plan("deepseek-ocr", 1024, mode="base")
    tower = system("object-centric").path().tower
    assert isinstance(tower, ObjectTowerSpec)
    encoder = tower.sam.cost(tower.sam.side).flops
    return {
        "object_tokens": ours.visual_tokens,
        "object_points": tower.points**2,
        "object_tflops": ours.vision.flops / 1e12,
        "object_encoder": encoder / 1e12,
        "object_decoder": (tower.masks.flops - encoder) / 1e12,
        "object_clip": (ours.vision.flops - tower.masks.flops) / 1e12,
        "deepseek_tflops": theirs.vision.flops / 1e12,
    }
