"""How DeepSeek-OCR is set: its modes, and tiles."""

from saccade.architectures.deepseek_ocr.spec import MODES
from saccade.architectures.settings.lines import (
    AUTHORS,
    CONVERTED,
    Advice,
    Serve,
    SettingsRequest,
    foreign,
    loaded,
)
from saccade.specs.layouts.canvas import PagesSpec

TILES_OF_VLLM = 6
"""Tiles at most for DeepSeek-OCR and DeepSeek-OCR-2: a constant of vLLM's."""


def _ocr_transformers(asked: SettingsRequest) -> str:
    base, tile, _ = MODES[str(asked.options.get("mode", "gundam"))]
    if tile and "max_tiles" in asked.options:
        return f"the most tiles of {asked.system.name} are a constant in the authors' code, max_num of its tiling"
    sizes = f"base_size={base}, image_size={tile or base}, crop_mode={bool(tile)}"
    return f"model.infer(tokenizer, prompt=prompt, image_file=image_file, {sizes})  # {AUTHORS}"


def _ocr_vllm(asked: SettingsRequest, tile: int = 640) -> Serve | str:
    views = asked.path.views
    assert isinstance(views, PagesSpec)
    if (views.base, views.tile, views.most) == (1024, tile, TILES_OF_VLLM):
        return Serve()
    return (
        f"vLLM fixes {asked.system.name} to a page of 1024 px and up to {TILES_OF_VLLM} tiles of {tile} px and has no "
        f"flag; pictures of at most {tile} px a side get no tiles"
    )


def _ocr2_transformers(asked: SettingsRequest) -> str:
    if asked.options.get("crop") is False:
        return (
            f"transformers 5.23 writes more placeholders than {asked.system.name} makes vectors without tiles; leave "
            "crop on and shrink pictures to at most 768 px a side, which get no tiles"
        )
    return loaded(asked, asked.named({"max_tiles": "max_patches"}), note=CONVERTED)


DEEPSEEK_OCR = Advice(transformers=_ocr_transformers, vllm=_ocr_vllm)


DEEPSEEK_OCR2 = Advice(
    transformers=_ocr2_transformers,
    vllm=lambda asked: foreign(asked, "deepseek-ai") or _ocr_vllm(asked, tile=768),
)
