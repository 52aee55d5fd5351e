"""How families are set that cut pictures into tiles, quarters or crops."""

from collections.abc import Mapping
from typing import cast

from saccade.specs.canvas import PagesSpec
from saccade.specs.families.deepseek import MODES
from saccade.specs.families.tiles import FRAMES
from saccade.specs.settings_lines import (
    Advice,
    Asked,
    Evaluate,
    Known,
    Serve,
    assigned,
    foreign,
    loaded,
    says,
    through_vllm,
)
from saccade.specs.settings_native import AUTHORS, CONVERTED

REMOTE = ("--trust-remote-code",)
TILES_OF_VLLM = 6
"""Tiles at most for DeepSeek-OCR and DeepSeek-OCR-2: a constant of vLLM's."""


def _edges(asked: Asked) -> Known:
    """Idefics and SmolVLM. Every edge of `size` that the checkpoint has must be written again."""
    given = asked.named({"split": "do_image_splitting"})
    if "longest_edge" in asked.options:
        own = asked.system.processor.get("size")
        kept = cast(Known, own) if isinstance(own, Mapping) else {}
        given["size"] = {**kept, "longest_edge": asked.options["longest_edge"]}
    return given


def _idefics2_lmms_eval(asked: Asked) -> Evaluate:
    # The adapter shows pictures once unless told otherwise; the checkpoint cuts them.
    split = asked.options.get("split", asked.system.processor.get("do_image_splitting", False))
    note = "longest_edge has no argument; the number of tokens is the same" if "longest_edge" in asked.options else ""
    return Evaluate(adapter="idefics2", given={"do_image_splitting": bool(split)}, note=note)


def _smolvlm_transformers(asked: Asked) -> str:
    if not asked.video:
        return loaded(asked, _edges(asked))
    rates = asked.named({"sample_fps": "fps", "max_frames": "num_frames"})
    return assigned(asked, "video_processor", {"do_sample_frames": True, **rates})


def _smolvlm_vllm(asked: Asked) -> Serve | str:
    if asked.video:
        return f"vLLM reads no videos with {asked.system.name}; send frames as pictures, do_image_splitting off"
    return Serve(processor=_edges(asked))


def _internvl_tiles(asked: Asked) -> dict[str, object]:
    given = asked.named({"max_tiles": "max_patches"})
    # Their processor cuts even where the checkpoint's JSON says that it should not.
    return {"crop_to_patches": False} if asked.system.processor.get("crop_to_patches") is False else given


def _frames(asked: Asked) -> int:
    count = asked.options.get("num_frames", FRAMES)
    assert isinstance(count, int)
    return count


def _internvl_transformers(asked: Asked) -> str:
    if not asked.video:
        return loaded(asked, _internvl_tiles(asked))
    return assigned(asked, "video_processor", {"do_sample_frames": True, "num_frames": _frames(asked)})


def _internvl_vllm(asked: Asked) -> Serve:
    if asked.video:
        return Serve(frames={"num_frames": _frames(asked)})
    return Serve(processor=_internvl_tiles(asked))


def _internvl_lmms_eval(asked: Asked) -> Evaluate | str:
    if asked.video:
        return Evaluate(adapter="internvl_hf", given={"num_frames": _frames(asked)})
    if asked.system.processor.get("crop_to_patches") is False:
        return Evaluate(adapter="internvl_hf", given={"min_patches": 1, "max_patches": 1})
    most = asked.options.get("max_tiles", asked.system.processor.get("max_patches", 12))
    return Evaluate(adapter="internvl_hf", given={"min_patches": 1, "max_patches": most})


def _ovis2_vllm(asked: Asked) -> Serve | str:
    return foreign(asked, "AIDC-AI") or Serve(processor=asked.named({"max_tiles": "max_partition"}), flags=REMOTE)


def _gemma3_crops(asked: Asked) -> Known:
    return asked.named({"pan_scan": "do_pan_and_scan", "max_crops": "pan_and_scan_max_num_crops"})


def _gemma3_lmms_eval(asked: Asked) -> Evaluate | str:
    # Its own adapter has no crops.
    crops = Serve(processor=_gemma3_crops(asked))
    return through_vllm(asked, crops) if asked.options.get("pan_scan") else Evaluate(adapter="gemma3")


def _ocr_transformers(asked: Asked) -> str:
    base, tile, _ = MODES[str(asked.options.get("mode", "gundam"))]
    if tile and "max_tiles" in asked.options:
        return f"the most tiles of {asked.system.name} are a constant in the authors' code, max_num of its tiling"
    sizes = f"base_size={base}, image_size={tile or base}, crop_mode={bool(tile)}"
    return f"model.infer(tokenizer, prompt=prompt, image_file=image_file, {sizes})  # {AUTHORS}"


def _ocr_vllm(asked: Asked, tile: int = 640) -> Serve | str:
    views = asked.path.views
    assert isinstance(views, PagesSpec)
    if (views.base, views.tile, views.most) == (1024, tile, TILES_OF_VLLM):
        return Serve()
    return (
        f"vLLM fixes {asked.system.name} to a page of 1024 px and up to {TILES_OF_VLLM} tiles of {tile} px and has no "
        f"flag; pictures of at most {tile} px a side get no tiles"
    )


def _ocr2_transformers(asked: Asked) -> str:
    if asked.options.get("crop") is False:
        return (
            f"transformers 5.23 writes more placeholders than {asked.system.name} makes vectors without tiles; leave "
            "crop on and shrink pictures to at most 768 px a side, which get no tiles"
        )
    return loaded(asked, asked.named({"max_tiles": "max_patches"}), note=CONVERTED)


IDEFICS2 = Advice(
    transformers=lambda asked: loaded(asked, _edges(asked)),
    vllm=says("vLLM does not support {name}; it does Idefics3"),
    lmms_eval=_idefics2_lmms_eval,
)
IDEFICS3 = Advice(
    transformers=lambda asked: loaded(asked, _edges(asked)), vllm=lambda asked: Serve(processor=_edges(asked))
)
SMOLVLM = Advice(transformers=_smolvlm_transformers, vllm=_smolvlm_vllm)
INTERNVL = Advice(transformers=_internvl_transformers, vllm=_internvl_vllm, lmms_eval=_internvl_lmms_eval)
OVIS2 = Advice(
    transformers=lambda asked: loaded(asked, asked.named({"max_tiles": "max_patches"}), note=CONVERTED),
    vllm=_ovis2_vllm,
)
GEMMA3 = Advice(
    transformers=lambda asked: loaded(asked, _gemma3_crops(asked)),
    vllm=lambda asked: Serve(processor=_gemma3_crops(asked)),
    lmms_eval=_gemma3_lmms_eval,
)
DEEPSEEK_OCR = Advice(transformers=_ocr_transformers, vllm=_ocr_vllm)
DEEPSEEK_OCR2 = Advice(
    transformers=_ocr2_transformers,
    vllm=lambda asked: foreign(asked, "deepseek-ai") or _ocr_vllm(asked, tile=768),
)
