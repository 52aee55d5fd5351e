"""CLIP, ALIGN and Perceiver: a picture goes in, and no language model reads it."""

import json
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from PIL import Image

from tests.exact.reader import Seen, Theirs
from tests.exact.sizes import Size


class Encoders(Theirs):
    """CLIP, ALIGN, Perceiver: no language sequence. Only the pixels come from a processor; the rest is in configs."""

    def _processor(self) -> Any:
        return SimpleNamespace(valid_processor_kwargs=None, _merge_kwargs=lambda *_, **__: {"images_kwargs": {}})

    def text(self, features: Any) -> str:
        """None."""
        return ""

    def run(self, image: Image.Image) -> Any:
        """The image processor."""
        return {**self.pixels(image, return_tensors="np"), "input_ids": [[]]}

    def seen(self, ids: Sequence[int], features: Any) -> Seen:
        """Patches of the pixels, cells of ALIGN's last map, Perceiver's latents."""
        (view,) = self.views(features)
        return Seen(_encoded(json.dumps(self.config), view), 0, (view,))


@cache
def _encoded(config: str, view: Size) -> int:
    told = json.loads(config)
    if told["model_type"] == "perceiver":
        return told["num_latents"]
    shell = transformers.AlignVisionModel if told["model_type"] == "align" else transformers.CLIPVisionModel
    with torch.device("meta"):
        model = shell(shell.config_class(**told["vision_config"]))
        states = model(torch.zeros(1, 3, view[1], view[0])).last_hidden_state
    return states.shape[-2] * states.shape[-1] if states.ndim == 4 else states.shape[1] - 1  # less the class token
